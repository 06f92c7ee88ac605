"""Quantizes the baseline to 8 bits, weights and activations, calibrated on training images: writes fast.onnx."""

import data
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Images(CalibrationDataReader):
    def __init__(self):
        images, _ = data.training()
        self.rest = iter([{"images": images[start : start + 1]} for start in range(100)])

    def get_next(self):
        return next(self.rest, None)


if __name__ == "__main__":
    quant_pre_process("baseline.onnx", "prepared.onnx", skip_symbolic_shape=True)
    quantize_static(
        "prepared.onnx",
        "fast.onnx",
        Images(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )

"""What a card's processors really do between two looks: the share that was busy, and that did tensor operations.

NVML's utilisation only says that some program ran; GPM (Hopper and later) says how much of the card it filled. Names
and units: NVIDIA's NVML API reference, GPM functions.
"""

from collections.abc import Callable
from typing import Any


class Activity:
    """Two samples of one card, taken in turn; NV is pynvml, CALL asks it and gives None for what a card lacks."""

    def __init__(self, nv: Any, call: Callable[..., Any], handle: Any) -> None:
        self._nv, self._call, self._handle = nv, call, handle
        support = call(nv.nvmlGpmQueryDeviceSupport, handle)
        held = [call(nv.nvmlGpmSampleAlloc) for _ in range(2)] if support and support.isSupportedDevice else []
        self._samples = held if all(held) else []
        self._taken = False

    def read(self) -> tuple[float | None, float | None]:
        """Percent of the processors that were busy, and that did tensor operations, since the look before.

        None at the first look, and where the card does not tell.
        """
        if not self._samples:
            return None, None
        nv, (before, now) = self._nv, self._samples
        if self._call(nv.nvmlGpmSampleGet, self._handle, now) is None:
            return None, None
        self._samples = [now, before]
        if not self._taken:
            self._taken = True
            return None, None
        wanted = nv.c_nvmlGpmMetricsGet_t()
        wanted.version, wanted.numMetrics = nv.NVML_GPM_METRICS_GET_VERSION, 2
        wanted.sample1, wanted.sample2 = before, now
        for place, metric in enumerate((nv.NVML_GPM_METRIC_SM_UTIL, nv.NVML_GPM_METRIC_ANY_TENSOR_UTIL)):
            wanted.metrics[place].metricId = metric
        if self._call(nv.nvmlGpmMetricsGet, wanted) is None:
            return None, None
        busy, tensor = (_percent(wanted.metrics[place]) for place in range(2))
        return busy, tensor


def _percent(metric: Any) -> float | None:
    value = float(metric.value)
    return round(value, 1) if metric.nvmlReturn == 0 and 0 <= value <= 100 else None

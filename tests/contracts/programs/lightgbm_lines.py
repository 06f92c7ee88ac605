"""LightGBM, which only prints."""

import lightgbm
import numpy
from logged import Truth

truth = Truth()
numpy.random.seed(0)
x, y = numpy.random.rand(400, 4), numpy.random.rand(400)
train = lightgbm.Dataset(x, y)
results: dict = {}
callbacks = [lightgbm.log_evaluation(5), lightgbm.record_evaluation(results)]
lightgbm.train(
    {"metric": ["l2", "l1"], "verbosity": -1, "num_threads": 1}, train, 20, [train, lightgbm.Dataset(x[:90], y[:90])],
    ["train", "valid"], callbacks=callbacks,
)  # fmt: skip
for name in ("train", "valid"):
    for metric in ("l2", "l1"):
        for step in range(5, 21, 5):
            truth.log(f"{name}_{metric}", step, float(f"{results[name][metric][step - 1]:g}"))
truth.pause()
truth.write()

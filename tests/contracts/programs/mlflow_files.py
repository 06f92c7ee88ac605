"""MLflow's older files, which it writes only where it is told to."""

import os
from pathlib import Path

from logged import PHASES, STEPS, Truth, value
from mlflow.entities import Metric, Param

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

from mlflow.store.tracking.file_store import FileStore

truth = Truth()
store = FileStore(str(Path("mlruns").absolute()))
run = store.create_run(store.create_experiment("contract"), "me", 0, [], "name").info.run_id
store.log_param(run, Param("lr", "0.5"))
truth.config = {"lr": 0.5}
for phase in range(PHASES):
    for step in range(phase * STEPS, (phase + 1) * STEPS):
        store.log_metric(run, Metric("train/loss", truth.log("train/loss", step, value(step)), 1_700_000_000_000, step))
    truth.pause()
truth.write()

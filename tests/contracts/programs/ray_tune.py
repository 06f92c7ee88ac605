"""Ray Tune's result.json and progress.csv of two trials."""

import os

os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_USAGE_STATS_ENABLED": "0"}

import ray
from logged import Truth
from ray import tune

truth = Truth()


def trainable(config: dict) -> None:
    for step in range(1, 6):
        tune.report({"loss": config["lr"] / step})


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
run = tune.RunConfig(storage_path=os.getcwd(), name="sweep", verbose=0)
tuner = tune.Tuner(trainable, param_space={"lr": tune.grid_search([0.5])}, run_config=run)
tuner.fit()
for step in range(1, 6):
    truth.log("loss", step, 0.5 / step)
truth.config = {"lr": 0.5}
truth.pause()
truth.write()

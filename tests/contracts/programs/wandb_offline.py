"""W&B offline: many rows, nested values, a configuration that changes."""

import wandb
from logged import PHASES, STEPS, Truth, value

truth = Truth()
truth.config = {"lr": 0.5, "layers": [1, 2], "model": {"depth": 3}}
run = wandb.init(project="contract", mode="offline", config=truth.config, settings=wandb.Settings(console="off"))
for phase in range(PHASES):
    for step in range(phase * STEPS * 10, (phase + 1) * STEPS * 10):
        inner = truth.log("eval/acc", step, 1 - value(step))
        row = {"loss": truth.log("loss", step, value(step)), "eval": {"acc": inner}, "text": "x" * (step % 300)}
        run.log(row, step=step)
    truth.pause()
run.config.update({"late": 1})
truth.config["late"] = 1
run.finish()
truth.write()

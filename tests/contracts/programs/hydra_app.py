"""A program of Hydra's that prints its numbers through its logger."""

import logging
import sys
from pathlib import Path

import hydra
from logged import PHASES, STEPS, Truth
from omegaconf import DictConfig

truth = Truth()
Path("conf").mkdir(exist_ok=True)
Path("conf/app.yaml").write_text("lr: 0.5\nmodel:\n  depth: 3\n")
sys.argv.append("lr=0.25")


@hydra.main(version_base=None, config_path=str(Path("conf").absolute()), config_name="app")
def main(config: DictConfig) -> None:
    for phase in range(PHASES):
        for step in range(phase * STEPS, (phase + 1) * STEPS):
            logging.getLogger("app").info("step=%d loss=%s", step, truth.log("loss", step, config.lr / (step + 1)))
        truth.pause()


main()
truth.config = {"lr": 0.25, "model": {"depth": 3}, "overrides": ["lr=0.25"]}
truth.write()

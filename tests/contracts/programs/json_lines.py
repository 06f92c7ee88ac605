"""A loop of one's own that writes JSON lines with the standard library, NaN as Python writes it."""

import json

from logged import PHASES, STEPS, Truth, value

truth = Truth()
truth.config = {"lr": 0.001, "layers": [2, 4]}
with open("metrics.jsonl", "a") as out:
    out.write(json.dumps({"config": truth.config}) + "\n")
    for phase in range(PHASES):
        for step in range(phase * STEPS, (phase + 1) * STEPS):
            row = {"step": step, "train": {"loss": truth.log("train/loss", step, value(step))}}
            if step % 10 == 9:
                row["eval"] = {"acc": truth.log("eval/acc", step, step / 7)}
            out.write(json.dumps(row) + "\n")
        out.flush()
        truth.pause()
truth.write()

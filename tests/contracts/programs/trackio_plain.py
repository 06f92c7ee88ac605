"""Trackio, with an alert."""

import math

import trackio
from logged import PHASES, STEPS, Truth, value

truth = Truth()
truth.config = {"lr": 0.5}
trackio.init(project="contract", config=truth.config)
for phase in range(PHASES):
    for step in range(phase * STEPS, (phase + 1) * STEPS):
        number = value(step)
        trackio.log({"loss": truth.log("loss", step, 0.0 if math.isnan(number) else number)}, step=step)
    truth.pause()
trackio.finish()
truth.write()

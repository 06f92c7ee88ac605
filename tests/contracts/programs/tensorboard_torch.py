"""PyTorch's SummaryWriter, with a second writer in the same folder, and a text beside scalars."""

import struct

from logged import PHASES, STEPS, Truth, value
from torch.utils.tensorboard import SummaryWriter

truth, writer = Truth(), SummaryWriter("runs/one", flush_secs=1)


def float32(number: float) -> float:
    return struct.unpack("<f", struct.pack("<f", number))[0]


writer.add_text("about", "prose")
for phase in range(PHASES):
    for step in range(phase * STEPS, (phase + 1) * STEPS):
        number = value(step)
        writer.add_scalar("loss", number, step)
        truth.log("loss", step, float32(number))
        writer.add_scalar("acc", 1 - number, step, new_style=True)
        truth.log("acc", step, float32(1 - number))
    writer.flush()
    truth.pause()
    if phase == 1:
        writer.close()
        writer = SummaryWriter("runs/one", filename_suffix=".two")
writer.close()
truth.write()

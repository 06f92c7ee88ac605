"""A plain loop that prints what it has, as people write them."""

from logged import PHASES, STEPS, Truth, value

truth = Truth()
for phase in range(PHASES):
    for step in range(phase * STEPS, (phase + 1) * STEPS):
        loss = truth.log("loss", step, value(step))
        rate = truth.log("lr", step, 3e-4 * (1 - step / 200))
        print(f"step {step} | loss: {loss!r} | lr: {rate!r} | {1000 + step} tok/s", flush=True)
        if step % 10 == 9:
            held_out = truth.log("val_loss", step, value(step) + 0.125)
            print(f"step {step}: val_loss {held_out!r}", flush=True)
    truth.pause()
truth.write()

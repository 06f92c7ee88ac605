"""What programs print, line by line: the numbers that were meant as metrics, and none of the others."""

import math
from pathlib import Path

import pytest

from workbench.experiments.readers.base import Batch
from workbench.experiments.readers.stdout import StdoutReader

NAN = math.nan
# line -> {key: (step, value)}; what each trainer really prints.
LINES: dict[str, dict[str, tuple[float, float]]] = {
    "{'loss': '0.7913', 'grad_norm': '0.6873', 'learning_rate': '4.063e-05', 'epoch': '0.5'}": {
        "loss": (0.5, 0.7913), "grad_norm": (0.5, 0.6873), "learning_rate": (0.5, 4.063e-05),
    },
    "{'loss': 0.5, 'grad_norm': nan, 'epoch': 0.51, 'memory/max_active (GiB)': 3.2}": {
        "loss": (0.51, 0.5), "grad_norm": (0.51, NAN), "memory/max_active": (0.51, 3.2),
    },
    "iter 100: loss 2.3456, time 123.45ms, mfu 12.34%": {
        "loss": (100, 2.3456), "time": (100, 123.45), "mfu": (100, 12.34),
    },
    "step 250: train loss 1.2345, val loss 1.3456": {"train_loss": (250, 1.2345), "val_loss": (250, 1.3456)},
    "step   10/1000 | loss 4.370480 (+0.00z)| norm 15.3 (+0.00z)| lr 3.0e-04 | 120.1 ms | 41234 tok/s": {
        "loss": (10, 4.37048), "norm": (10, 15.3), "lr": (10, 3e-4),
    },
    " iteration      100/  500000 | consumed samples:        25600 | lm loss: 7.123456E+00 | loss scale: 1.0 |": {
        "consumed_samples": (100, 25600), "lm_loss": (100, 7.123456), "loss_scale": (100, 1.0),
    },
    "Step 12 | loss:0.456 lr:0.0003": {"loss": (12, 0.456), "lr": (12, 0.0003)},
    "epoch=0/micro_step=100/global_step=50, RunningAvgSamplesPerSec=123.4, MemAllocated=1.2GB": {
        "RunningAvgSamplesPerSec": (50, 123.4), "MemAllocated": (50, 1.2),
    },
    "step 00123 (4.5%) | loss: 2.345 | tok/sec: 41,234": {"loss": (123, 2.345), "tok/sec": (123, 41234)},
    "val_bpb:          0.997900": {"val_bpb": (NAN, 0.9979)},
    "METRIC hits=1.25": {"hits": (NAN, 1.25)},
    "[2026-11-22 10:00:00,123][train][INFO] - epoch 3 val_loss=0.25": {"val_loss": (3, 0.25)},
    "2026-11-22 10:00:00 INFO step=5 loss=0.25": {"loss": (5, 0.25)},
    "[default0]:step 5 loss 0.5": {"loss": (5, 0.5)},
    "Train Epoch: 2 [640/60000 (1%)]\tLoss: 0.531": {"Loss": (640, 0.531)},
    "45/45 [=====] - 3s 60ms/step - loss: 0.2345 - val_accuracy: 0.91": {
        "loss": (NAN, 0.2345), "val_accuracy": (NAN, 0.91),
    },
    "[Epoch 3/10] [Batch 20/50] [D loss: 0.5] [G loss: 1.2]": {"D_loss": (20, 0.5), "G_loss": (20, 1.2)},
    "loss: nan acc: 0.1": {"loss": (NAN, NAN), "acc": (NAN, 0.1)},
    "\x1b[32mloss\x1b[0m 0.123": {"loss": (NAN, 0.123)},
    "Epoch 1:  45%|####5     | 450/1000 [00:10<00:12, 44.9it/s, loss=0.5, v_num=3]": {"loss": (450, 0.5)},
    "Downloading 3 files from http://host:8080/x at 12:34:56, port: 8000": {},
    "Epoch 3/10": {},
    "Saved 3 checkpoints to out/step-100 (loss of precision is fine)": {},
}  # fmt: skip


def read(text: str, folder: Path) -> Batch:
    path = folder / "output.log"
    path.write_text(text)
    return StdoutReader(path).poll()


def told(batch: Batch) -> dict[str, list[tuple[float, float]]]:
    return {key: list(zip(column.steps, column.values, strict=True)) for key, column in batch.columns.items()}


@pytest.mark.parametrize("line", LINES)
def test_a_line_says_what_was_logged(line: str, tmp_path: Path) -> None:
    expected = {key: [pair] for key, pair in LINES[line].items()}
    assert repr(told(read(line + "\n", tmp_path))) == repr(
        {key: [(float(step), float(value)) for step, value in pairs] for key, pairs in expected.items()}
    )


def test_steps_are_counted_on_over_epochs(tmp_path: Path) -> None:
    lines = [f"Epoch {epoch}/2 step {step}/10 loss {epoch}.{step}" for epoch in (1, 2) for step in (5, 10)]
    assert told(read("\n".join(lines) + "\n", tmp_path))["loss"] == [(5, 1.5), (10, 1.10), (15, 2.5), (20, 2.10)]


def test_a_bar_tells_progress_and_what_is_left(tmp_path: Path) -> None:
    batch = read(
        "  2%|2         | 20/1000 [00:10<1:02:03,  1.9it/s]\r 3%|3  | 30/1000 [00:15<01:00, 2it/s]\n", tmp_path
    )
    assert batch.progress == (30, 1000) and batch.eta_s == 60


def test_a_torn_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_text("step 1 loss 0.5\nstep 2 lo")
    reader = StdoutReader(path)
    assert told(reader.poll()) == {"loss": [(1, 0.5)]}
    with path.open("a") as file:
        file.write("ss 0.25\n")
    assert told(reader.poll()) == {"loss": [(2, 0.25)]}


def test_bytes_that_are_no_text_and_endless_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"\xff\xfe\x00 loss \x9b 3\n" + b"9" * 20_000_000)
    reader = StdoutReader(path)
    notes = [note for _ in range(3) for note in reader.poll().notes]
    with path.open("ab") as file:
        file.write(b" loss 3\nloss 0.5\n")
    assert len(notes) == 1 and "passed over" in notes[0]
    assert list(reader.poll().columns["loss"].values) == [0.5]

"""What programs print, line by line: the numbers that were meant as metrics, and none of the others."""

import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    "step 7 | loss 0.1step 8 | loss 0.25": {"loss": (8, 0.25)},  # two programs on one terminal
    "step=7 loss=step=8 loss=0.25": {"loss": (8, 0.25)},
    "Epoch 1:step 5 loss 0.5": {"loss": (5, 0.5)},
    "[default0]:step 5 loss 0.5": {"loss": (5, 0.5)},
    "Train Epoch: 2 [640/60000 (1%)]\tLoss: 0.531": {"Loss": (640, 0.531)},
    "45/45 [=====] - 3s 60ms/step - loss: 0.2345 - val_accuracy: 0.91": {
        "loss": (NAN, 0.2345), "val_accuracy": (NAN, 0.91),
    },
    "[Epoch 3/10] [Batch 20/50] [D loss: 0.5] [G loss: 1.2]": {"D_loss": (20, 0.5), "G_loss": (20, 1.2)},
    "loss: nan acc: 0.1": {"loss": (NAN, NAN), "acc": (NAN, 0.1)},
    "\x1b[32mloss\x1b[0m 0.123": {"loss": (NAN, 0.123)},
    "Epoch 1:  45%|####5     | 450/1000 [00:10<00:12, 44.9it/s, loss=0.5, v_num=3]": {"loss": (450, 0.5)},
    # NeMo, torchtitan, verl, DeepSpeed
    "Training epoch 0, iteration 10/999 | lr: 1e-05 | global_step: 11 | reduced_train_loss: 10.3 | "
    "train_step_timing in s: 0.5": {
        "lr": (11, 1e-5), "reduced_train_loss": (11, 10.3), "train_step_timing_in_s": (11, 0.5),
    },
    "[rank0]:[titan] 2026-01-01 10:00:00,123 - root - INFO - \x1b[31mstep: 10  \x1b[32mloss:  7.5  \x1b[33mmemory: "
    "2.5GiB(5%)  tps: 1,234  mfu: 3.4%\x1b[39m": {
        "loss": (10, 7.5), "memory": (10, 2.5), "tps": (10, 1234), "mfu": (10, 3.4),
    },
    "step:7 - actor/kl_loss:0.001 - critic/score/mean:-0.25 - perf/mfu/actor:np.float64(0.5)": {
        "actor/kl_loss": (7, 0.001), "critic/score/mean": (7, -0.25),
    },
    "[2026-01-01 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[1e-05], "
    "mom=[[0.9, 0.999]]": {"skipped": (10, 0), "lr": (10, 1e-5)},
    # trees
    "[10]\ttrain-rmse:0.5\teval-rmse:0.625": {"train-rmse": (10, 0.5), "eval-rmse": (10, 0.625)},
    "[10]\tvalid_0's l2: 0.5\tvalid_1's l2: 0.25": {"valid_0_l2": (10, 0.5), "valid_1_l2": (10, 0.25)},
    "10:\tlearn: 0.6\ttest: 0.625\tbest: 0.61 (8)\ttotal: 60ms\tremaining: 1m": {
        "learn": (10, 0.6), "test": (10, 0.625), "best": (10, 0.61), "total": (10, 60), "remaining": (10, 1),
    },
    # vision
    "Epoch: [0][  10/5005]\tTime  0.3 ( 0.5)\tLoss 7.0e+00 (7.1e+00)\tAcc@1   0.25 (  0.1)": {
        "Time": (10, 0.3), "Loss": (10, 7.0), "Acc@1": (10, 0.25),
    },
    "Train: 0 [  50/1251 (  4%)]  Loss: 6.93 (6.94)  LR: 1.000e-05": {"Loss": (50, 6.93), "LR": (50, 1e-5)},
    "11/22 10:00:00 - mmengine - INFO - Epoch(train)  [1][ 50/196]  lr: 1.0e-03  eta: 0:10:00  loss: 0.5": {
        "lr": (50, 1e-3), "loss": (50, 0.5),
    },
    "[11/22 10:00:00 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 2.125  lr: 0.0005  max_mem: 2000M": {
        "total_loss": (19, 2.125), "lr": (19, 0.0005), "max_mem": (19, 2000),
    },
    # text
    "2026-01-01 10:00:00 | INFO | train_inner | epoch 001:    100 / 5000 loss=5.5, ppl=45.2, num_updates=99, lr=1e-4": {
        "loss": (99, 5.5), "ppl": (99, 45.2), "lr": (99, 1e-4),
    },
    "INFO:tensorflow:loss = 0.5, step = 100 (1.2 sec)": {"loss": (100, 0.5)},
    "{'loss': 0.5, 'rewards/chosen': -0.25, 'rewards/accuracies': 0.75, 'epoch': 0.02}": {
        "loss": (0.02, 0.5), "rewards/chosen": (0.02, -0.25), "rewards/accuracies": (0.02, 0.75),
    },
    "[INFO|2026-01-01 10:00:00] llamafactory >> {'loss': 0.5, 'learning_rate': 5.0e-05, 'epoch': 1.25}": {
        "loss": (1.25, 0.5), "learning_rate": (1.25, 5e-5),
    },
    "45/45 - 3s - 60ms/step - accuracy: 0.75 - loss: 0.25": {"accuracy": (NAN, 0.75), "loss": (NAN, 0.25)},
    "Iteration 5, loss = 0.125": {"loss": (5, 0.125)},
    "progress 50%, eta 12:30, accuracy 91.5%": {"accuracy": (NAN, 91.5)},
    "Ünïcode ┃ step 5 ┃ löss=2 ┃ loss=0.5 µs": {"löss": (5, 2), "loss": (5, 0.5)},
    "Downloading 3 files from http://host:8080/x at 12:34:56, port: 8000": {},
    "Epoch 3/10": {},
    "Namespace(lr=0.001, epochs=10, loss='mse')": {},
    "epochs: 10, hidden: 32, batch_size: 16": {},
    "  Gradient Accumulation steps = 1": {},
    "  Num Epochs = 2": {},
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB total capacity; 77.5 GiB allocated)": {},
    '  File "train.py", line 123, in train_step': {},
    "Successfully installed torch-2.9.1 numpy-2.3.5 in 12.5 s": {},
    "Map: 100%|##########| 1000/1000 [00:01<00:00, 900 examples/s]": {},
    "Loading weights: 100%|####| 3/3 [00:01<00:00, loss=3]": {"loss": (3, 3)},
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


# What was printed, and what that says.
TABLES: dict[str, tuple[str, dict[str, list[tuple[float, float]]]]] = {
    "fastai": (
        "epoch     train_loss  valid_loss  accuracy  time\n0         0.5         0.25        0.75      00:05\n"
        "1         0.25        0.125       0.875     00:05\n",
        {
            "train_loss": [(0, 0.5), (1, 0.25)], "valid_loss": [(0, 0.25), (1, 0.125)],
            "accuracy": [(0, 0.75), (1, 0.875)],
        },
    ),
    "spaCy": (
        "E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  SCORE \n---  ------  ------------  --------  ------  ------\n"
        "  0       0          0.00     41.67    0.00    0.00\n  1     200         12.50     21.50   75.00    0.75\n",
        {
            "LOSS_TOK2VEC": [(0, 0), (200, 12.5)], "LOSS_NER": [(0, 41.67), (200, 21.5)],
            "ENTS_F": [(0, 0), (200, 75)], "SCORE": [(0, 0), (200, 0.75)],
        },
    ),
    "scikit-learn": (
        "      Iter       Train Loss   Remaining Time \n         1           0.9876            1.20s\n",
        {"Train_Loss": [(1, 0.9876)], "Remaining_Time": [(1, 1.2)]},
    ),
    "Ultralytics": (
        "      Epoch    GPU_mem   box_loss  Instances       Size\n"
        "        1/3      2.51G      1.25         22        640:  50%|█████     | 4/8 [00:01<00:01,  4.5it/s]\r"
        "        1/3      2.51G      1.125        22        640: 100%|██████████| 8/8 [00:02<00:00,  4.5it/s]\n",
        {
            "GPU_mem": [(1, 2.51)] * 2, "box_loss": [(1, 1.25), (1, 1.125)], "Instances": [(1, 22)] * 2,
            "Size": [(1, 640)] * 2,
        },
    ),
    "Keras": (
        "Epoch 1/3\n\x1b[1m 5/10\x1b[0m \x1b[32m━━━━\x1b[0m \x1b[1m3s\x1b[0m 60ms/step - loss: 0.5\b\b\b\r"
        "\x1b[1m10/10\x1b[0m \x1b[32m━━━━━━\x1b[0m \x1b[1m3s\x1b[0m 60ms/step - loss: 0.25 - val_loss: 0.75\r\n"
        "Epoch 2/3\n10/10 - 3s - 60ms/step - loss: 0.125\n",
        {"loss": [(5, 0.5), (10, 0.25), (20, 0.125)], "val_loss": [(10, 0.75)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_tables_and_what_an_earlier_line_tells(name: str, tmp_path: Path) -> None:
    text, expected = TABLES[name]
    assert told(read(text, tmp_path)) == expected


def test_what_a_load_generator_prints(tmp_path: Path) -> None:
    """`vllm bench serve`, whose result a service's load may be."""
    said = """\
============ Serving Benchmark Result ============
Successful requests:                     1000
Benchmark duration (s):                  57.81
Request throughput (req/s):              17.30
Output token throughput (tok/s):         3430.93
---------------Time to First Token----------------
Mean TTFT (ms):                          10112.52
P99 TTFT (ms):                           29441.23
-----Time per Output Token (excl. 1st token)------
Median TPOT (ms):                        92.10
P99 ITL (ms):                            1026.13
==================================================
"""
    assert {key: points[0][1] for key, points in told(read(said, tmp_path)).items()} == {
        "Request_throughput": 17.3, "Output_token_throughput": 3430.93, "Mean_TTFT": 10112.52, "P99_TTFT": 29441.23,
        "Median_TPOT": 92.1, "P99_ITL": 1026.13,
    }  # fmt: skip


def test_arguments_are_a_configuration(tmp_path: Path) -> None:
    batch = read(
        "Namespace(lr=0.001, name='a', sizes=[1, 2], device=device(type='cpu'))\nNamespace(broken=\n", tmp_path
    )
    assert batch.config == {"lr": 0.001, "name": "a", "sizes": [1, 2]}


def test_progress_is_that_of_training(tmp_path: Path) -> None:
    bars = " 10%|#  | 10/100 [00:10<01:30, 1it/s]\nMap: 50%|##  | 5/10 [00:01<00:01, 5it/s]\n"
    bars += "Evaluating: 50%|#   | 1/2 [00:01<00:01, 1it/s]\n"
    batch = read(bars, tmp_path)
    assert batch.progress == (10, 100) and batch.eta_s == 90


def test_progress_over_epochs(tmp_path: Path) -> None:
    assert read("Epoch 2/4\n 5/10 - 3s - loss: 0.5\n", tmp_path).progress == (15, 40)


def test_a_bar_that_never_ends_its_line_is_seen(tmp_path: Path) -> None:
    assert read("\r 10%|1  | 10/100 [00:10<01:30, 1it/s]\r 20%|2", tmp_path).progress == (10, 100)


def test_names_with_digits_are_names(tmp_path: Path) -> None:
    lines = "".join(f"step {step} layer_{layer}/loss {step}.{layer}\n" for step in (1, 2) for layer in (3, 4))
    assert told(read(lines, tmp_path)) == {
        "layer_3/loss": [(1, 1.3), (2, 2.3)],
        "layer_4/loss": [(1, 1.4), (2, 2.4)],
    }


def test_names_and_digits_of_all_alphabets(tmp_path: Path) -> None:
    lines = "step 1 löß1=1 Box(50): 1\nstep 1 löß2=2 Box(95): 2\nstep ٣ loss=0.5\nstep 4 loss=٣\nstep 5 loss 1\x1f234\n"
    found = told(read(lines, tmp_path))
    assert {key: found[key] for key in ("löß1", "löß2", "Box(50)", "Box(95)")} == {
        "löß1": [(1, 1)], "löß2": [(1, 2)], "Box(50)": [(1, 1)], "Box(95)": [(1, 2)],
    }  # fmt: skip


def test_an_escape_without_its_end_costs_its_own_line_only(tmp_path: Path) -> None:
    assert told(read("\x1b]0;title loss=1\nstep 2 loss=0.5\n", tmp_path)) == {"loss": [(2, 0.5)]}


ALL = "".join(f"{line}\n" for line in LINES).encode() + "".join(text for text, _ in TABLES.values()).encode()


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ALL)), max_size=20))
def test_wherever_the_writer_pauses_the_points_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("out") / "output.log"
    path.touch()
    reader, held, begin = StdoutReader(path), dict[str, list[tuple[float, float]]](), 0
    for cut in [*sorted(cuts), len(ALL)]:
        with path.open("ab") as file:
            file.write(ALL[begin:cut])
        begin = cut
        for key, points in told(reader.poll()).items():
            held.setdefault(key, []).extend(points)
    whole = tmp_path_factory.mktemp("whole")
    (whole / "output.log").write_bytes(ALL)
    assert repr(sorted(held.items())) == repr(sorted(told(StdoutReader(whole / "output.log").poll()).items()))


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([line.encode() for line in LINES]),
            st.sampled_from(
                [
                    b"\x1b[",
                    b"step ",
                    b"loss=",
                    b"1/0 [",
                    b"nan",
                    b"\r",
                    b"\n",
                    b"1,234",
                    b"9" * 400,
                    b"e5",
                    "٣".encode(),
                ]
            ),
        ),
        max_size=12,
    ).map(b"".join)
)
def test_no_bytes_make_it_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("out") / "output.log"
    path.write_bytes(data + b"\n" + data + b"\n")
    twice = told(StdoutReader(path).poll())
    path.write_bytes(data + b"\n")
    once = told(StdoutReader(path).poll())
    assert once.keys() <= twice.keys()


def test_lines_made_to_be_slow_are_not(tmp_path: Path) -> None:
    units = ["a", "a-", "a ", "1,", "[", " ", "a=", "'", "epoch", "\x1b[", "1:", "- ", "loss ", "1/1 ", "(", "a/"]
    hostile = [unit * (4000 // len(unit)) + end for unit in units for end in ("1", " loss 1", "=")]
    hostile += ["2026-01-01 10:00:00 " + line for line in hostile]
    for line in hostile:
        began = time.process_time()
        read(f"{line}\n", tmp_path)
        assert time.process_time() - began < 0.3, line[:40]


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
    notes = [note for _ in range(6) for note in reader.poll().notes]
    with path.open("ab") as file:
        file.write(b" loss 3\nloss 0.5\n")
    assert len(notes) == 1 and "passed over" in notes[0]
    assert list(reader.poll().columns["loss"].values) == [0.5]

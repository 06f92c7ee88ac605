"""The watchdog: it tells what goes wrong, once, and is silent on every curve that only looks alarming."""

import math
import random
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from workbench.experiments.points import Series
from workbench.experiments.postmortem import post_mortem
from workbench.experiments.readers.base import Column
from workbench.experiments.types import Alert
from workbench.experiments.watchdog import Config, Point, Tick, Watchdog

# Ordinary curves: name -> (key, value at step of so many, by chance)
Shape = Callable[[int, int, random.Random], float]


def power_law(step: int, n: int, chance: random.Random) -> float:
    return 2.0 + 9 * (1 + step) ** -0.35 + chance.gauss(0, 0.15)


def warm_up_spikes(step: int, n: int, chance: random.Random) -> float:
    spike = 2.5 if step % 397 < 4 and step > 50 else 0.0
    return 2.2 + 8 * math.exp(-step / (n / 8)) + spike + chance.gauss(0, 0.1)


def high_then_low(step: int, n: int, chance: random.Random) -> float:
    return (200.0 if step < 3 else 3 * (1 + step / 50) ** -0.5) * math.exp(chance.gauss(0, 0.2))


def cosine(step: int, n: int, chance: random.Random) -> float:
    return 0.4 + 2 * (1 + math.cos(math.pi * step / n)) + chance.gauss(0, 0.3)


def restarts(step: int, n: int, chance: random.Random) -> float:
    return 0.3 + 2.5 * math.exp(-step / (n / 10)) + 0.25 * (1 - (step % (n // 5)) / (n // 5)) + chance.gauss(0, 0.05)


def tiny_loss(step: int, n: int, chance: random.Random) -> float:
    return (1 + step) ** -2.0 * math.exp(chance.gauss(0, 1.0))


def heavy_tails(step: int, n: int, chance: random.Random) -> float:
    return 1 + 4 * (1 + step) ** -0.5 + 0.1 * abs(chance.gauss(0, 1) / max(0.05, abs(chance.gauss(0, 1))))


def overfits(step: int, n: int, chance: random.Random) -> float:
    return 0.5 + 1.8 * math.exp(-step / (n / 10)) + 1.6 * (step / n) ** 2 + chance.gauss(0, 0.03)


def gan(step: int, n: int, chance: random.Random) -> float:
    return 1.2 + math.sin(step / 40) * (0.4 + 2.0 * step / n) + chance.gauss(0, 0.4)


def rewards(step: int, n: int, chance: random.Random) -> float:
    return -200 + 150 * (step / n) + (chance.gauss(0, 80) if chance.random() < 0.9 else -500)


def flat_reward(step: int, n: int, chance: random.Random) -> float:
    return 0.0 if step < n * 0.8 else 1.0


def value_loss(step: int, n: int, chance: random.Random) -> float:
    return (0.1 + 50 * (step / n)) * math.exp(chance.gauss(0, 1.5))


def likelihood(step: int, n: int, chance: random.Random) -> float:
    return -50 * (1 - math.exp(-step / (n / 3))) + chance.gauss(0, 4)


ORDINARY: dict[str, tuple[str, Shape]] = {
    "power_law": ("train/loss", power_law),
    "spikes": ("loss", warm_up_spikes),
    "high_then_low": ("loss", high_then_low),
    "cosine": ("train_loss", cosine),
    "restarts": ("loss", restarts),
    "tiny": ("loss", tiny_loss),
    "heavy_tails": ("loss", heavy_tails),
    "overfits": ("val_loss", overfits),
    "gan_d": ("d_loss", gan),
    "gan_g": ("loss/G_loss", gan),
    "discriminator": ("discriminator/loss", gan),
    "rewards": ("episode_reward", rewards),
    "sparse": ("rollout/ep_rew_mean", flat_reward),
    "value": ("train/value_loss", value_loss),
    "critic": ("critic_loss", value_loss),
    "nll": ("nll", likelihood),
}


def points(key: str, shape: Shape, n: int, seed: int) -> Iterator[Point]:
    chance = random.Random(seed)
    return (Point(key=key, step=step, value=shape(step, n, chance), at=1000.0 + step) for step in range(n))


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts]


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_curve_raises_no_alarm(name: str) -> None:
    key, shape = ORDINARY[name]
    for n in (60, 700, 4000):
        for seed in range(4):
            found = Watchdog().see(points(key, shape, n, seed))
            assert found == [], f"{n} points, seed {seed}: {found}"


def test_the_loss_of_an_agent_may_grow_with_its_rewards() -> None:
    dog, chance = Watchdog(), random.Random(4)
    for step in range(2000):
        now = [Point(key="rollout/ep_rew_mean", step=step, value=step / 10)]
        now.append(Point(key="train/loss", step=step, value=0.1 + (step / 200) ** 2 * chance.uniform(0.5, 1.5)))
        assert dog.see(now) == []


def diverging(step: int, n: int, chance: random.Random) -> float:
    rise = max(0.0, step - 0.7 * n) / (0.1 * n)
    return 3 + 7.8 * math.exp(-step / (n / 10)) + min(rise, 1) * 4.5 + chance.gauss(0, 0.1)


def exploding(step: int, n: int, chance: random.Random) -> float:
    return 2.3 + chance.gauss(0, 0.05) + (0 if step < n / 2 else math.expm1((step - n / 2) / 5))


@pytest.mark.parametrize(("shape", "key"), [(diverging, "loss"), (exploding, "train_loss"), (exploding, "val_loss")])
@pytest.mark.parametrize("n", [300, 3000])
def test_a_loss_that_diverges_is_told_once_and_in_time(shape: Shape, key: str, n: int) -> None:
    dog = Watchdog()
    found = [alert for alert in dog.see(points(key, shape, n, 1)) if alert.kind != "plateau"]  # it was one before
    assert kinds(found) == ["divergence"]
    begins = 0.7 * n if shape is diverging else n / 2
    assert found[0].step is not None and begins < found[0].step < n * 0.9
    assert key in found[0].text and "had been down to" in found[0].text


def test_a_plateau_is_told_once_also_where_several_metrics_show_it() -> None:
    def stuck(step: int, n: int, chance: random.Random) -> float:
        return 0.7 + 1.6 * math.exp(-step / 40) + chance.gauss(0, 0.02)

    dog = Watchdog()
    chance = random.Random(3)
    found = []
    for step in range(1200):
        value = stuck(step, 1200, chance)
        found += dog.see([Point(key=key, step=step, value=value) for key in ("train_loss", "val_loss")])
    assert kinds(found) == ["plateau"] and "has not moved from 0.69978" in found[0].text


def test_accuracy_that_is_perfect_is_no_plateau() -> None:
    values = [min(1.0, step / 200) for step in range(2000)]
    assert Watchdog().see(Point(key="acc", step=step, value=value) for step, value in enumerate(values)) == []


def test_nan_is_told_once_with_step_and_last_number() -> None:
    dog = Watchdog()
    found = []
    for step, value in enumerate([2.0, 1.5, math.nan, math.nan, math.inf]):
        found += dog.see(Point(key="loss", step=step, value=value, at=50.0 + step))
    assert [(alert.kind, alert.step, alert.at) for alert in found] == [("nan", 2, 52.0)]
    assert "loss is NaN at step 2, after 1.5" in found[0].text


def test_a_metric_that_is_nan_now_and_then_or_always_is_no_alarm() -> None:
    dog = Watchdog()
    assert dog.see(Point(key="ap_small", step=step, value=math.nan) for step in range(50)) == []
    assert dog.see(Point(key="acc", step=step, value=math.nan if step % 3 == 0 else 0.5) for step in range(50)) == []


def test_silence_is_measured_against_the_usual_pauses() -> None:
    dog = Watchdog(Config(stall_s=60))
    for at in range(0, 2000, 100):  # a validation every 100 s
        assert dog.see("evaluated\n", at=1000.0 + at) == []
        assert dog.see(Tick(at=1000.0 + at + (99 if at else 50))) == []
    assert dog.see(Tick(at=2900.0 + 800)) == []
    found = dog.see(Tick(at=2900.0 + 1100))
    assert kinds(found) == ["stall"] and "18 min" in found[0].text and "evaluated" in found[0].text
    assert dog.see(Tick(at=2900.0 + 5000)) == []
    dog.see("again\n", at=8000.0)
    assert kinds(dog.see(Tick(at=8000.0 + 10 * 5100))) == ["stall"], "after a sign of life it may be told once more"


def test_a_run_that_never_says_a_word_stalls_too() -> None:
    dog = Watchdog(Config(stall_s=60))
    assert dog.see(Tick(at=1000.0)) == [] and kinds(dog.see(Tick(at=1061.0))) == ["stall"]


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "MemoryError",
        "terminate called after throwing: std::bad_alloc",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB",
        "jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while",
    ],
)
def test_memory_that_ran_out_is_told_by_the_log(line: str) -> None:
    dog = Watchdog()
    assert kinds(dog.see(f"step 1\n[rank0]: {line}\n{line}\n", at=9.0)) == ["memory"]


@pytest.mark.parametrize("line", ["memory: 12 of 80 GiB", "catching MemoryErrors is on", "bloom filter", "zoom room"])
def test_words_that_sound_alike_are_none(line: str) -> None:
    assert Watchdog().see(line + "\n") == []


def test_signal_nine_is_memory_and_a_persons_stop_is_nothing() -> None:
    assert kinds(Watchdog().see(Tick(at=1, ended=True, signal=9))) == ["memory"]
    assert kinds(Watchdog().see(Tick(at=1, ended=True, exit_code=137))) == ["memory"]
    assert Watchdog().see(Tick(at=1, ended=True, signal=9, stopped=True)) == []
    assert Watchdog().see(Tick(at=1, ended=True, exit_code=0)) == []


CRASH = """step 7 loss 0.5
[rank0]: Traceback (most recent call last):
[rank0]:   File "/home/a/train.py", line 12, in <module>
[rank0]:     main()
[rank0]:   File "/home/a/model.py", line 40, in forward
[rank0]:     return self.fc(x)
[rank0]:   File "/v/lib/python3.11/site-packages/torch/nn/linear.py", line 125, in forward
[rank0]:     return F.linear(input, self.weight, self.bias)
[rank0]: RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x3 and 5x2)
"""


def test_a_crash_names_the_error_and_the_users_own_line() -> None:
    dog = Watchdog()
    assert dog.see(CRASH, at=3.0) == []
    dog.see(Point(key="loss", step=7, value=0.5, at=3.0))
    found = dog.see(Tick(at=4.0, ended=True, exit_code=1))
    assert kinds(found) == ["crash"] and found[0].step == 7
    assert (
        "mat1 and mat2" in found[0].text and "/home/a/model.py:40" in found[0].text and "exit code 1" in found[0].text
    )


@pytest.mark.parametrize("size", [1, 7, 64])
def test_output_may_come_in_pieces_and_end_without_a_newline(size: int) -> None:
    dog = Watchdog()
    text = CRASH.rstrip("\n")
    for at in range(0, len(text), size):
        assert dog.see(text[at : at + size], at=3.0) == []
    (alert,) = dog.see(Tick(at=4.0, ended=True, exit_code=1))
    assert "mat1 and mat2" in alert.text and "/home/a/model.py:40" in alert.text
    bar = Watchdog()
    for step in range(20_000):
        bar.see(f"\r{step}% done", at=1.0)
    bar.see(Tick(at=4.0, ended=True, exit_code=0))
    assert bar.last_lines == ["19999% done"]


def test_the_post_mortem_of_a_log() -> None:
    found = post_mortem(b"x\n" * 5000 + CRASH.encode() + b"\xff\n[W] destroying\n")
    assert (
        found.kind == "crash" and found.error.startswith("RuntimeError: mat1") and found.where == "/home/a/model.py:40"
    )
    assert found.frames[-1].endswith("linear.py:125 in forward") and found.last_lines[-1] == "[W] destroying"
    assert post_mortem("all is well\n").kind == "" and post_mortem("").error == ""
    assert post_mortem("a\nSegmentation fault (core dumped)").error == "Segmentation fault (core dumped)"
    assert post_mortem("\x1b[31mtorch.OutOfMemoryError: CUDA out of memory.\x1b[0m\n").kind == "memory"


def test_a_traceback_that_was_survived_is_no_crash() -> None:
    dog = Watchdog()
    assert dog.see(CRASH + "retrying\n", at=1.0) == []
    dog.see("\n".join(f"step {step}" for step in range(100)) + "\n", at=2.0)
    assert dog.see(Tick(at=3.0, ended=True, exit_code=0)) == []
    other = Watchdog()
    other.see(CRASH + "\n".join(f"step {step}" for step in range(100)) + "\nconfig is wrong\n", at=1.0)
    assert "config is wrong" in other.see(Tick(at=3.0, ended=True, exit_code=2))[0].text


def test_a_full_disk_is_told_before_and_when_it_happens() -> None:
    dog = Watchdog(Config(disk_free=1000))
    assert dog.see(Tick(at=1, disk_free=1500)) == []
    assert kinds(dog.see(Tick(at=2, disk_free=900)) + dog.see(Tick(at=3, disk_free=800))) == ["disk"]
    assert kinds(dog.see("OSError: [Errno 28] No space left on device\n", at=4)) == ["disk"]


def test_an_idle_card_is_told_only_when_it_stays_so() -> None:
    dog = Watchdog(Config(idle_s=60, stall_s=0))
    assert [dog.see(Tick(at=at, busy=0 if at % 50 else 90)) for at in range(0, 500, 10)] == [[]] * 50
    found = [alert for at in range(500, 700, 10) for alert in dog.see(Tick(at=at, busy=0.0))]
    assert kinds(found) == ["idle"]
    assert Watchdog(Config(idle_s=1)).see(Tick(at=99, busy=None)) == []


def test_kinds_that_are_left_out_stay_silent() -> None:
    dog = Watchdog(Config(kinds=frozenset({"crash"})))
    assert dog.see(Point(key="loss", step=1, value=math.nan)) == [] and dog.see("CUDA out of memory\n") == []


def test_the_message_for_an_agent_is_bounded_and_tells_what_it_needs() -> None:
    dog = Watchdog()
    dog.see("x" * 100_000 + "\nlast words\n", at=1.0)
    dog.see([Point(key=f"metric{at}", step=3, value=float(at)) for at in range(500)])
    alert = dog.see(Point(key="loss", step=4, value=math.nan, at=2.0)) or dog.see(Tick(at=2.0, ended=True, exit_code=1))
    text = dog.message(alert[0], {"lr": (0.1, 10)})
    assert len(text) <= 4000 and "last words" in text and "lr: 0.1 → 10" in text and "step" in text


def test_series_that_grow_are_followed_each_point_once() -> None:
    def column(first: int, values: list[float]) -> Column:
        found = Column()
        for at, value in enumerate(values, first):
            found.add(value, at, 100.0 + at)
        return found

    one, dog = Series(), Watchdog()
    one.take(column(0, [3.0, 2.0]), 0.0)
    assert dog.follow({"loss": one}) == [] and dog.follow({"loss": one}) == []
    one.take(column(2, [1.0, math.nan]), 0.0)
    (alert,) = dog.follow({"loss": one})
    assert (alert.kind, alert.step, alert.at) == ("nan", 3, 103.0) and dog.follow({"loss": one}) == []
    assert math.isclose(dog.values["loss"], 1.0)


def test_memory_is_bounded_over_a_long_run() -> None:
    dog = Watchdog()
    chance = random.Random(0)

    def feed(n: int) -> None:
        for step in range(n):
            dog.see(Point(key=f"loss{step % 300}", step=step, value=chance.random()))
            dog.see(f"step {step} {'y' * 50}\n")

    tracemalloc.start()
    try:
        feed(15_000)
        before, _ = tracemalloc.get_traced_memory()
        feed(15_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert before < 8_000_000 and after - before < 200_000, f"{before:,}, then {after:,} bytes"


@pytest.mark.parametrize("greatest", [1.7e308, 5e-324, math.inf])
def test_values_at_the_ends_of_what_a_number_can_be_are_watched_like_others(greatest: float) -> None:
    chance, dog = random.Random(3), Watchdog()
    for key in ("loss", "val_acc"):
        for step in range(600):
            value = greatest * chance.choice((1, 1, 1, 0.5, -1)) if step > 9 else 1e308
            dog.see(Point(key=key, step=step, value=value, at=1.0 + step))
    assert dog.see(Point(key="loss", step=600, value=math.nan, at=700.0)) or greatest == math.inf

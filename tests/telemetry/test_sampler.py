"""The sampler: it runs while someone looks, as often as the most curious asks, and costs next to nothing."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.cards import BUSY, python
from workbench.host.telemetry import Sample
from workbench.telemetry import words
from workbench.telemetry.host import HostReader, Who
from workbench.telemetry.nvml import Nvml
from workbench.telemetry.sampler import KEPT, Sampler

NO_ROOM = """
import os, pathlib, resource, threading, time
from workbench.telemetry.sampler import Sampler
sampler, refused, left = Sampler(pathlib.Path(".")), 0, []
os.setresuid(*[70_000 + os.getpid()] * 3)  # a user that nothing else runs as
for most in (3, 2, 1):  # with this one: room for both threads, for one, for none
    resource.setrlimit(resource.RLIMIT_NPROC, (most, 3))
    try:
        sampler.subscribe(lambda sample: None)()
    except RuntimeError:
        refused += 1
    until = time.monotonic() + 30
    while threading.active_count() > 1 and time.monotonic() < until:
        time.sleep(0.01)
    left.append(threading.active_count())
print(refused, left)
"""


class Watcher:
    """A subscriber that counts."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.came = threading.Condition()

    def __call__(self, sample: Sample) -> None:
        with self.came:
            self.samples.append(sample)
            self.came.notify_all()

    def wait(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.samples) >= count, 60), f"{len(self.samples)} of {count}"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "telemetry"]


def gone() -> bool:
    deadline = time.monotonic() + 60
    while threads() and time.monotonic() < deadline:
        time.sleep(0.005)
    return not threads()


def test_it_runs_only_while_someone_looks(tmp_path):
    sampler = Sampler(tmp_path)
    assert sampler.latest() is None
    assert not threads()
    one, two = Watcher(), Watcher()
    end_one = sampler.subscribe(one, 0.02)
    one.wait(3)
    end_two = sampler.subscribe(two, 60)
    end_one()
    end_one()  # a second time does nothing
    assert threads()
    end_two()
    assert gone()
    before = len(one.samples)
    assert sampler.latest() is not None
    again = Watcher()
    sampler.subscribe(again, 0.02)
    again.wait(2)
    assert len(one.samples) == before
    sampler.close()
    assert gone()


def test_the_most_curious_sets_the_pace_at_once(tmp_path):
    sampler = Sampler(tmp_path)
    slow = Watcher()
    sampler.subscribe(slow, 3600)
    slow.wait(2)  # the first, and the one behind it that rates need
    quick = Watcher()
    end = sampler.subscribe(quick, 0.01)
    quick.wait(5)
    end()
    count = len(slow.samples)
    assert count >= 7, "everyone gets every sample"
    sampler.close()


def test_a_callback_that_fails_is_dropped_and_the_others_go_on(tmp_path):
    sampler = Sampler(tmp_path)
    calls = []

    def failing(sample: Sample) -> None:
        calls.append(sample)
        raise RuntimeError("gone")

    watcher = Watcher()
    sampler.subscribe(failing, 0.01)
    sampler.subscribe(watcher, 0.01)
    watcher.wait(4)
    sampler.close()
    assert len(calls) == 1


def test_history_is_bounded(tmp_path):
    sampler = Sampler(tmp_path)
    for _ in range(KEPT + 20):
        sampler.sample()
    history = sampler.history()
    assert len(history) == KEPT
    assert history[-1] is sampler.latest()
    assert all(one.mono <= two.mono for one, two in itertools.pairwise(history))


def test_a_driver_that_is_absent_is_looked_for_again_only_after_a_while():
    now = [0.0]
    nvml = Nvml(clock=lambda: now[0])
    if nvml.open():
        return  # this machine has one
    started = time.thread_time()
    for _ in range(100):
        assert nvml.read() == ([], [])
    assert (time.thread_time() - started) / 100 < 0.001
    assert nvml.problem == "no NVIDIA driver"
    now[0] = 1000.0
    assert not nvml.open()


def test_without_a_driver_pynvml_is_not_even_imported():
    program = """
import sys
from pathlib import Path
from workbench.telemetry.sampler import Sampler
sample = Sampler(Path.cwd()).sample()
print(sample.problem is None, "pynvml" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True)
    has_driver, imported = done.stdout.split()
    assert has_driver == imported


CHANGES = """
import json, sys
from pathlib import Path
from workbench.telemetry.sampler import Sampler
from workbench.telemetry.nvml import Nvml
cards = Path(sys.argv[1])
now = [0.0]
sampler = Sampler(Path.cwd(), Nvml(clock=lambda: now[0]))
told = []
for text in json.loads(sys.argv[2]):
    cards.write_text(text)
    now[0] += 100
    sample = sampler.sample()
    cards_told = [[card.problem and card.problem[:4], card.name, card.utilization] for card in sample.gpus]
    told.append([sample.problem, cards_told])
print(json.dumps(told))
"""


def test_cards_and_drivers_come_and_go(tmp_path):
    cards = tmp_path / "cards"
    steps = ["util=1\nutil=2\n", "util=3\nlost=15\n", "util=4\nutil=5\n", "driver=9\n", "util=6\n", ""]
    done = python(CHANGES, cards, str(cards), json.dumps(steps))
    assert done.returncode == 0, done.stderr
    name = "NVIDIA H100 80GB HBM3"
    assert json.loads(done.stdout) == [
        [None, [[None, name, 1], [None, name, 2]]],
        [None, [[None, name, 3], ["lost", name, None]]],  # what it was called is still known
        [None, [[None, name, 4], [None, name, 5]]],
        ["the NVIDIA driver is not loaded", []],
        [None, [[None, name, 6]]],
        [None, []],
    ]


COST = """
import time
from pathlib import Path
from workbench.telemetry.sampler import Sampler
sampler = Sampler(Path.cwd())
sampler.sample()
sampler.read_links()
before = time.process_time()
for _ in range(50):
    sampler.sample()
per_sample = (time.process_time() - before) / 50
before = time.process_time()
for _ in range(10):
    sampler.read_links()
per_links = (time.process_time() - before) / 10
print(len(sampler.sample().gpus), per_sample + per_links / 5)
"""


def test_a_second_of_eight_cards_costs_under_a_hundredth_of_a_core(tmp_path):
    cards = tmp_path / "cards"
    cards.write_text(f"{BUSY} pids=1:59 nvlink=10\n" * 8)
    done = python(COST, cards)
    assert done.returncode == 0, done.stderr
    count, seconds = done.stdout.split()
    assert count == "8"
    assert float(seconds) < 0.01


def test_processes_of_a_foreign_namespace_are_not_guessed():
    import os

    user, command, started, foreign = Who(ours=True)(os.getpid())
    assert user
    assert "python" in (command or "")
    assert started is not None
    assert not foreign
    assert Who(ours=False)(os.getpid()) == (None, None, None, True)
    gone_for_good = 4_194_999  # above the largest process number
    assert Who(ours=True)(gone_for_good) == (None, None, None, False)


def test_the_host_tells_rates_from_the_second_look_on(tmp_path):
    now = [0.0]
    reader = HostReader(tmp_path, clock=lambda: now[0])
    first = reader.read()
    assert (first.cpu_percent, first.disk_read, first.net_sent) == (None, None, None)
    assert first.disk_path == str(tmp_path)
    now[0] = 1.0
    began = time.process_time()
    while time.process_time() - began < 0.1:  # the processors are used
        pass
    with ThreadPoolExecutor(1) as another:
        second = another.submit(reader.read).result()
    assert second.cpu_percent is not None and second.cpu_percent > 0
    missing = HostReader(Path("/does/not/exist")).read()
    assert (missing.disk_used, missing.disk_total) == (None, None)
    assert missing.memory_total == second.memory_total


def test_words():
    assert [words.size(one) for one in (None, 0, 999, 1023, 1536, 59.8 * 2**30, 80 * 2**30, 3 * 2**40)] == [
        "–", "0B", "999B", "1K", "1.5K", "59.8G", "80G", "3T",
    ]  # fmt: skip
    gib = 2**30
    assert words.of(int(60.6 * gib), int(79.6 * gib)) == "61/80G"
    assert words.of(int(1.2 * gib), 8 * gib) == "1.2/8.0G"
    assert words.of(None, 80 * gib) == "–/80G"
    assert words.of(None, None) == "–"
    assert [words.age(one) for one in (-1, 8, 130, 3600 * 3 + 300, 86400 * 4 + 7200)] == [
        "0s", "8s", "2m10s", "3h05m", "4d 2h",
    ]  # fmt: skip
    names = {
        "NVIDIA H100 80GB HBM3": "H100",
        "NVIDIA A100-SXM4-80GB": "A100",
        "NVIDIA GeForce RTX 4090": "RTX 4090",
        "NVIDIA GeForce RTX 4090 Laptop GPU": "RTX 4090",
        "Tesla V100-PCIE-16GB": "V100",
        "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada",
        "NVIDIA H100 NVL": "H100",
        "NVIDIA L40S": "L40S",
        "NVIDIA GB10": "GB10",
        "Tesla T4": "T4",
        None: "GPU",
    }
    assert {name: words.short_name(name) for name in names} == names


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user of its own")
def test_where_a_thread_cannot_begin_none_is_left_that_looks_for_nobody(tmp_path: Path) -> None:
    """It once turned round and round: no look before, and nobody to look for, made a wait that was no number."""
    done = subprocess.run([sys.executable, "-c", NO_ROOM], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("2 [1, 1, 1]\n", "")

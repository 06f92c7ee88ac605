"""A short run of `make fuzz` with fixed seeds; the finds of longer ones are kept here as they were."""

import random
from collections.abc import Iterator

import pytest

from fuzz.arena import Arena
from fuzz.compare import Tally, judge, judge_experiment
from fuzz.generate import command, experiment
from fuzz.readers import feed


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    made = Arena()
    yield made
    made.close()


def test_bash_runs_what_the_gate_believes(arena: Arena) -> None:
    chance, tally = random.Random(1), Tally()
    for _ in range(400):
        judge(arena, command(chance), tally)
    assert not tally.hidden
    assert tally.understood > 80 and tally.ran > 60, "the gate must not refuse nearly all"


def test_the_host_carries_out_what_bash_would_run(arena: Arena) -> None:
    chance, tally = random.Random(3), Tally()
    for _ in range(400):
        judge_experiment(arena, experiment(chance), tally)
    assert not tally.hidden
    assert tally.carried > 60, "the host must not leave nearly all to bash"


def test_a_hidden_command_would_be_seen(arena: Arena) -> None:
    ran, made = arena.run("evil 'a b' | ls > ../out & echo x > d/y; wait")
    assert ("evil", "a b") in ran and ("ls",) in ran
    assert {str(arena.root / "out"), str(arena.workspace / "d/y")} == made


def test_readers_raise_only_their_own() -> None:
    broken, fed = feed(random.Random(2), 1.0)
    assert not broken and fed > 1000

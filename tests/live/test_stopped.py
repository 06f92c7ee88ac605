"""A client that is stopped costs its session nothing, and shows what every other one does when it goes on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.hosts import LONG, Fold, lives_in, stopped
from support.mlwb import KEY, Place
from support.wires import Raw
from workbench.host import sockets

EVENTS = 100_000 if LONG else 10_000
PIECE = 2_000  # events between two looks; every second piece with the client stopped
GROWS = 8 << 20  # bytes: the journal's index takes 8 an event, and there are things that are made once
CLIENTS = 20
HELD = 60 << 20  # bytes: a queue of the newest events that all share, and two buffers of each client
SLOWER = 1.1 if LONG else 1.3  # of few pieces, beside other tests, the best one still has noise in it


class Talker:
    """A process that is told a line and answers with a line of JSON."""

    def __init__(self, *args: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *args],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self) -> Any:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it ended"
        return json.loads(line)

    def told(self, word: object) -> Any:
        """What it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.hears()


@contextmanager
def talker(*args: str, folder: Path) -> Iterator[Talker]:
    """One, which is ended with the block."""
    made = Talker(*args, folder=folder)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


@pytest.fixture
def flooding(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Talker, Path]]:
    """A host that journals as fast as it can, and the folder of its session."""
    lives_in(place, monkeypatch, ANTHROPIC_BASE_URL="http://127.0.0.1:9", ANTHROPIC_API_KEY=KEY)
    with talker("support.flooding", folder=place.repo) as host:
        yield host, place.session(host.hears()["session"])


def warm(host: Talker) -> float:
    """Bytes that HOST holds once all is there that is made once: a model's library is imported beside the work."""
    held: list[float] = []
    while len(held) < 5 or (len(held) < 40 and max(held[-4:]) > min(held[-4:]) + (1 << 18)):
        held.append(host.told(PIECE)["rss"])
        time.sleep(0.1)
    return held[-1]


def slowly(host: Talker) -> Any:
    """A piece; all of them take more than a minute, after which the host no longer believes in a silent client."""
    time.sleep(70 * PIECE / EVENTS if LONG else 0)
    return host.told(PIECE)


def shown(fold: Fold, answers: list[Any]) -> None:
    """Every client shows the fold of the journal."""
    for seq, digest, _ in answers:
        assert digest == fold.digest(seq), f"at {seq}"


@pytest.mark.slow
def test_a_stopped_client_costs_nothing_and_catches_up(flooding: tuple[Talker, Path]) -> None:
    host, folder = flooding
    with talker("support.watcher", str(folder), folder=folder) as client:
        client.hears()
        before = warm(host)
        client.told(int(host.told(1)["seq"]))
        free, held = [], []
        for piece in range(EVENTS // PIECE):
            if piece % 2:
                client.told(int(host.told(1)["seq"]))  # it has caught up, and has nothing to do
            if piece % 2 == 0:
                with stopped(client.process.pid):
                    held.append(host.told(PIECE))
            else:
                free.append(host.told(PIECE))
        grown = free[-1]["rss"] - before
        answer = client.told(int(free[-1]["seq"]))
        with talker("support.watcher", str(folder), folder=folder) as fresh:
            fresh.hears()
            other = fresh.told(int(free[-1]["seq"]))
        fold = Fold(folder)
        shown(fold, [*answer, *other])
        fold.close()
    cpu = [min(one["cpu"] for one in pieces) / PIECE * 1e6 for pieces in (free, held)]
    print(f"{EVENTS} events: {cpu[0]:.0f} us each with a client that reads, {cpu[1]:.0f} us with it stopped; "
          f"grown by {grown / (1 << 20):.1f} MB; begun anew {answer[0][2]} times")  # fmt: skip
    assert grown < GROWS
    assert cpu[1] < cpu[0] * SLOWER


@pytest.mark.slow
def test_a_client_that_is_stopped_all_along_costs_no_more_than_none(flooding: tuple[Talker, Path]) -> None:
    host, folder = flooding
    before = warm(host)
    with talker("support.watcher", str(folder), folder=folder) as client:
        client.hears()
        with stopped(client.process.pid):
            held = [host.told(PIECE) for _ in range(EVENTS // PIECE)]
        grown = held[-1]["rss"] - before
        answer = client.told(int(held[-1]["seq"]))
        fold = Fold(folder)
        shown(fold, answer)
    alone = [host.told(PIECE) for _ in range(EVENTS // PIECE)]
    fold.close()
    cpu = [min(one["cpu"] for one in pieces) / PIECE * 1e6 for pieces in (alone, held)]
    print(f"{EVENTS} events while it was stopped: {cpu[1]:.0f} us each, {cpu[0]:.0f} us without any client; "
          f"grown by {grown / (1 << 20):.1f} MB; begun anew {answer[0][2]} times")  # fmt: skip
    assert grown < GROWS
    assert cpu[1] < cpu[0] * SLOWER
    if LONG:
        assert answer[0][2] == 1, "it was told one by one what it had missed"


@pytest.mark.slow
def test_twenty_clients_at_once_show_the_same(flooding: tuple[Talker, Path]) -> None:
    host, folder = flooding
    with talker("support.watcher", str(folder), str(CLIENTS), folder=folder) as clients:
        clients.hears()
        with stopped(clients.process.pid):
            host.told(PIECE)
        seq = int(host.told(PIECE)["seq"])
        answers = clients.told(seq)
        fold = Fold(folder)
        shown(fold, answers)
        assert len(answers) == CLIENTS and len({digest for _, digest, _ in answers}) == 1
        fold.close()


@pytest.mark.skipif(not LONG, reason="of `make test-live`")
@pytest.mark.slow
def test_what_is_held_for_twenty_stopped_clients_is_bounded_in_bytes(flooding: tuple[Talker, Path]) -> None:
    host, folder = flooding
    host.told("300 20000")
    before = warm(host)
    with talker("support.watcher", str(folder), str(CLIENTS), folder=folder) as clients:
        clients.hears()
        host.told(1)
        with stopped(clients.process.pid):
            held = [host.told("500 20000")["rss"] - before for _ in range(4)]
        seq = int(host.told(1)["seq"])
        answers = clients.told(seq)
        fold = Fold(folder)
        shown(fold, answers)
        fold.close()
        print(f"held for {CLIENTS} stopped clients: {[round(one / (1 << 20)) for one in held]} MB")
        assert max(held) < HELD


@pytest.mark.slow
def test_what_is_held_for_those_who_come_back_and_do_not_read_is_bounded_in_bytes(
    flooding: tuple[Talker, Path],
) -> None:
    host, folder = flooding
    warm(host)
    after = int(host.told(1)["seq"])
    host.told("1500 20000")
    before = host.told(1)["rss"]
    silent = [Raw(sockets.path_of(folder.name)) for _ in range(CLIENTS)]
    for one in silent:
        welcome = one.hello(folder, after=after)
        assert welcome.seq == after and not welcome.state
    time.sleep(1.0)  # for what the host would do if nothing held it back
    held = host.told(1)["rss"] - before
    print(f"held for {CLIENTS} that do not read: {round(held / (1 << 20))} MB over {round(before / (1 << 20))}")
    for one in silent:
        one.close()
    assert held < HELD

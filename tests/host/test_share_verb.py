"""`mlwb share` as a process beside a live session, and the token on the way to `mlwb attach`."""

import asyncio
import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from support.endpoint import say
from support.hosted import Followed, begin, hosted
from support.mlwb import MLWB
from support.visitors import LI, needs_root, visitor
from workbench.protocol.commands import SubmitPrompt
from workbench.protocol.inviting import until
from workbench.verbs import attach_invited


async def mlwb(*args: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, [*MLWB, *args], capture_output=True, text=True, timeout=60)


def test_inviting_listing_and_showing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:

        async def run() -> None:
            async with Followed(await begin(place)) as owner:
                session = owner.client.session
                none = await mlwb("share", "--list")
                assert (none.returncode, none.stdout) == (0, "") and "Nobody is invited" in none.stderr
                done = await mlwb("share", session[:6], "--with", f"{LI},@4711", "--role", "suggester", "--until", "2h")
                assert done.returncode == 0, done.stderr
                assert done.stdout.count("mlwb attach /") == 2 and done.stdout.count("token: ") == 2
                assert f"for {LI}, suggester until" in done.stdout
                listed = json.loads((await mlwb("share", "--list", "--json")).stdout)
                assert [(one["session"], one["who"], one["role"]) for one in listed] == [
                    (session, [str(LI), "@4711"], "suggester")
                ]
                journal = (place.session(session) / "events.jsonl").read_text()
                told = [line.split()[1] for line in done.stdout.splitlines() if "token: " in line]
                assert all(one not in journal for one in told)  # a token is kept nowhere
                stopped = await mlwb("share", "--stop")
                assert stopped.returncode == 0
                await owner.until(lambda: not owner.client.state.shares)
                again = await mlwb("share", "--stop")
                assert again.returncode == 1 and "nobody is invited" in again.stderr

        asyncio.run(run())


@needs_root
def test_the_host_stays_for_those_who_may_yet_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:

        async def run() -> None:
            async with Followed(await begin(place)):
                made = await mlwb("share", "--with", str(LI), "--role", "driver", "--json")
                invited = json.loads(made.stdout)
                assert "confines" in made.stderr
            # the owner has left, and nothing is at work
            token = invited["invitations"][0]["token"]
            async with Followed(await visitor(LI, invited["socket"], token)) as guest:
                assert (await guest.client.send(SubmitPrompt(id="p", text="Go.", by=""))).ok
                await guest.until(lambda: any(one.kind == "answer" for one in guest.client.state.items))
            stopped = await mlwb("share", "--stop")
            assert stopped.returncode == 0, stopped.stderr

        asyncio.run(run())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "whom?"),
        (("--with", "x", "--until", "soon"), "no time of day (18:00)"),
        (("s-nosuch", "--with", "x"), "s-nosuch"),
        (("--with", "no-such-user-here"), "knows no user"),
        (("--with", "@no-such-group"), "knows no group"),
    ],
)
def test_what_it_cannot_do_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], words: str
) -> None:
    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:

        async def run() -> None:
            async with Followed(await begin(place)):
                done = await mlwb("share", *args)
                assert done.returncode in (1, 2) and words in done.stderr and "Traceback" not in done.stderr

        asyncio.run(run())


def test_until_when_as_people_write_it() -> None:
    now = datetime(2026, 11, 22, 14, 30).timestamp()
    hour = 3600.0
    assert until("2h", now) == now + 2 * hour
    assert until("1h30m", now) == now + 1.5 * hour
    assert until("18:00", now) == now + 3.5 * hour
    assert until("14:00", now) == now + 23.5 * hour  # the next one
    assert until("2026-11-23T14:30", now) == now + 24 * hour
    for wrong in ("", "soon", "25:00", "2 h", "-1h", "9" * 30 + "d"):
        with pytest.raises(ValueError, match="no duration"):
            until(wrong, now)


def test_the_token_comes_from_a_file_the_environment_or_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    assert attach_invited.token_of(str(tmp_path / "token")) == "from-a-file"
    monkeypatch.setenv("MLWB_TOKEN", "from-the-environment")
    assert attach_invited.token_of(None) == "from-the-environment"
    assert "MLWB_TOKEN" not in os.environ  # no command that is begun here inherits it
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match="opens nothing"):
        attach_invited.token_of(str(tmp_path / "empty"))


def test_attaching_without_a_terminal_says_so(tmp_path: Path) -> None:
    done = subprocess.run([*MLWB, "attach", "/tmp/nothing/s-x.sock"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "terminal" in done.stderr and "Traceback" not in done.stderr

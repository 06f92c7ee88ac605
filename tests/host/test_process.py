"""The life of a host: it goes on without a terminal, ends where nobody needs it, and can then be taken up again."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from support.endpoint import say, turn, use
from support.hosted import Followed, begin, hosted, raw
from support.left import hosts_under
from support.mlwb import Place
from workbench.host import sockets, stopping
from workbench.host.asked import Asked
from workbench.host.remote import RemoteClient, attach
from workbench.host.spawn import NotBegunError, Spawned
from workbench.protocol.commands import Rename, SubmitPrompt
from workbench.protocol.queries import FindFiles
from workbench.protocol.task import Task
from workbench.protocol.version import PROTOCOL
from workbench.session import store
from workbench.session.journal import is_live

ALLOWED = "permissions: {allow: [Bash]}\n"
ASKED = "permissions: {ask: [Bash]}\n"


async def until(true: Callable[[], Any], most: float = 60.0) -> None:
    """Returns when TRUE holds."""
    end = time.monotonic() + most
    while not true():
        assert time.monotonic() < end, "it did not come to that in time"
        await asyncio.sleep(0.02)


def lose(client: RemoteClient) -> None:
    """The client's process is gone, and has said nothing."""
    for task in client._tasks:
        task.cancel()
    assert client._writer is not None
    client._writer.transport.abort()


def sleeping(place: Place) -> list[Any]:
    return [turn(use("Bash", command=f"echo $$ > {place}/pid; exec sleep 1000")), say("Done.")]


def test_one_who_leaves_a_session_that_rests_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        other = await attach(place.session(client.session))
        await other.close()
        assert other.lives and is_live(place.session(client.session))  # the first is here still
        await client.close()
        assert not client.lives
        await until(lambda: not is_live(place.session(client.session)))
        assert store.summary(place.session(client.session)).state == "resumable"
        assert not sockets.path_of(client.session).exists()

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_one_that_was_lost_is_waited_for_and_then_not_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        folder = place.session(client.session)
        lose(client)
        await asyncio.sleep(0.5)
        again = await attach(folder)
        lose(again)
        began = time.monotonic()
        await until(lambda: not is_live(folder))
        assert time.monotonic() - began > 2.5

    with hosted(tmp_path, monkeypatch, []) as place:
        monkeypatch.setenv("MLWB_LINGER", "3")
        asyncio.run(run(place))


@pytest.mark.parametrize("settings", [ALLOWED, ASKED])
def test_what_is_at_work_or_waits_for_an_answer_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        async with Followed(client) as followed:
            await client.send(SubmitPrompt(id="p", text="sleep", by="me"))
            await followed.until(lambda: client.state.approvals or (place.repo / "pid").exists())
        assert client.lives
        await asyncio.sleep(1.0)
        again = await attach(place.session(client.session))
        assert again.state.phase == ("calling" if settings is ALLOWED else "asking")
        await again.close()

    with hosted(tmp_path, monkeypatch, sleeping(tmp_path / "home/work"), settings) as place:
        monkeypatch.setenv("MLWB_LINGER", "0.2")
        asyncio.run(run(place))


def test_what_was_said_just_before_leaving_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        assert (await client.send(SubmitPrompt(id="p", text="wait", by="me"))).ok
        await client.close()
        await until((place.repo / "pid").exists)

    with hosted(tmp_path, monkeypatch, sleeping(tmp_path / "home/work"), ALLOWED) as place:
        asyncio.run(run(place))


def test_a_host_whose_asker_is_gone_before_it_came_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        host = Spawned(place.repo, dict(os.environ))
        task = Task(prompt="", workspace=str(place.repo), agent="ml-engineer", interactive=True)
        host._asking.setblocking(True)
        host._asking.sendall(msgspec.json.encode(Asked(task=task)) + b"\n")
        host._asking.close()
        idle = Spawned(place.repo, dict(os.environ))
        idle.give_up()
        await until(lambda: not hosts_under(tmp_path))
        assert [one.state for one in store.list_sessions()] in ([], ["resumable"])

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_of_two_hosts_for_one_session_the_lock_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        first = await begin(place)
        await first.close()
        await until(lambda: not is_live(place.session(first.session)))
        found = await asyncio.gather(*(begin(place, first.session) for _ in range(3)), return_exceptions=True)
        assert sum(isinstance(one, RemoteClient) for one in found) == 1, found
        (client,) = (one for one in found if isinstance(one, RemoteClient))
        for other in found:
            if other is not client:
                assert isinstance(other, NotBegunError) and "in use by process" in other.message
        await client.close()

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_a_socket_folder_that_is_deleted_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        path = sockets.path_of(client.session)
        path.unlink()
        path.parent.rmdir()
        await until(path.exists)
        assert path.parent.stat().st_mode & 0o777 == 0o700 and path.stat().st_mode & 0o777 == 0o600
        again = await attach(place.session(client.session))
        await again.close()
        await client.close()

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_a_folder_that_cannot_be_used_is_told_before_a_session_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosted(tmp_path, monkeypatch, []) as place:
        (place.home / "sock").symlink_to(tmp_path)
        with pytest.raises(NotBegunError, match="is a link, so it is not used"):
            asyncio.run(begin(place))
        assert store.list_sessions() == []


@pytest.mark.parametrize("answers", [True, False])
def test_a_session_is_stopped_from_outside_and_can_be_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        folder = place.session(client.session)
        async with Followed(client) as followed:
            await client.send(SubmitPrompt(id="p", text="sleep", by="me"))
            await followed.until(lambda: (place.repo / "pid").exists() and (place.repo / "pid").read_text())
            (host,) = hosts_under(tmp_path)
            assert stopping.holder(folder) == host.pid
            if not answers:
                sockets.path_of(client.session).unlink()
            assert await stopping.stop(folder)
            await followed.until(lambda: client.state.phase == "ended")
        assert not is_live(folder) and store.summary(folder).state == "resumable"
        assert not psutil.pid_exists(int((place.repo / "pid").read_text()))
        assert stopping.holder(folder) is None and not await stopping.stop(folder)
        again = await begin(place, client.session)
        await again.close()

    with hosted(tmp_path, monkeypatch, sleeping(tmp_path / "home/work"), ALLOWED) as place:
        asyncio.run(run(place))


def test_one_that_heeds_nothing_is_told_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        (host,) = hosts_under(tmp_path)
        host.suspend()
        try:
            with pytest.raises(stopping.NotStoppedError, match=f"`kill -9 {host.pid}` ends it"):
                await stopping.stop(place.session(client.session), 0.3, 0.3)
        finally:
            host.resume()
        await until(lambda: not is_live(place.session(client.session)))  # SIGTERM waited for it
        await client.close()

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_the_list_says_which_are_live_and_who_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        other = await attach(place.session(client.session))
        listed = await asyncio.to_thread(place.mlwb, "sessions", "list")
        assert "  live" in listed.stdout
        if sockets.clients():
            assert "live, 2 here" in listed.stdout
        await other.close()
        stopped = await asyncio.to_thread(place.mlwb, "sessions", "stop", client.session)
        assert (stopped.code, stopped.stdout) == (0, f"stopped {client.session}\n")
        again = await asyncio.to_thread(place.mlwb, "sessions", "stop", client.session)
        assert (again.code, again.stderr) == (0, f"{client.session} was not live\n")
        resumed = await asyncio.to_thread(place.mlwb, "sessions", "resume", client.session)
        assert resumed.code == 2 and "needs a terminal" in resumed.stderr
        await client.close()

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_how_long_it_waits_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.host.lingering import linger_s

    place = Place(tmp_path)
    monkeypatch.setenv("HOME", str(place.home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("MLWB_LINGER", raising=False)
    assert linger_s(place.repo) == 900
    (place.home / ".config/mlwb/config.yaml").write_text("host: {linger: 2h}\n")
    assert linger_s(place.repo) == 7200
    monkeypatch.setenv("MLWB_LINGER", "3")
    assert linger_s(place.repo) == 3


def test_a_headless_run_is_over_whoever_watches_it_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        with place.started("run", place.task("Wait.\n"), "--output-format", "json", env=dict(os.environ)) as run:
            await until(lambda: [one for one in store.list_sessions() if one.state == "live"])
            (session,) = (one.id for one in store.list_sessions())
            await until(lambda: (place.repo / "pid").exists() and sockets.path_of(session).exists())
            async with Followed(await attach(place.session(session), "viewer")) as watching:
                assert not watching.client.attended
                leaves = await attach(place.session(session))
                await leaves.close()
                assert leaves.lives
                async with raw(session) as slow:  # says hello, and reads nothing of what it is told
                    slow.say(type="hello", token=sockets.token_of(place.session(session)), protocol=PROTOCOL)
                    (place.repo / "go").touch()
                    await watching.until(lambda: watching.client.state.phase == "ended")
                    assert await asyncio.to_thread(run.wait, 60) == 0
        assert not is_live(place.session(session))

    command = "echo $$ > pid; yes | head -c 300000; while [ ! -e go ]; do sleep 0.05; done"
    with hosted(tmp_path, monkeypatch, [turn(use("Bash", command=command)), say("Well.")], ALLOWED) as place:
        monkeypatch.setenv("MLWB_LINGER", "600")  # it is not that which it waits for
        asyncio.run(run(place))


def test_a_host_that_crashes_leaves_why_in_its_log_and_its_clients_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        async with Followed(client) as followed:
            (host,) = hosts_under(tmp_path)
            host.send_signal(signal.SIGSEGV)
            await followed.until(lambda: client.ended)
            assert client.ended == "gone" and "is gone" in client.why
        log = (place.session(client.session) / "host.log").read_text()
        assert "Segmentation fault" in log and "most recent call first" in log
        again = await begin(place, client.session)
        await again.close()

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_a_journal_that_cannot_be_gone_on_with_is_told_and_leaves_no_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        await client.close()
        await until(lambda: not is_live(place.session(client.session)))
        journal = place.session(client.session) / "events.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[:1]) + b"damaged" + b"".join(lines[1:]))
        with pytest.raises(NotBegunError, match="line 2 is damaged"):
            await begin(place, client.session)
        await until(lambda: not hosts_under(tmp_path))

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))


def test_a_full_disk_is_told_in_words_before_a_session_goes_on_or_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(place: Place, state: Path) -> None:
        client = await begin(place)
        await client.close()
        await until(lambda: not is_live(state / "mlwb/sessions" / client.session))
        with contextlib.suppress(OSError), (state / "full").open("wb", buffering=0) as file:
            while file.write(bytes(512)):
                pass
        for resume in (client.session, ""):
            with pytest.raises(NotBegunError) as told:
                await begin(place, resume)
            assert str(state) in str(told.value) and "[Errno" not in str(told.value)

    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    with hosted(tmp_path, monkeypatch, []) as place:
        state = tmp_path / "small"
        state.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", state], capture_output=True).returncode:
            pytest.skip("root without the right to mount")
        monkeypatch.setenv("XDG_STATE_HOME", str(state))
        try:
            asyncio.run(run(place, state))
        finally:
            subprocess.run(["umount", "-l", state], check=True)


def test_a_host_out_of_files_goes_on_and_takes_clients_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        async with Followed(client) as followed:
            await client.send(SubmitPrompt(id="p", text="hello", by="me"))
            await followed.until(lambda: client.state.turns and client.state.phase == "idle")
            (host,) = hosts_under(tmp_path)
            resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (host.num_fds() + 6, 4096))
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(20):
                    await stack.enter_async_context(raw(client.session))
                before = host.cpu_times()
                await asyncio.sleep(1.0)
                spent = host.cpu_times().user + host.cpu_times().system - before.user - before.system
                assert spent < 0.5, "it spins"
            resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (4096, 4096))
            again = await attach(place.session(client.session))
            await again.close()
            assert (await client.send(Rename(id="r", title="Still here", by="me"))).ok

    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:
        asyncio.run(run(place))


def test_who_asks_for_much_at_once_is_answered_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(place: Place) -> None:
        client = await begin(place)
        async with Followed(client):
            pages = await asyncio.gather(*(client.query(FindFiles(pattern="train", n=5)) for _ in range(500)))
            assert len(pages) == 500 and all(page == pages[0] for page in pages)

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run(place))

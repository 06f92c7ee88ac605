"""A live session from another terminal: opening a long one, bytes over the wire, and typing on a slow line.

The line is a relay on loopback that holds back what passes for 100 ms each way; at its far end `mlwb attach --stdio`
stands before the session, as behind ssh.
"""

import asyncio
import contextlib
import os
import re
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from measure import environment, figure, mlwb, python, scratch
from terminal import READY, Pacing, Terminal
from tui_session import EVENTS, RATE, echoes, lengthened
from workbench.host import sockets
from workbench.host.asked import Asked
from workbench.host.remote import LIMIT, RemoteClient, attach
from workbench.host.spawn import Spawned
from workbench.protocol import events as e
from workbench.protocol import wire
from workbench.protocol.commands import Stop, SubmitPrompt
from workbench.protocol.task import Task

T = TypeVar("T")
PAIRS = 9
DELAY = 0.1  # seconds, each way
TOKENS = 3000
IDLE_S = 45.0  # two beats and more
LAST, MODEL = "another seed", "sonnet"  # the last word of the long session; what the header shows of any


class Hosts:
    """Host processes in the environment of this process, and one client of each, in a thread of their own."""

    def __init__(self, work: Path) -> None:
        self._work, self._clients = work, list[RemoteClient]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def begin(self, resume: str = "") -> RemoteClient:
        """A new session, or one that is taken up again."""
        asked = Asked(resume=resume) if resume else Asked(
            task=Task(prompt="", workspace=str(self._work), agent="ml-engineer", interactive=True))  # fmt: skip
        return self.kept(Spawned(self._work, dict(os.environ)).begin(asked))

    def kept(self, coming: Coroutine[Any, Any, RemoteClient]) -> RemoteClient:
        """A client whose events are taken in."""
        client = self.does(coming)
        self._clients.append(client)
        self.beside(_follow(client))
        return client

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Has WORK go on."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def does(self, work: Coroutine[Any, Any, T]) -> T:
        """What WORK gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def end(self) -> None:
        """No session is left."""
        for client in self._clients:
            if not client.ended:
                self.does(client.send(Stop(id="end", reason="signal", by="bench")))
            self.does(client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _follow(client: RemoteClient) -> None:
    async for _ in client.events():
        pass


@contextlib.contextmanager
def place(endpoint: Pacing) -> Iterator[tuple[Path, dict[str, str], Hosts]]:
    """A scratch home that is this process's own as well."""
    with scratch({"train.py": "lr = 0.5\n"}) as (work, env):
        env = {**environment(env, endpoint.url), "MLWB_SOCKET_DIR": f"{env['HOME']}/sock"}
        os.environ.update(env)
        hosts = Hosts(work)
        try:
            yield work, env, hosts
        finally:
            hosts.end()


# --- opening -------------------------------------------------------------------------------------------------


def opening() -> None:
    """From `mlwb attach ID` to the drawn end of a session of EVENTS events, over the same of an empty one."""
    with Pacing(10, None) as endpoint, place(endpoint) as (work, env, hosts):
        long = hosts.begin()
        hosts.does(long.send(SubmitPrompt(id="1", text="say hi", by="bench")))
        _until(lambda: long.state.phase == "idle" and long.state.turns)
        hosts.does(long.send(Stop(id="2", reason="signal", by="bench")))
        _until(lambda: long.ended)
        folder = Path(env["HOME"]) / ".local/state/mlwb/sessions" / long.session
        lengthened(folder, EVENTS)
        long, empty = hosts.begin(long.session), hosts.begin()
        took: dict[str, list[float]] = {empty.session: [], long.session: [], "new": []}
        for _ in range(PAIRS + 1):
            for session, word in ((empty.session, MODEL), (long.session, LAST)):
                with Terminal(mlwb("attach", session), env=env, cwd=work) as terminal:
                    terminal.wait(READY)
                    took[session].append(terminal.wait(word, 60) - terminal.began)
        for _ in range(3):
            with Terminal(mlwb(), env=env, cwd=work) as terminal:
                took["new"].append(terminal.wait(MODEL, 60) - terminal.began)
                terminal.quiet()
                terminal.write(b"\x11")
                terminal.process.wait(20)
        ratios = [one / other for one, other in zip(took[long.session][1:], took[empty.session][1:], strict=True)]
        figure(
            "attach: a session of 100,000 events drawn, wall", statistics.median(ratios), "x", 1.2, "an empty session",
            long_s=statistics.median(took[long.session][1:]), empty_s=statistics.median(took[empty.session][1:]),
            new_s=statistics.median(took["new"]),
        )  # fmt: skip


def _until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


# --- bytes ---------------------------------------------------------------------------------------------------


class Counted:
    """Passes what goes between a client and the socket of SESSION, and counts it."""

    def __init__(self, session: str) -> None:
        self.session, self.bytes, self.back = session, 0, 0
        self._tasks = set[asyncio.Task[None]]()

    async def client(self) -> RemoteClient:
        """A client through here."""
        ours, theirs = socket.socketpair()
        from_client, to_client = await asyncio.open_unix_connection(sock=theirs, limit=LIMIT)
        from_host, to_host = await asyncio.open_unix_connection(str(sockets.path_of(self.session)), limit=LIMIT)
        for reader, writer, name in ((from_client, to_host, "back"), (from_host, to_client, "bytes")):
            self._tasks.add(asyncio.create_task(self._pass(reader, writer, name)))

        async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_unix_connection(sock=ours, limit=LIMIT)

        folder = Path(os.environ["HOME"]) / ".local/state/mlwb/sessions" / self.session
        client = RemoteClient(dial, lambda: wire.Hello(token=sockets.token_of(folder), pace=0.1), 1.0)
        await client.begin()
        return client

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        while data := await reader.read(1 << 16):
            setattr(self, name, getattr(self, name) + len(data))
            writer.write(data)
        writer.close()


def traffic() -> None:
    """Bytes over the wire: while TOKENS tokens come, RATE a second, over the text's own; and when nothing happens."""
    with Pacing(TOKENS, RATE) as endpoint, place(endpoint) as (_, _, hosts):
        first = hosts.begin()
        counted = Counted(first.session)
        text = [0]
        client = hosts.does(counted.client())
        hosts.kept(_given(client))
        hosts.beside(_measure(first, text))
        before, back = counted.bytes, counted.back
        hosts.does(client.send(SubmitPrompt(id="1", text="say much", by="bench")))
        _until(lambda: client.state.phase == "idle" and client.state.turns and text[0])
        time.sleep(1.0)
        sent = counted.bytes - before
        figure(
            "attach: bytes over the wire while 200 tokens/s stream", sent / text[0], "x", 3, "the text itself",
            text_bytes=text[0], wire_bytes=sent, from_client=counted.back - back,
        )  # fmt: skip
        before = counted.bytes + counted.back
        time.sleep(IDLE_S)
        spent = (counted.bytes + counted.back - before) / IDLE_S
        figure("attach: bytes over the wire, idle", spent, "B/s", 20, "both ways, beats included", seconds=IDLE_S)


async def _given(client: RemoteClient) -> RemoteClient:
    return client


async def _measure(client: RemoteClient, text: list[int]) -> None:
    """Counts the bytes of the answers that CLIENT is told."""
    other = await attach(Path(os.environ["HOME"]) / ".local/state/mlwb/sessions" / client.session)
    async for envelope in other.events():
        if isinstance(envelope.event, e.AnswerCompleted):
            text[0] += sum(len(str(one.get("text", "")).encode()) for one in envelope.event.content)
            await other.close()


# --- a slow line ---------------------------------------------------------------------------------------------


class Line:
    """A port on loopback; who connects reaches `mlwb attach --stdio SESSION`, DELAY seconds away each way."""

    def __init__(self, session: str, env: dict[str, str]) -> None:
        self._session, self._env = session, env

    async def open(self) -> int:
        """Listens; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        process = await asyncio.create_subprocess_exec(
            *mlwb("attach", "--stdio", self._session), stdin=-1, stdout=-1, env=self._env
        )
        assert process.stdin is not None and process.stdout is not None
        await asyncio.gather(_late(reader, process.stdin), _late(process.stdout, writer))
        await process.wait()


async def _late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes what comes on DELAY seconds later, whatever came before it."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            loop.call_later(DELAY, writer.write, data)
    loop.call_later(DELAY, writer.close)


def carry(port: int) -> None:
    """Stands for ssh: standard input and output, to PORT and back."""
    with socket.create_connection(("127.0.0.1", port)) as way:

        def up() -> None:
            while data := os.read(0, 1 << 16):
                way.sendall(data)
            way.shutdown(socket.SHUT_WR)

        threading.Thread(target=up, daemon=True).start()
        while data := way.recv(1 << 16):
            os.write(1, data)


def typing() -> None:
    """Key to screen in a workbench drawn here, on a line DELAY seconds slow each way, while an answer streams."""
    with Pacing(8000, RATE) as endpoint, place(endpoint) as (work, env, hosts):
        session = hosts.begin().session
        port = hosts.does(Line(session, env).open())
        far = {**env, "MLWB_SSH": " ".join([*python(os.fspath(Path(__file__).resolve())), "--carry", str(port)])}
        times = {}
        for name, command, given in (("far", f"ssh://far/{session}", far), ("near", session, env)):
            with Terminal(mlwb("attach", command), env=given, cwd=work) as terminal:
                terminal.wait(READY)
                terminal.wait(MODEL)
                terminal.quiet(2)
                terminal.write(b"say much\r")
                terminal.wait("flat", 30)
                times[name] = echoes(terminal)
                terminal.write(b"\x1b")
                terminal.quiet(2)
        p95 = {name: statistics.quantiles(found, n=20)[-1] for name, found in times.items()}
        figure(
            "attach: key to screen at p95, 100 ms away each way, streaming", p95["far"], "ms", 30, "the same nearby",
            near_p95_ms=p95["near"], median_ms=statistics.median(times["far"]), round_trip_ms=DELAY * 2000,
        )  # fmt: skip


def main() -> None:
    """All of it; `--carry PORT` is how it calls itself in place of ssh."""
    if found := re.search(r"--carry (\d+)", " ".join(sys.argv)):
        return carry(int(found[1]))
    opening()
    traffic()
    return typing()


if __name__ == "__main__":
    main()

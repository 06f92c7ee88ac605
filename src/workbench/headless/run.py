"""`mlwb run`: from the command line to the exit code."""

import asyncio
import os
from collections.abc import Sequence

from workbench import entry, faults, places
from workbench.headless import flags, preflight, telling
from workbench.headless.notify import notify
from workbench.headless.signals import Signals, StoppedError
from workbench.headless.streams import Console, Stdout
from workbench.host import local, sockets
from workbench.host.client import Client
from workbench.host.server import Server
from workbench.protocol import codec
from workbench.protocol.commands import Stop
from workbench.protocol.events import SessionEnded, SessionStarted
from workbench.protocol.result import EXIT_CODES, Result
from workbench.protocol.visible import escaped, visible

_WATCHERS_S = 0.3  # for those who watch to be told the rest; who is slow has the journal
_NOT_BEGUN = "stopped before a session began"
BROKEN_PIPE = 141  # as a shell says it of a program that SIGPIPE ended


def run(args: Sequence[str]) -> int:
    """Carries out `mlwb run ARGS` and returns the exit code. Never asks anything, never raises."""
    console = Console()
    if not entry.output_is_open():
        console.say("standard output is closed, so there is nowhere to put the answer; nothing was started")
        return EXIT_CODES["error_during_execution"]
    with Signals() as signals:
        one = Run(flags.wanted_format(args), console, signals)
        try:
            return asyncio.run(one.carry_out(args))
        except SystemExit as end:  # --help
            return end.code if isinstance(end.code, int) else 0
        except Exception as error:
            return asyncio.run(one.crashed(error))


class Run:
    """One call of `mlwb run`."""

    def __init__(self, output_format: str, console: Console, signals: Signals) -> None:
        self.format = output_format
        self.console = console
        self.signals = signals
        self.stdout = Stdout()
        self.session = ""
        self.notify = ""
        self.workspace = ""
        self.begun = False  # something was written to standard output
        self.answered = False  # the result is on standard output
        self.lost: OSError | None = None  # why nothing more can be written to standard output

    async def carry_out(self, args: Sequence[str]) -> int:
        """The whole run; every expected failure ends as a result object and an exit code."""
        try:
            with self.signals.reading():
                asked = flags.read(args)
        except flags.UsageError as error:
            return await self._failed("error_usage", str(error))
        except StoppedError:
            return await self._failed(self.signals.subtype, _NOT_BEGUN)
        if why := entry.no_home():
            return await self._failed("error_usage", why)
        self.session = asked.resume or ""
        if asked.task is not None and not asked.check:
            self.notify, self.workspace = asked.task.notify or "", asked.task.workspace
        options = local.Options(
            env=dict(os.environ), record=asked.record, replay=asked.replay, allow_bypass=asked.allow_bypass,
            trust_workspace=asked.trust_workspace, attended=False,
        )  # fmt: skip
        if self.signals.reason is not None:
            return await self._failed(self.signals.subtype, _NOT_BEGUN)
        try:
            if asked.check and asked.task is not None:
                return await self._check(await self.signals.unless(local.preflight(asked.task, options)))
            if asked.task is not None:
                client = await local.start(asked.task, options)
            else:
                client = await local.resume(self.session, asked.caps, asked.answer, options, asked.mode)
        except local.StartError as error:
            return await self._failed(error.subtype, error.message)
        return await self._attend(client, asked)

    def _open(self, client: local.LocalClient) -> Server | None:
        """Lets others watch this run, and stop it; where that is not possible it runs all the same."""
        server = Server(client.hosting)
        try:
            sockets.sweep()
            server.open()
        except (sockets.SocketError, OSError) as error:
            self.console.say(f"nobody can attach to this run: {error}")
            return None
        return server

    async def _attend(self, client: local.LocalClient, asked: flags.Asked) -> int:
        """From the session's first event to the last word about it."""
        self.session = client.session
        server = self._open(client)
        if asked.resume is not None:
            self._recall()
        teller = telling.Teller(self.console)
        working = asyncio.create_task(self._work(client, asked.partial, teller))
        helpers = [
            asyncio.create_task(self.signals.steer(client, working)),
            asyncio.create_task(_redraw(client, teller)),
        ]
        try:
            result = await working
        except asyncio.CancelledError:
            what = "was not read to its end" if self.stdout.stalled else "did not end in time; it can be resumed"
            return await self._failed(self.signals.subtype, f"session {self.session} {what}")
        finally:
            for helper in helpers:
                helper.cancel()
            self.console.clear()
            if server is not None:
                await server.close(within=_WATCHERS_S)
            await client.close()
        if result is None:
            return await self._failed("error_during_execution", f"session {self.session} ended without a result")
        for line in telling.closing(result, places.sessions() / result.session_id):
            self.console.say(line)
        return await self._leave(result)

    async def _work(self, client: Client, partial: bool, teller: telling.Teller) -> Result | None:
        """Follows the session and puts out what is wanted of it, up to its result; None where it had none."""
        result = None
        async for envelope in client.events():
            if isinstance(envelope.event, SessionEnded):
                result = envelope.event.result
            teller.see(envelope)
            if envelope.seq:
                teller.draw(client.state)
            told = self.format == "stream-json" and (envelope.seq or partial) and self.lost is None
            if told and not await self._write(self._json(codec.encode(envelope))):
                # Nobody reads what this session does: it stops where it can be resumed.
                await client.send(Stop(id="lost", reason="signal", by="standard output"))
        if result is not None and self.lost is None:
            self.console.clear()
            await self._answer(result)
        return result

    def _recall(self) -> None:
        """What a resumed session's task wants done at the end; its first event says so, which is not sent again."""
        with (places.sessions() / self.session / "events.jsonl").open("rb") as journal:
            event = codec.decode_envelope(journal.readline()).event
        if isinstance(event, SessionStarted):
            self.workspace, self.notify = event.workspace, event.task.notify or ""

    async def _failed(self, subtype: str, message: str) -> int:
        """An end without a session's own result: one line, and in JSON a result object all the same."""
        line = " ".join(message.split())
        result = Result(
            subtype=subtype, is_error=True, session_id=self.session, errors=[line], exit_code=EXIT_CODES[subtype]
        )
        self.console.say(line)
        if self.format != "text" and self.lost is None and not self.answered and not self.stdout.stalled:
            await self._answer(result)
        return await self._leave(result)

    async def _answer(self, result: Result) -> None:
        self.answered = True  # though it may be cut short: nothing comes after it
        await self._write(self._shown(result))

    async def _leave(self, result: Result) -> int:
        if self.notify:
            await self.signals.unless(notify(self.notify, self.workspace, result, self.console))
        if self.lost is None:
            return result.exit_code
        if isinstance(self.lost, BrokenPipeError):
            return BROKEN_PIPE
        self.console.say(f"the answer could not be written to standard output: {self.lost.strerror}")
        # What a signal asked for is what came of it, also where the terminal that sent it is gone.
        return result.exit_code if self.signals.reason else EXIT_CODES["error_during_execution"]

    async def _check(self, findings: Sequence[local.Finding] | None) -> int:
        if findings is None:
            return await self._failed(self.signals.subtype, "stopped before everything was looked at")
        text = self.format == "text"
        await self._write(preflight.as_table(findings) if text else self._json(preflight.as_json(findings)))
        if self.lost is not None:
            return BROKEN_PIPE if isinstance(self.lost, BrokenPipeError) else EXIT_CODES["error_during_execution"]
        return preflight.exit_code(findings)

    async def crashed(self, error: Exception) -> int:
        """An error nobody expected: its traceback goes into a log, one line to the person."""
        folder = places.sessions() / self.session if self.session else places.state()
        kept = faults.kept(error, folder / "host.log")
        self.notify = ""
        return await self._failed("error_during_execution", f"internal error: {error!r}; {kept}")

    def _shown(self, result: Result) -> bytes:
        if self.format != "text":
            return self._json(codec.encode(result))
        text = result.result.rstrip("\n")
        if not text:
            return b""
        shown = visible(text, newlines=True) if self.stdout.terminal else text
        return (shown + "\n").encode("utf-8", "replace")

    def _json(self, line: bytes) -> bytes:
        """LINE as it goes to standard output: as it is, but nothing in it that a terminal would obey."""
        return (escaped(line.decode()).encode() if self.stdout.terminal else line) + b"\n"

    async def _write(self, data: bytes) -> bool:
        try:
            if self.format == "stream-json" and not self.begun:  # a run before may have died within a line
                await self.stdout.own_line()
            self.begun = True
            await self.stdout.write(data)
        except OSError as error:
            self.lost = error
        return self.lost is None


async def _redraw(client: Client, teller: telling.Teller) -> None:
    """Keeps the status line's clock going."""
    while True:
        teller.draw(client.state)
        await asyncio.sleep(1.0)

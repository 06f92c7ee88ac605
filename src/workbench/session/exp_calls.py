"""A Bash call that is exactly one `mlwb exp …`: carried out by the session's host, the training command confined.

No confined process can write the ledger, and a run outlives the call, so the host begins it. What is judged is the
training command; what is not exactly one such command (a pipe, a redirect, a substitution) is Bash's like any other.
"""

import asyncio
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.launch.alive import alive, settle, truly
from workbench.experiments.launch.options import RunOptions, read
from workbench.experiments.launch.types import Job, LaunchError, News
from workbench.experiments.ledger import OUTPUT, Ledger, ledger_for
from workbench.permissions.types import Need, Runs
from workbench.protocol.blocks import Output
from workbench.protocol.events import RunLinked, RunsTold
from workbench.session import gpus
from workbench.session.core import Session
from workbench.session.exp_carried import Carried, decoded, surroundings
from workbench.session.exp_change import Change
from workbench.session.exp_look import LOOKS, Look, look_needs, looks_only
from workbench.session.exp_rerun import Rerun, rerun_needs, run_named
from workbench.session.exp_wait import Wait
from workbench.session.runs_words import GOING, Happened, alert_words, headline
from workbench.tools.base import Context, Outcome, Tool, ToolError, text_content
from workbench.tools.output import Follower, shorten, view

_DEFAULT_MS, _MOST_MS = 120_000, 600_000  # as Bash has it
_TICK_S = 0.1
_WORD = 16 << 20  # bytes of one word of the supervisor; beyond asyncio's own limit a call would fail
_SETTLED_S = 3.0
_ALERTS = 4  # of a run, that are told
_BRACES = re.compile(r"\{.*(?:,|\.\.).*\}")  # what bash makes several words of; `{seed}` is none
_CARRIED = ("run", "stop", "note", "wait", "rerun", *LOOKS)


def carried(session: Session, tool: Tool, given: Any) -> Tool:
    """What carries out the call: the host, where GIVEN is a Bash call that is one `mlwb exp` command; else TOOL."""
    if tool.name != "Bash" or (found := _ours(given.command)) is None:
        return tool
    whole = session.gate.judge(tool.name, tool.needs(given, str(session.context.cwd)), str(session.context.cwd))
    if whole.verdict == "deny" and whole.rule is not None:
        return tool  # a rule is about `mlwb` itself
    variables, words = found
    if words[0] == "run":
        return _Run(session, tool, variables, words[1:])
    if words[0] in LOOKS:
        return Look(session, tool, words)
    if words[0] == "wait":
        return Wait(session, tool, words[1:])
    return Rerun(session, tool, words[1:]) if words[0] == "rerun" else Change(session, tool, words)


def needs_of(command: str, cwd: str) -> tuple[Need, ...] | None:
    """What a Bash call of COMMAND in CWD needs where the host carries it out; None where it is Bash's like any other.

    What `mlwb permissions check` asks for, without a session.
    """
    if (found := _ours(command)) is None:
        return None
    variables, words = found
    if words[0] == "run":
        options, problem = _asked(variables, words[1:])
        return () if problem else _run_needs(options, variables)
    if words[0] in LOOKS:
        return look_needs(words, cwd)
    if words[0] == "rerun":
        run, _ = run_named(words[1:], ledger_for(Path(cwd)))
        return () if run is None else rerun_needs(run, cwd)
    return ()


def _ours(command: str) -> tuple[dict[str, str], list[str]] | None:
    """Variables and words behind `mlwb exp` of a COMMAND that the host carries out; None of any other."""
    found = one_command(command) if "mlwb" in command else None
    if found is None or found[1][:2] != ["mlwb", "exp"] or found[1][2:3] not in ([verb] for verb in _CARRIED):
        return None
    variables, words = found[0], found[1][2:]
    if words[0] != "run" and variables:
        return None  # of what no training command is given: PYTHONPATH, LD_PRELOAD would be this program's own
    return None if words[0] in LOOKS and not looks_only(words) else (variables, words)


def going(session: Session) -> bool:
    """Whether a run that the session began still goes on."""
    ledger = ledger_for(session.context.workspace)
    return any(alive(ledger.path(run)) for run in session.state.runs)


def awaits(command: str) -> bool:
    """Whether a session without a person waits for the runs that a call of COMMAND began: all but detached ones."""
    found = one_command(command)
    if found is None or found[1][:3] != ["mlwb", "exp", "run"]:
        return True
    return not decoded(read, found[1][3:], RunOptions(argv=()))[0].detach


def one_command(command: str) -> tuple[dict[str, str], list[str]] | None:
    """Variables and words of COMMAND, where it is a single one and every word stands for itself."""
    from workbench.permissions.shell import read as read_shell
    from workbench.permissions.shell import tree
    from workbench.permissions.syntax import Simple, UnreadableError

    try:
        block = read_shell(command)
    except UnreadableError:
        return None
    if len(block.items) != 1 or not isinstance(one := block.items[0], Simple) or one.redirects:
        return None
    nodes = [tree(command)]
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children)
        if node.type.endswith("_redirect") and node.text != b"2>&1":  # which the host's answer has in it anyway
            return None
    words = [_literal(word) for word in one.words]
    values = [_literal(value) for _, value in one.assigns]
    if None in words or None in values:
        return None
    variables = dict(zip((name for name, _ in one.assigns), values, strict=True))
    return {name: str(value) for name, value in variables.items()}, [str(word) for word in words]


def _literal(word: Any) -> str | None:
    """The text of WORD; None where bash would make something else of it."""
    from workbench.permissions.syntax import Lit

    if not all(isinstance(part, Lit) for part in word.parts):
        return None
    active = "".join(part.text for part in word.parts if part.active)
    if any(sign in active for sign in "*?[~") or _BRACES.search(active):
        return None
    return "".join(part.text for part in word.parts)


def _asked(variables: dict[str, str], words: list[str]) -> tuple[RunOptions, str]:
    """What `mlwb exp run WORDS` asks for, and in words what is wrong with it."""
    options, problem = decoded(read, words, RunOptions(argv=()))
    if variables.get(gpus.VISIBLE, "") not in ("", "-1"):
        problem = (
            f"Which GPUs a run sees is the session's to say, not {gpus.VISIBLE}: `--gpus K` gives it K of them; "
            f"`{gpus.VISIBLE}=` none"
        )
    return options, problem


def _run_needs(options: RunOptions, variables: dict[str, str]) -> tuple[Need, ...]:
    seed = str(next(iter(options.seeds), "{seed}"))
    inner = shlex.join(word.replace("{seed}", seed) for word in options.argv)
    assigned = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    load = options.service.load if options.service else ""
    return tuple(Runs(" ".join([*assigned, command])) for command in (inner, load) if command)


class _Run(Carried):
    """`mlwb exp run …`."""

    def __init__(self, session: Session, tool: Tool, variables: dict[str, str], words: list[str]) -> None:
        super().__init__(session, tool)
        self._variables = variables
        self._options, self._problem = _asked(variables, words)

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Runs the training command, and a service's load."""
        return () if self._problem else _run_needs(self._options, self._variables)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Begins the run and follows it as long as the call may last. It goes on whatever becomes of the call."""
        if self._problem:
            raise ToolError(self._problem)
        call = {"id": call_id, "name": self.name, "input": msgspec.to_builtins(given)}
        needs = self.needs(given, str(context.cwd))
        cards = await gpus.of(self._session).for_run(self._options.gpus, call, given, needs)
        from workbench.experiments.launch.local import Local

        ledger = ledger_for(context.workspace)
        job = self._job(ledger, context, call_id, cards)
        if ledger.folder.is_symlink() or ledger.folder.parent.is_symlink():
            raise ToolError(f"{ledger.folder} is a link, or lies in one: no run is recorded through it.")
        try:
            ledger.folder.mkdir(parents=True, exist_ok=True)  # by the host, and right: nobody puts it aside
            await asyncio.to_thread(self._session.watch.accept, str(ledger.folder))
            handed = await asyncio.to_thread(Local(ledger, forks=False).submit, job)
        except (LaunchError, OSError) as error:
            raise ToolError(f"The run could not be begun: {error}") from None
        following = _Following(self._session, ledger, call_id, progress, not self._options.detach)
        timeout_s = min(given.timeout or _DEFAULT_MS, _MOST_MS) / 1000
        detached = self._options.detach or bool(given.run_in_background)
        await following.follow(handed.reading, detached, timeout_s)
        return await following.outcome(detached)

    def _job(self, ledger: Ledger, context: Context, call_id: str, cards: dict[str, str]) -> Job:
        options = self._options
        return Job(
            workspace=str(ledger.workspace),
            argv=options.argv,
            cwd=str(context.cwd),
            name=options.name,
            tags=options.tags,
            note=options.note,
            seeds=options.seeds,
            timeout_s=options.timeout_s,
            goal=options.goal,
            stop_on=options.stop_on,
            service=options.service,
            gpus=options.gpus,
            wait_s=options.wait_s,
            **surroundings(self._session, context, call_id, cards | self._variables),
        )


class _Following:
    """What is heard of a job, and seen of its output."""

    def __init__(
        self, session: Session, ledger: Ledger, call_id: str, progress: Callable[[str], None], awaited: bool
    ) -> None:
        self._session, self._ledger, self._call_id, self._progress = session, ledger, call_id, progress
        self._awaited = awaited  # as `RunLinked` has it
        self.runs: list[str] = []
        self.going: list[str] = []
        self.words: list[str] = []
        self.failed = False
        self._started = False
        self._follower: Follower | None = None

    async def follow(self, reading: int, detached: bool, timeout_s: float) -> None:
        """Until the job has ended, has begun (DETACHED), or the time is over. READING is closed then."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_WORD)
        pipe = os.fdopen(reading, "rb")
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        deadline = loop.time() + timeout_s
        line: asyncio.Future[bytes] = asyncio.ensure_future(reader.readline())
        try:
            while (rest := deadline - loop.time()) > 0 and not (detached and self._started):
                await asyncio.wait([line], timeout=min(_TICK_S, rest))
                self._show()
                if line.done():
                    if not line.result():
                        return
                    self._take(msgspec.json.decode(line.result(), type=News))
                    line = asyncio.ensure_future(reader.readline())
        finally:
            line.cancel()
            transport.close()
            if self._follower is not None:
                self._follower.close()

    def _show(self) -> None:
        if self._follower is not None and (text := self._follower.gained()):
            self._progress(text)

    def _take(self, news: News) -> None:
        if news.what == "begun":
            self.runs.append(news.run)
            self.going.append(news.run)
            self._session.emit(RunLinked(run=news.run, call_id=self._call_id, awaited=self._awaited))
        elif news.what == "started":
            self._started = True
            self._follower = Follower(self._ledger.path(news.run) / OUTPUT)
        elif news.what == "ended":
            self._show()
            self._started = True
            self.going.remove(news.run)
            self.failed |= news.code != 0
        else:
            self.words.append(news.text)
            self.failed |= news.what == "failed"

    async def outcome(self, detached: bool) -> Outcome:
        """What the model is told."""
        if not self.runs:
            raise ToolError("\n".join(self.words) or "the supervisor of the run is gone before it began")
        shown = next((run for run in reversed(self.runs) if run not in self.going), self.runs[0])
        path = self._ledger.path(shown) / OUTPUT
        text = ""
        if not detached and path.exists():
            seen = await asyncio.to_thread(view, path)
            text = seen.text(path).rstrip("\n") or "(no output)"
        news = [await asyncio.to_thread(self._news, run) for run in self.runs]
        if heard := tuple(one.heard for one in news if one.ended or one.alerts or one.run.stays):
            self._session.emit(RunsTold(runs=heard, call_id=self._call_id))
        told = [self._line(one) for one in news]
        lines = [text, *(f"[{word}]" for word in (*self.words, *told))]
        return Outcome(
            content=text_content("\n".join(filter(None, lines))),
            display=[Output(text=shorten(text), path=str(path))],
            summary=told[-1] if len(told) == 1 else f"{len(told)} runs: {', '.join(self.runs)}",
            is_error=self.failed,
        )

    def _news(self, run: str) -> Happened:
        """RUN as it stands, once its last numbers are in where it has ended, and all that was seen in it."""
        record = truly(self._ledger, self._ledger.get(run))
        ended = record.status not in GOING
        if ended:
            record = settle(self._ledger, record, _SETTLED_S)
        return Happened(run=record, ended=ended, alerts=record.alerts)

    def _line(self, news: Happened) -> str:
        """How a run stands, and what becomes of it where it goes on."""
        run, session = news.run.id, self._session
        seen = "".join(f"; {alert_words(alert)}" for alert in news.alerts[:_ALERTS])
        if news.ended:
            return f"{headline(news.run)}{seen}"
        goes_on = f"{run} {news.run.standing}: it goes on by itself; `mlwb exp show|tail|stop {run}`{seen}"
        service, stays = news.run.service, news.run.stays
        serves = service is not None and not service.ends
        if session.task.interactive and session.wakes:
            when = "is ready, ends" if serves and not stays else "ends"
            return f"{goes_on}; you are told when it {when} or something is seen in it: end your turn, or go on"
        if not session.task.interactive and self._awaited and not stays:
            until = "is ready" if serves else "has ended"
            return f"{goes_on}; this session sleeps until it {until}, once you end your turn"
        left = "" if session.task.interactive else "this session does not wait for it; "
        return f"{goes_on}; {left}`mlwb exp wait {run}` sleeps until it has ended or something is seen in it"

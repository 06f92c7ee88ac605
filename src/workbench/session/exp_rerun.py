"""`mlwb exp rerun RUN` of the agent: the code rebuilt where the confined command may write, and the verdict."""

import asyncio
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.launch.types import Job, LaunchError
from workbench.experiments.ledger import Ledger, LedgerError, ledger_for
from workbench.experiments.types import Run
from workbench.permissions.types import Need, Runs
from workbench.protocol.blocks import Output
from workbench.protocol.events import RunLinked, RunsTold
from workbench.session import gpus
from workbench.session.core import Session
from workbench.session.exp_carried import Carried, surroundings
from workbench.session.runs_words import GOING, Happened, alert_words, headline
from workbench.tools.base import Context, Outcome, Tool, ToolError, text_content

_SETTLED_S = 10.0
_USAGE = "mlwb exp rerun RUN"


def run_named(words: list[str], ledger: Ledger) -> tuple[Run | None, str]:
    """The run of LEDGER that `mlwb exp rerun WORDS` names; None, and why, where there is none."""
    named = [word for word in words if not word.startswith("-")]
    if len(named) != 1 or set(words) - {*named, "--json"}:
        return None, _USAGE
    try:
        return ledger.get(named[0]), ""
    except LedgerError as error:
        return None, str(error)


def rerun_needs(run: Run, cwd: str) -> tuple[Need, ...]:
    """Runs the command of RUN once more, where it ran, and a service's load: what the record says of them.

    The record may be a repository's own.
    """
    from workbench.experiments.rerun import SCRATCH

    rebuilt = any(part.startswith(SCRATCH) for part in Path(run.cwd).parts)  # of a run that was one again: gone
    there = "" if rebuilt or run.cwd == cwd else f"cd {shlex.quote(run.cwd)} && "
    load = run.service.load if run.service else ""
    return tuple(Runs(command) for command in (there + shlex.join(run.argv), load) if command)


class Rerun(Carried):
    """Does a run again; the call lasts as long as that does, and a stop of it stops the run."""

    def __init__(self, session: Session, tool: Tool, words: list[str]) -> None:
        super().__init__(session, tool)
        self._ledger = ledger_for(session.context.workspace)
        self._child, self._json = "", "--json" in words
        self._run, self._problem = run_named(words, self._ledger)

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Runs the command of the run once more."""
        return () if self._run is None else rerun_needs(self._run, str(self._session.context.cwd))

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Does it."""
        if self._run is None:
            raise ToolError(self._problem)
        from workbench.experiments.code import CodeError
        from workbench.experiments.rerun import RerunError, again

        session, run, ledger = self._session, self._run, self._ledger
        call = {"id": call_id, "name": self.name, "input": msgspec.to_builtins(given)}
        cards = await gpus.of(session).for_run(len(run.gpus) or None, call, given, self.needs(given, ""))
        has = surroundings(session, context, call_id, cards)
        place = session.confinement.temp if has["sandbox"] is not None else None
        loop = asyncio.get_running_loop()

        def submit(job: Job) -> str:
            env = {**has["env"], **({"SEED": job.env["SEED"]} if run.seed is not None and "SEED" in job.env else {})}
            begun = msgspec.structs.replace(job, **{**has, "env": env})
            return self._through(begun, lambda child: loop.call_soon_threadsafe(self._begun, child, call_id))

        try:
            found = await asyncio.to_thread(again, ledger, run, submit, has["user"], place)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._cancel)
            raise
        except (RerunError, CodeError, LedgerError, LaunchError) as error:
            raise ToolError(str(error)) from None
        child = ledger.get(found.again)
        news = Happened(run=child, ended=child.status not in GOING, alerts=child.alerts)
        session.emit(RunsTold(runs=(news.heard,), call_id=call_id))
        text = self._text(found, news)
        good = found.verdict in ("reproduced", "within_noise")
        return Outcome(
            content=text_content(text), display=[Output(text=text)], summary=found.sentence, is_error=not good
        )

    def _begun(self, child: str, call_id: str) -> None:
        self._session.emit(RunLinked(run=child, call_id=call_id, awaited=True))

    def _text(self, found: Any, news: Happened) -> str:
        if self._json:
            return msgspec.json.format(msgspec.json.encode(found), indent=1).decode()
        lines = [found.sentence, f"[{headline(news.run)}]", *(alert_words(alert) for alert in news.alerts)]
        lines += [f"differs: {key}" for key, one in found.series.items() if not one.same]
        for kind in ("environment", "hardware"):
            lines += [f"{kind}: {key}: {a} → {b}" for key, (a, b) in getattr(found.changes, kind).items()]
        return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])

    def _through(self, job: Job, begun: Callable[[str], object]) -> str:
        """Runs JOB to its end, in a thread; the id of its run. Raises LaunchError."""
        from workbench.experiments.launch.local import Local

        engine, why = Local(self._ledger, forks=False), "its supervisor is gone"
        for word in engine.submit(job).news():
            if word.what == "begun":
                self._child = word.run
                begun(word.run)
            elif word.what in ("failed", "warning"):
                why = word.text
        if not self._child:
            raise LaunchError(f"it could not be started: {why}")
        until = time.monotonic() + _SETTLED_S
        while not engine.state(self._child).settled and time.monotonic() < until:
            time.sleep(0.02)
        return self._child

    def _cancel(self) -> None:
        from workbench.experiments.launch.local import Local

        if self._child:
            Local(self._ledger, forks=False).cancel(self._child, "the agent's call was stopped")

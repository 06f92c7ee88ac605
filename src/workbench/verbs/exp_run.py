"""`mlwb exp run`: hands a command to a supervisor, passes its output on, and exits as it does."""

import contextlib
import os
import select
import shutil
import signal
import sys
from pathlib import Path

from workbench.entry import SESSION
from workbench.experiments.launch.local import Handed, Local
from workbench.experiments.launch.options import RunOptions, read
from workbench.experiments.launch.types import Job, News
from workbench.experiments.ledger import OUTPUT, Ledger, LedgerError, ledger_for
from workbench.protocol.visible import visible
from workbench.session.identity import user_name

_LOOKS_S = (0.004, 0.008, 0.016, 0.032)  # between two looks at the output: often while there is some
_CHUNK = 1 << 18


def run(args: list[str]) -> int:
    """Runs `mlwb exp run ARGS`; returns the command's exit status, of several the first that is not 0.

    Raises Usage, LedgerError, LaunchError.
    """
    options = read(args)
    ledger = ledger_for(Path.cwd())
    _not_the_first(ledger)
    engine = Local(ledger)
    handed = engine.submit(_job(options, engine.ledger.workspace))
    return _started(handed) if options.detach else Front(engine, handed).follow()


def _job(options: RunOptions, workspace: Path) -> Job:
    env = dict(os.environ)
    columns, rows = shutil.get_terminal_size((120, 40))
    turn = env.get("MLWB_TURN", "")
    return Job(
        workspace=str(workspace),
        cwd=str(Path.cwd()),
        env=env,
        session=env.get(SESSION) or None,
        turn=int(turn) if turn.isdigit() else None,
        user=user_name(),
        size=(columns, rows),
        argv=options.argv,
        name=options.name,
        tags=options.tags,
        note=options.note,
        seeds=options.seeds,
        gpus=options.gpus,
        wait_s=options.wait_s,
        timeout_s=options.timeout_s,
        goal=options.goal,
        stop_on=options.stop_on,
        service=options.service,
    )


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"mlwb: {visible(text)}", file=sys.stderr, flush=True)


def _hint() -> str:
    """For an agent whose commands are confined: they cannot write the ledger."""
    return ". Give `mlwb exp run … -- CMD` alone, as a Bash call of its own" if SESSION in os.environ else ""


def _not_the_first(ledger: Ledger) -> None:
    """Raises LedgerError in a session's command where nothing of LEDGER is there: what it made would be put aside."""
    if SESSION in os.environ and not os.path.lexists(ledger.folder.parent):
        why = "there is no ledger yet, and a session's command begins none"
        raise LedgerError(f"no run can be recorded in {ledger.folder}: {why}{_hint()}")


def _started(handed: Handed) -> int:
    """Waits until the first run has begun, and tells the ids."""
    for news in handed.news():
        if news.what == "begun":
            print(news.run, flush=True)
        elif news.what in ("started", "ended"):
            return 0
        elif news.what == "warning":
            _say(news.text)
        elif news.what == "failed":
            _say(news.text + _hint())
            return news.code
    _say("the supervisor of the run is gone before it began")
    return 1


class Front:
    """What a person has before them while runs go on: their output, and ctrl+c."""

    def __init__(self, engine: Local, handed: Handed) -> None:
        self._engine, self._reading = engine, handed.reading
        self._rest = b""
        self._runs: list[str] = []
        self._told = self._ended = False
        self._interrupted = 0
        self._status = 0
        self._shown = ""  # whose output is passed on
        self._file: int | None = None

    def follow(self) -> int:
        """Until all runs have ended; the status to exit with."""
        signal.signal(signal.SIGINT, self._interrupt)
        looks = 0
        while True:
            passed = self._pass_on()
            looks = 0 if passed else min(looks + 1, len(_LOOKS_S) - 1)
            if self._ended:
                break
            if select.select([self._reading], [], [], _LOOKS_S[looks])[0]:
                self._hear()
        return 130 if self._interrupted else self._status

    def _hear(self) -> None:
        """News of the supervisor, whole lines of it."""
        data = os.read(self._reading, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        import msgspec

        for line in lines:
            self._take(msgspec.json.decode(line, type=News))
        if not data:
            self._ended = True
            if self._runs or not self._told:
                _say(f"the supervisor of {', '.join(self._runs) or 'the run'} is gone; `mlwb exp list` tells more")
                self._status = self._status or 1

    def _take(self, news: News) -> None:
        self._told = True
        if news.what == "begun":
            self._runs.append(news.run)
            _say(f"run {news.run}")
            if self._interrupted:
                self._interrupt()
        elif news.what == "started":
            self._open(news.run)
        elif news.what == "warning":
            _say(news.text)
        elif news.what == "failed":
            self._status, self._runs = news.code, []
            _say(news.text + _hint())
        else:
            if news.run == self._shown:
                while self._pass_on():
                    pass
                self._close()
            if news.run in self._runs:  # not after a word that something failed
                self._runs.remove(news.run)
            self._status = self._status or news.code
            if news.text:
                _say(f"{news.run}: {news.text}")

    def _open(self, run: str) -> None:
        self._close()
        self._shown = run
        with contextlib.suppress(OSError):
            self._file = os.open(self._engine.ledger.path(run) / OUTPUT, os.O_RDONLY | os.O_CLOEXEC)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _pass_on(self) -> bool:
        """Writes what the run has written since the last time, byte for byte; whether there was something."""
        data = os.read(self._file, _CHUNK) if self._file is not None else b""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(1, rest) :]
            except BlockingIOError:  # somebody else made the terminal so
                select.select([], [1], [])
        return bool(data)

    def _interrupt(self, *_: object) -> None:
        """ctrl+c stops what runs; a second one does not wait for it to end by itself."""
        self._interrupted += bool(self._runs) or not self._interrupted
        for run in self._runs:
            asked = 0
            while asked != self._interrupted:  # a second one may come while the first is passed on
                asked = self._interrupted
                with contextlib.suppress(Exception):
                    self._engine.cancel(run, "stopped by ctrl+c", asked > 1)

"""`mlwb exp list`, `show` and the like of the agent: by this very program, whatever PATH holds, confined as ever."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.ledger import ID, OUTPUT, RECORD, ledger_for
from workbench.permissions.types import Need, Reads
from workbench.session.core import Session
from workbench.session.exp_carried import Carried
from workbench.tools.base import Context, Outcome, Tool

LOOKS = ("list", "show", "metrics", "tail", "compare", "card")
_READ = (RECORD, OUTPUT)  # of a run that is named


def looks_only(words: list[str]) -> bool:
    """Whether `mlwb exp` with WORDS writes nothing: a card may be written to a file."""
    return words[0] != "card" or not any(word.startswith(("-o", "--o")) for word in words)


def look_needs(words: list[str], cwd: str) -> tuple[Need, ...]:
    """What `mlwb exp` with WORDS, which looks only, reads in CWD."""
    folder = ledger_for(Path(cwd)).folder
    named = [word for word in words[1:] if ID.fullmatch(word)]
    return (Reads(str(folder)), *(Reads(str(folder / run / name)) for run in named for name in _READ))


class Look(Carried):
    """A command that only reads the ledger."""

    def __init__(self, session: Session, tool: Tool, words: list[str]) -> None:
        super().__init__(session, tool)
        self._words = words

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Reads the ledger, and what the files of the runs that are named lead to."""
        return look_needs(self._words, cwd)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Runs it as Bash would, but for modules that the session's variables name."""
        start = "import sys; from workbench.cli import main; sys.exit(main())"
        program = f'mlwb() {{ {shlex.quote(sys.executable)} -E -P -c {shlex.quote(start)} "$@"; }}'
        command = msgspec.structs.replace(given, command=f"{program}; {given.command}")
        outcome = await self._tool.run(command, context, call_id, progress)
        if self._words[0] == "compare" and not outcome.is_error and outcome.content:  # its verdict stands first
            first = str(outcome.content[0].get("text", "")).partition("\n")[0]
            outcome = msgspec.structs.replace(outcome, summary=first)
        return outcome

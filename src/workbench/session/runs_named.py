"""Which runs stand behind a final answer: those that the session began, and those that the answer names."""

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.experiments.launch.alive import truly
from workbench.experiments.ledger import Ledger, LedgerError, ledger_for
from workbench.protocol.result import Evidence

_NAMED = re.compile(r"(?<![\w-])r-([1-9]\d{0,8})(?:(?:\.\.|…| to )(?:r-)?([1-9]\d{0,8}))?(?![\w-])")
_SPAN = 256  # runs of `r-1..r-9` at most
_MOST = 1_000


def named(text: str) -> list[str]:
    """The ids of runs that TEXT names, in order: `r-3`, `r-3..r-7`. Nothing else counts as a name."""
    found: dict[str, None] = {}
    for match in _NAMED.finditer(text):
        first, last = int(match[1]), int(match[2] or match[1])
        numbers = range(first, last + 1) if first <= last < first + _SPAN else (first,)
        found.update(dict.fromkeys(f"r-{number}" for number in numbers))
    return list(found)[:_MOST]


def evidence(workspace: Path, own: Sequence[str], answer: str) -> list[Evidence]:
    """The runs that the session began (OWN) and that ANSWER names, as they stand. Reads the ledger: for a thread."""
    ledger, said = ledger_for(workspace), named(answer)
    return [_one(ledger, run, run in said, run in own) for run in dict.fromkeys((*own, *said))]


def _one(ledger: Ledger, run: str, is_named: bool, own: bool) -> Evidence:
    try:
        record = truly(ledger, ledger.get(run))
    except LedgerError:
        return Evidence(run=run, status="unknown", named=is_named, own=own)
    return Evidence(run=run, status=record.status, exit_code=record.exit_code, named=is_named, own=own)

"""How a run ended, in the words of the ledger."""

from typing import Literal

import msgspec

from workbench.experiments.launch.types import shell_status
from workbench.experiments.types import Status
from workbench.sandbox import status
from workbench.sandbox.types import Ended

TIMED_OUT = 124  # as timeout(1) has it
_REFUSED = 20  # hints that are told: a program may ask for thousands of hosts
NO_CARDS = 75  # EX_TEMPFAIL: later there may be some

How = Literal["itself", "stopped", "late", "unbegun"]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, why in words, and whether somebody stopped it, its time was over, or it never began."""

    ended: Ended = Ended()
    why: str = ""
    how: How = "itself"

    @property
    def status(self) -> Status:
        """The word of the ledger for it."""
        if self.how in ("stopped", "unbegun"):
            return "stopped"
        return "finished" if self.ended.exit_code == 0 and not self.why else "failed"

    @property
    def code(self) -> int:
        """What a shell would give for it."""
        return TIMED_OUT if self.how == "late" else shell_status(self.ended.exit_code, self.ended.signal)

    @property
    def words(self) -> str:
        """Why, and what else is worth telling."""
        fine = self.status == "finished"
        told = [self.why or ("" if fine else status.words(self.ended)), *_left(self.ended)]
        refused = () if fine else self.ended.refused
        more = f"{len(refused) - _REFUSED} more were refused" if len(refused) > _REFUSED else ""
        return "; ".join(filter(None, [*told, *refused[:_REFUSED], more]))


def _left(ended: Ended) -> list[str]:
    words = []
    if ended.swept:
        words.append(f"{ended.swept} processes that it left behind were ended")
    if ended.stuck:
        words.append(f"these processes could not be ended: {', '.join(map(str, ended.stuck))}")
    return words


def span(seconds: float) -> str:
    """SECONDS as people say it: `90s`, `2h`."""
    for unit, size in (("h", 3600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"

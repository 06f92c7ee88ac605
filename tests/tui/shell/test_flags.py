"""What the command line of the workbench asks for."""

import asyncio
from pathlib import Path

import pytest

from workbench.tui.opening import NotOpenedError, SessionRow
from workbench.verbs.workbench import Opening
from workbench.verbs.workbench_flags import LAST, Asked, UsageError, read


class Listing(Opening):
    """Knows of `rows`; what is taken up is kept in `taken`."""

    rows: tuple[SessionRow, ...] = ()
    taken = ""

    async def sessions(self):
        return list(self.rows)

    async def resume(self, session):
        self.taken = session


def opened(folder: Path, *rows: SessionRow) -> str:
    opening = Listing(read(["-c"]), folder, {})
    opening.rows = rows
    asyncio.run(opening.open())
    return opening.taken


def test_continue_takes_no_value_and_no_other_agent():
    assert read(["--continue", "--theme", "mlwb-light"]) == Asked(resume=LAST, theme="mlwb-light")
    with pytest.raises(UsageError, match="--model cannot be changed by --continue"):
        read(["-c", "--model", "opus"])
    with pytest.raises(UsageError, match="--continue takes no value"):
        read(["--continue=x"])


def test_continue_goes_on_where_work_in_this_folder_was_last_done_and_is_not_done_now(tmp_path):
    here = str(tmp_path)
    rows = (
        SessionRow(id="s-live", workspace=here, state="live", updated=9, turns=3),
        SessionRow(id="s-empty", workspace=here, updated=8),
        SessionRow(id="s-elsewhere", workspace="/", updated=7, turns=3),
        SessionRow(id="s-old", workspace=here, updated=5, turns=3),
        SessionRow(id="s-last", workspace=here, updated=6, turns=1),
    )
    assert opened(tmp_path, *rows) == "s-last"
    with pytest.raises(NotOpenedError, match="No session of"):
        opened(tmp_path, *rows[:3])

"""A session that another one handed its work over to, before anybody takes it up."""

import asyncio
import os

from support.live import workspace
from workbench.protocol.result import FileChange
from workbench.protocol.task import Caps, Task
from workbench.session.plan import Options
from workbench.session.resume import resume
from workbench.session.start import laid_down

__all__ = ["workspace"]


def test_its_changes_count_from_when_it_is_taken_up_and_nothing_is_missed(workspace, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for folder in (workspace, other):
        (folder / "a.py").write_text("a\n")
    options = Options(env={**os.environ, "ANTHROPIC_API_KEY": "k"})
    task = Task(prompt="", brief="Go on.", workspace=str(workspace), add_dirs=(str(other),), interactive=True)
    made = laid_down(task, options, "s-before")
    (workspace / "a.py").write_text("b\n")  # not the session's: nobody was at work on it

    async def changed() -> tuple[list[FileChange], list[str]]:
        session = resume(made, Caps(), None, options)
        await session.changes.ready()
        (other / "a.py").write_text("c\n")
        session.journal.close()
        return await session.changes.finish(), session.changes.notes

    assert asyncio.run(changed()) == ([FileChange(path=str(other / "a.py"), change="modified", added=1, removed=1)], [])

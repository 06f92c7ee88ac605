"""The first frame stands before the talk and the prompt are imported, and nothing that is typed meanwhile is lost."""

import asyncio
import sys
from pathlib import Path

import pytest

from support.workbench import PLAIN, FakeOpener, bounded, until
from workbench.tui.app import PARTS, WorkbenchApp
from workbench.tui.screens.main import MainScreen
from workbench.tui.widgets.prompt import Prompt
from workbench.tui.widgets.stand_in import PLACEHOLDER, StandIn

LATE = """
import time
from pathlib import Path
from workbench.tui.widgets.prompt import Prompt
end = time.monotonic() + 60
while not Path(__file__).with_name("let").exists() and time.monotonic() < end:
    time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in (("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config"), ("HOME", "home")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Parts of which the prompt is the real one, in a module that nobody has imported yet: only once it is `let`."""
    (tmp_path / "a_late_part.py").write_text(LATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_late_part", raising=False)
    return {**PLAIN, "prompt": "a_late_part:Prompt"}


def rows(app: WorkbenchApp) -> list[str]:
    """The rows of the screen."""
    return [line.text for line in app.screen._compositor.render_strips()]


def test_keys_and_pastes_before_the_prompt_stands_come_into_it_in_their_order(
    tmp_path: Path, late: dict[str, object]
) -> None:
    async def run() -> None:
        app = WorkbenchApp(FakeOpener(tmp_path), late)  # type: ignore[arg-type]
        async with app.run_test(size=(120, 40)) as pilot:
            assert isinstance(app.main.prompt, StandIn)
            await pilot.press("h", "e", "y", "space")
            (tmp_path / "let").touch()
            await until(pilot, lambda: not app.main.waits)
            await pilot.press("y", "o", "u")
            await until(pilot, lambda: isinstance(app.main.prompt, Prompt) and app.main.prompt.text == "hey you")
            assert not app.main.query(StandIn)

    asyncio.run(bounded(run()))


def test_the_stand_in_looks_as_the_empty_prompt_does(tmp_path: Path, late: dict[str, object]) -> None:
    async def run() -> None:
        app = WorkbenchApp(FakeOpener(tmp_path), late)  # type: ignore[arg-type]
        async with app.run_test(size=(120, 40)) as pilot:
            assert app.main.waits
            before = next(row for row in rows(app) if PLACEHOLDER in row)
            (tmp_path / "let").touch()
            await until(pilot, lambda: not app.main.waits and app.panes)
            await until(pilot, lambda: before in rows(app))

    asyncio.run(bounded(run()))


def test_parts_that_are_imported_already_stand_in_the_first_frame(tmp_path: Path) -> None:
    async def run() -> None:
        app = WorkbenchApp(FakeOpener(tmp_path), PLAIN)
        async with app.run_test(size=(80, 24)):
            assert isinstance(app.screen, MainScreen)
            assert not app.screen.waits

    asyncio.run(bounded(run()))


def test_nothing_of_the_talk_and_the_prompt_is_imported_by_the_app_itself() -> None:
    code = (
        "import sys, workbench.tui.app as app\n"
        "late = [name for name in sys.modules if name in ('textual.widgets._text_area', 'tree_sitter', 'anthropic')"
        " or name.startswith('workbench.tui.panes.')]\n"
        "print(late)"
    )

    async def run() -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        return (out + err).decode()

    assert asyncio.run(run()).strip() == "[]"
    assert all(isinstance(PARTS[name], str) for name in ("talk", "prompt"))

"""Before a session starts in a workspace that would widen, a person is asked; what was shown is what is trusted."""

import asyncio

import pytest

from support.prompt_bench import press
from support.screens import text_of
from support.workbench import PLAIN, FakeOpener, bounded, until
from workbench.tui.app import PARTS, WorkbenchApp
from workbench.tui.opening import NotOpenedError, StandingRow
from workbench.tui.screens import trust
from workbench.tui.screens.trust import Trust

CHANGED = (
    "--- .mlwb/config.yaml (trusted)\n+++ .mlwb/config.yaml\n@@ -1,2 +1,2 @@\n permissions:\n"
    '-  allow: ["Bash(pytest *)"]\n+  allow: ["Bash(make  all)"]\n'
    "--- b.json (trusted)\n+++ b.json\n@@ -0,0 +1 @@\n+-- not a head"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trust, "SETTLE", 0.0)
    monkeypatch.setattr(Trust, "HOLD", 0.05)


def row(workspace, **more) -> StandingRow:
    brings = ((".mlwb/config.yaml", "allow Bash(make  all)"), (".mlwb/config.yaml", "reach lab.test"))
    return StandingRow(workspace=str(workspace), brings=brings, digest="d1", **more)


class Trusting(FakeOpener):
    """An opener whose workspace would widen, as the program's own asks about it."""

    def __init__(self, workspace, asked: StandingRow) -> None:
        super().__init__(workspace)
        self.asking = None
        self.row = asked
        self.noted: list[tuple[str, ...]] = []

    async def open(self, agent=None, model=None):
        if self.asking is not None:
            await self.asking(self.row)
        return await super().open(agent, model)

    async def standing(self, workspace):
        return self.row

    async def trust(self, workspace, digest):
        if digest != self.row.digest:
            raise NotOpenedError("error_usage", "its settings have changed meanwhile, so nothing was trusted")
        self.noted.append(("trust", workspace, digest))

    async def trust_later(self, workspace, digest):
        self.noted.append(("later", workspace, digest))

    async def trust_no_longer(self, workspace):
        self.noted.append(("revoke", workspace))


def playing(play, workspace, asked=None, size=(100, 30), parts=PLAIN) -> Trusting:
    opener = Trusting(workspace, asked or row(workspace))

    async def run() -> None:
        app = WorkbenchApp(opener, parts)
        opener.asking = lambda one: trust.ask(app, one)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: isinstance(app.screen, Trust))
            await pilot.pause()
            await play(pilot, opener)

    asyncio.run(bounded(run()))
    return opener


def test_it_asks_before_there_is_a_session_and_says_what_each_file_brings(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "t trust" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert opener.clients == [], "the choice is made before the session has its rules"
        for words in ("trust this workspace?", ".mlwb/config.yaml", "allow  Bash(make··all)", "reach  lab.test",
                      "t trust", "n not now"):  # fmt: skip
            assert words in screen
        await pilot.press("t")
        await until(pilot, lambda: pilot.app.state.session)
        await until(pilot, lambda: "trusted, as long as its files stay" in text_of(pilot.app))

    opener = playing(play, tmp_path)
    assert opener.noted == [("trust", str(tmp_path), "d1")]


@pytest.mark.parametrize("key", ["n", "escape"])
def test_not_now_goes_on_without(tmp_path, key):
    async def play(pilot, opener):
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.state.session)

    assert playing(play, tmp_path).noted == [("later", str(tmp_path), "d1")]


def test_enter_does_not_trust_nor_does_a_word_that_is_typed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(Trust, "SETTLE", 0.3)
    monkeypatch.setattr(Trust, "HOLD", 0.5)  # longer than a busy machine needs for the next letter

    async def play(pilot, opener):
        await pilot.pause(0.35)
        await pilot.press("enter", "enter")
        await press(pilot, *"test")
        await pilot.pause(0.6)
        assert isinstance(pilot.app.screen, Trust) and opener.noted == []
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.state.session)
        assert pilot.app.main.prompt.editor.text == "test", "what was typed stands in the prompt"

    playing(play, tmp_path, parts={**PLAIN, "prompt": PARTS["prompt"]})


def test_a_letter_right_after_it_came_was_meant_for_the_prompt(tmp_path, monkeypatch):
    monkeypatch.setattr(Trust, "SETTLE", 60.0)

    async def play(pilot, opener):
        await pilot.press("t")
        await pilot.pause(0.2)
        await pilot.click("Trust Line", offset=(1, 0))
        await pilot.pause(0.2)
        assert isinstance(pilot.app.screen, Trust) and opener.noted == []
        await pilot.press("escape")
        await until(pilot, lambda: opener.noted)

    assert playing(play, tmp_path).noted[0][0] == "later"


def test_what_changed_since_it_was_trusted_is_shown(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "t trust" in text_of(pilot.app))
        lines = text_of(pilot.app).splitlines()
        assert any("changed since you trusted it" in line for line in lines)
        assert any('- ··allow: ["Bash(pytest *)"]' in line for line in lines)
        assert any('+ ··allow: ["Bash(make··all)"]' in line for line in lines)
        assert any("+ -- not a head" in line for line in lines) and not any("(trusted)" in line for line in lines)

    playing(play, tmp_path, row(tmp_path, changed=CHANGED))


def test_what_changed_while_it_was_looked_at_is_not_trusted_but_shown(tmp_path):
    async def play(pilot, opener):
        opener.row = StandingRow(workspace=str(tmp_path), brings=(("x", "allow Bash(rm *)"),), digest="d2")
        await pilot.press("t")
        await until(pilot, lambda: "changed meanwhile" in text_of(pilot.app))
        assert "Bash(rm *)" in text_of(pilot.app) and opener.noted == []
        await pilot.press("t")
        await until(pilot, lambda: pilot.app.state.session)

    assert playing(play, tmp_path).noted == [("trust", str(tmp_path), "d2")]


@pytest.mark.parametrize("size", [(80, 24), (60, 16)])
def test_the_keys_stand_below_however_much_there_is_to_read(tmp_path, size):
    brings = tuple((f"{n % 3}.yaml", f"allow Bash(step {n})") for n in range(60))

    async def play(pilot, opener):
        await until(pilot, lambda: "t trust" in text_of(pilot.app) and "more lines" in text_of(pilot.app))
        await pilot.press(*["pagedown"] * 12)
        await until(pilot, lambda: "counts either way" in text_of(pilot.app))
        assert "t trust" in text_of(pilot.app) and "more lines" not in text_of(pilot.app)

    playing(play, tmp_path, StandingRow(workspace=str(tmp_path), brings=brings, digest="d1"), size=size)


# --- /trust ------------------------------------------------------------------------------------------------------


def looking(play, workspace, standing: StandingRow) -> Trusting:
    opener = Trusting(workspace, standing)

    async def run() -> None:
        app = WorkbenchApp(opener, PLAIN)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await until(pilot, lambda: app.state.session)
            app.do("trust")
            await until(pilot, lambda: isinstance(app.screen, Trust))
            await pilot.pause()
            await play(pilot, opener)

    asyncio.run(bounded(run()))
    return opener


def test_what_is_trusted_can_be_looked_at_and_taken_back(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "widens, because you trust it," in text_of(pilot.app))
        assert "t trust" not in text_of(pilot.app)
        await pilot.press("t")
        await pilot.pause(0.2)
        assert isinstance(pilot.app.screen, Trust)
        await pilot.press("r")
        await until(pilot, lambda: "trusted no longer" in text_of(pilot.app))

    assert looking(play, tmp_path, row(tmp_path, trusted=True)).noted == [("revoke", str(tmp_path))]


def test_a_workspace_that_brings_nothing_says_so(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "brings nothing that would need your trust" in text_of(pilot.app))
        await pilot.press("t", "n", "r", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Trust))

    assert looking(play, tmp_path, StandingRow(workspace=str(tmp_path))).noted == []

"""A few screens pinned, cell by cell and colour by colour. The pins are SVG: a browser shows them.

`MLWB_PIN=1 pytest tests/tui/looks/test_pictures.py` pins them anew, to be looked at before they are committed.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from support.sample_events import answer, call, started, text
from support.screens import Paper, rows_of, svg
from support.workbench import FakeOpener, is_open, until
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.tui.app import PARTS, WorkbenchApp
from workbench.tui.view import Pane

PINS = Path(__file__).parent / "pins"
ANSWER = """\
The loss is flat from step 40 on: **warm-up is missing**, and `lr=3e-2` is too high.

| run | val_loss |
|---|---:|
| baseline | 1.583 |
| warm-up | 1.472 |

```python
opt = AdamW(model.parameters(), lr=cfg.lr)  # not 3e-2
```
"""


def talked() -> Sequence[Any]:
    """A short session: a prompt, two calls of which one failed, a list, an answer."""
    todos = (
        blocks.Todo(content="Read the loop", status="completed", active_form="Reading the loop"),
        blocks.Todo(content="Compare seeds", status="in_progress", active_form="Comparing seeds"),
    )
    return (
        started(workspace="/data/project", color="cyan"),
        e.PromptSubmitted(text="lower the validation loss", origin="person", by="ana"),
        e.RequestStarted(turn=1, model="claude-sonnet-5-5", estimate=20_000),
        answer(1, text("I look at the loop first."), {"type": "tool_use", "id": "a", "name": "Bash", "input": {}}),
        *call("a", "git diff --stat"),
        *call("b", "pytest -q tests", status="error"),
        e.TodosChanged(todos=todos),
        e.RequestStarted(turn=2, model="claude-sonnet-5-5", estimate=21_000),
        answer(2, text(ANSWER), stop_reason="end_turn"),
        e.Idle(reason="done"),
    )


def asked() -> Sequence[Any]:
    """The same session, waiting for leave."""
    command = "python train.py --steps 2000 && rm -rf /data/old"
    return (
        *talked(),
        e.RequestStarted(turn=3, model="claude-sonnet-5-5", estimate=22_000),
        answer(3, {"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": command}}),
        e.ApprovalRequested(
            request_id="r1", call_id="c", tool="Bash", input={"command": command}, rule="ask: Bash(rm:*)",
            reason="`rm` removes files outside the workspace", digest="0" * 64,
        ),
    )  # fmt: skip


SCENES = {
    "empty-120x30-mlwb-dark": (),
    "talk-120x40-mlwb-dark": talked(),
    "talk-80x24-mlwb-light": talked(),
    "ask-80x24-contrast-dark": asked(),
}


class NoGpu(Pane, Static):
    """The GPU pane of a machine without one, whatever this machine has."""

    pane_id, title, empty = "gpu", "gpu", "no NVIDIA driver"


async def drawn(events: Sequence[Any], width: int, height: int, theme: str, pinned: str) -> str:
    """The screen of the workbench after EVENTS, as SVG: as PINNED, however long that takes, or else as it stays."""
    opener = FakeOpener(Path("/data/project"))
    app = WorkbenchApp(opener, parts={**PARTS, "gpu": NoGpu}, theme=theme)
    async with app.run_test(size=(width, height)) as pilot:
        await until(pilot, lambda: app.panes and is_open(app, opener))
        if events:
            opener.client.give(*events[1:])
            await until(pilot, lambda: opener.client.state.seq == len(events))
        seen, looks, most = "", 0, 600 if pinned else 20  # without a pin: until it stays for a second
        while seen != pinned and looks < most:
            await pilot.pause(0.05)
            now = svg(rows_of(app)[:-1], width, Paper())  # the last row counts seconds
            seen, looks = now, looks + 1 if pinned or now == seen else 0
        return seen


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_screen_looks_as_it_did(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NO_COLOR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "MLWB_LOW_BANDWIDTH", "MLWB_REDUCED_MOTION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLORTERM", "truecolor")
    _, size, theme = name.split("-", 2)
    width, height = map(int, size.split("x"))
    pin = PINS / f"{name}.svg"
    pinned = pin.read_text() if pin.exists() and not os.environ.get("MLWB_PIN") else ""
    seen = asyncio.run(drawn(SCENES[name], width, height, theme, pinned))
    if os.environ.get("MLWB_PIN"):
        PINS.mkdir(exist_ok=True)
        pin.write_text(seen)
    if seen != pin.read_text():
        other = Path("/tmp") / f"mlwb-{pin.name}" if os.environ.get("CI") else tmp_path / pin.name
        other.write_text(seen)
        pytest.fail(f"looks different: compare {pin} with {other}; pin it anew with MLWB_PIN=1 if it is meant")

"""A talk in a real terminal, one step at a time: each key runs the next step and writes what the screen must show.

python -m support.talk_steps FILE     (with tests/ in PYTHONPATH)
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from textual import events as te
from textual.app import ComposeResult
from textual.containers import Vertical

from support.sample_events import answer, started, text
from support.screens import text_of
from support.talking import Talking
from workbench.protocol import events as e

WORDS = (
    "The loss is flat from **step 40**: warm-up is missing 学習率 and the rate is ten times too high é ü.\n\n"
    "- first `one`\n- then 二番目\n\n```python\nfor x in range(10):\n    print(x)  # 表示\n```\n\n"
)


class Steps(Talking):
    """The talk in a frame, as in the workbench."""

    CSS = "#frame { border: round $border-dim; padding: 0 1; }"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._steps = self._all()

    def compose(self) -> ComposeResult:
        """The talk within a border."""
        with Vertical(id="frame"):
            yield self.talk

    def _all(self) -> Iterator[int]:
        """How long to wait between two portions of a step, in portions."""
        self.give(
            started(), e.PromptSubmitted(text="go", origin="person", by="ana"), e.RequestStarted(turn=1, model="m")
        )
        yield 0
        whole = WORDS * 12
        for at in range(0, len(whole), 37):
            self.give(e.TextDelta(turn=1, index=0, text=whole[at : at + 37]))
            yield 1
        yield 0
        self.give(answer(1, text(whole)))
        yield 0
        for by in (-3, -1, -7, -20, 5, 2, -1):
            self.talk.transcript.scroll_rows(by)
            yield 1
        yield 0
        for _ in range(4):
            self.talk.do("item_previous")
            yield 1
        yield 0
        self.talk.do("to_end")
        yield 0
        self.talk.do("copy")
        yield 0

    async def on_key(self, event: te.Key) -> None:
        """Runs a step; its portions a frame apart, as they would come."""
        for wait in self._steps:
            if not wait:
                break
            await asyncio.sleep(0.003)
        await asyncio.sleep(0.1)
        self._path.write_text(text_of(self))
        if event.key == "q":
            self.exit()


if __name__ == "__main__":
    Steps(Path(sys.argv[1])).run()

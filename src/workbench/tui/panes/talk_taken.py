"""What is taken out of the talk: copied to the clipboard, opened in an editor."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.tui.widgets.transcript_entry import HEAD, Entry
from workbench.tui.widgets.transcript_words import suffix, words

if TYPE_CHECKING:
    from workbench.tui.panes.talk import Talk

COPIED = 256 * 1024  # characters that go to the clipboard at most: terminals drop longer ones


class Taken:
    """What the cursor of TALK stands on; without a cursor the last answer."""

    def __init__(self, talk: "Talk") -> None:
        self._talk = talk

    def copy(self) -> None:
        """Copies it, whole; on the line that names a turn its name."""
        if (cursor := self._talk.transcript.cursor) is not None and cursor[1] == HEAD:
            self.copy_reference()
            return
        self._with_words(lambda entry, stop: self._copy(*words(entry, stop)))

    def copy_reference(self) -> None:
        """Copies the name of its turn."""
        talk = self._talk
        if (chosen := talk.chosen()) is None:
            return
        start = talk.window.entries.index(chosen[0])
        turn = next((entry.item.turn for entry in talk.window.entries[start:] if entry.item.turn), 0)
        reference = f"{talk.state.session}:t{turn}" if turn else talk.state.session
        self._copy(reference, reference)

    def edit(self) -> None:
        """Opens it in the person's editor."""
        from workbench.tui.panes.talk_outside import edit

        def opened(entry: Entry, stop: int) -> None:
            info = next((block.info for block in entry.blocks if block.stop == stop and block.info), "") if stop else ""
            if problem := edit(self._talk.app, words(entry, stop)[0], suffix(entry, info), os.environ):
                self._talk.tell(problem, "error")

        self._with_words(opened)

    def _with_words(self, use: Callable[[Entry, int], None]) -> None:
        """USE gets it, once all its words are here."""
        talk = self._talk
        if (chosen := talk.chosen()) is None:
            return
        entry, stop = chosen
        if stop or not entry.lacks() or talk.client is None:
            use(entry, stop)
            return

        async def fetched() -> None:
            await talk.fetch(entry)
            use(entry, stop)

        talk.ask(fetched())

    def _copy(self, text: str, name: str) -> None:
        from workbench.tui.panes.talk_outside import to_clipboard

        kept = to_clipboard(self._talk.app, text, COPIED)
        size = f"{len(text):,} characters" if len(text) < 10_000 else f"{len(text) / 1000:,.0f} K"
        if kept < len(text):
            self._talk.tell(f"copied the first {kept // 1024} K of {name} ({size}); e opens it whole", "warning")
        else:
            self._talk.tell(f"copied {name}" + (f", {size}" if name != text else ""))

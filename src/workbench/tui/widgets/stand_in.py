"""What stands in the prompt's place in the first frame: it looks like the empty prompt, and keeps what is typed."""

import asyncio
import contextlib

from textual import events
from textual.screen import Screen
from textual.widget import Widget

from workbench.tui.widgets.line import Line, Part

PLACEHOLDER = "ask, or /command, @file, !shell"
HINTS = "ctrl+j newline"


class StandIn(Line):
    """One row, until the prompt is imported."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = True  # for the prompt
        self._typed: list[events.Key | events.Paste] = []
        cursor = Part(PLACEHOLDER[0], "$muted reverse")
        self.put([Part(" › ", "$agent bold"), cursor, Part(PLACEHOLDER[1:], "$muted")], [Part(f"{HINTS} ", "$muted-2")])

    def keep(self, event: events.Key | events.Paste) -> None:
        """EVENT waits for the prompt."""
        event.stop()
        event.prevent_default()
        self._typed.append(event)

    async def hand_over(self, screen: Screen[None], prompt: Widget) -> None:
        """PROMPT gets the focus, and what was typed and pasted, in that order. To be called in the app's own turn."""
        handled = asyncio.Event()
        screen.call_later(handled.set)  # keys that are on their way to SCREEN are kept as well
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(handled.wait(), 1.0)
        self.waits = False
        field = next((one for one in prompt.walk_children(Widget, with_self=True) if one.focusable), prompt)
        screen.set_focus(field, scroll_visible=False)
        for one in self._typed:
            field.post_message(
                events.Key(one.key, one.character) if isinstance(one, events.Key) else events.Paste(one.text)
            )

"""What stands in the prompt's place in the first frame: it looks like the empty prompt, and keeps what is typed."""

from textual import events

from workbench.tui.widgets.line import Line, Part

PLACEHOLDER = "ask, or /command, @file, !shell"
HINTS = "ctrl+j newline"


class StandIn(Line):
    """One row, until the prompt is imported."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: list[events.Key | events.Paste] = []
        cursor = Part(PLACEHOLDER[0], "$muted reverse")
        self.put([Part(" › ", "$agent bold"), cursor, Part(PLACEHOLDER[1:], "$muted")], [Part(f"{HINTS} ", "$muted-2")])

    def keep(self, event: events.Key | events.Paste) -> None:
        """EVENT waits for the prompt."""
        event.stop()
        event.prevent_default()
        self._typed.append(event)

    def typed(self) -> list[events.Key | events.Paste]:
        """What was typed and pasted, to be sent once more."""
        return [
            events.Key(one.key, one.character) if isinstance(one, events.Key) else events.Paste(one.text)
            for one in self._typed
        ]

"""A screen that comes to rest after a storm of resizes, and is left once, however often one says so."""

from typing import Any

from textual.await_complete import AwaitComplete
from textual.geometry import Size
from textual.screen import Screen


class Steady(Screen):  # type: ignore[type-arg]  # mixed into screens of any result
    """Two sizes that are under way at once would answer each other for ever: a screen announces its new size to
    itself, behind the other one. The size of the terminal as it is now ends that."""

    def _screen_resized(self, size: Size) -> None:
        super()._screen_resized(self.app.size)

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Leaves with RESULT; a second esc, typed before the first was seen, leaves nothing more."""
        if self.is_active and len(self.app.screen_stack) > 1:
            return super().dismiss(result)
        return AwaitComplete()

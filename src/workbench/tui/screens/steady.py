"""A screen that comes to rest after a storm of resizes."""

from textual.geometry import Size
from textual.screen import Screen


class Steady(Screen):  # type: ignore[type-arg]  # mixed into screens of any result
    """Two sizes that are under way at once would answer each other for ever: a screen announces its new size to
    itself, behind the other one. The size of the terminal as it is now ends that."""

    def _screen_resized(self, size: Size) -> None:
        super()._screen_resized(self.app.size)

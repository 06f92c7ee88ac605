"""A screen that comes to rest after a storm of resizes, is left once however often one says so, and opens fast."""

from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.await_complete import AwaitComplete
from textual.color import Color
from textual.css.styles import RulesMap
from textual.geometry import Size
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import Screen
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.visual import RenderOptions, Visual


class Steady(Screen):  # type: ignore[type-arg]  # mixed into screens of any result
    """Two sizes that are under way at once would answer each other for ever: a screen announces its new size to
    itself, behind the other one. The size of the terminal as it is now ends that; and one that the screen has already
    is no reason to lay out and draw it anew, with all that lies behind it."""

    _seen_lines: list[Strip] | None = None  # how it looks behind another one, until something in it changes

    def _screen_resized(self, size: Size) -> None:
        if self._compositor.root is None or self._compositor.size != self.app.size:
            super()._screen_resized(self.app.size)

    def _on_screen_resume(self, event: events.ScreenResume) -> None:
        """Lays out now and draws in a step of its own: a key that was typed meanwhile waits for one of them only."""
        event.prevent_default()
        first = self._compositor.root is None
        with self.app.batch_update():
            super()._on_screen_resume(event)
        if first:  # what is laid out for the first time is drawn whole, once
            self._repaint_required = False

    def _compositor_refresh(self) -> None:
        if self._compositor._dirty_regions:
            self._seen_lines = None
        super()._compositor_refresh()

    def render(self) -> Any:
        """The screen behind, dimmed, where the own background lets it through."""
        rendered = super().render()
        if isinstance(rendered, BackgroundScreen) and isinstance(rendered.screen, Steady):
            return Behind(rendered.screen.seen(), rendered.color)
        return rendered

    def seen(self) -> list[Strip]:
        """What it shows behind another screen."""
        if self._seen_lines is None:
            self._seen_lines = self._compositor.render_strips()
        return self._seen_lines

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Leaves with RESULT; a second esc, typed before the first was seen, leaves nothing more."""
        if self.is_active and len(self.app.screen_stack) > 1:
            return super().dismiss(result)
        return AwaitComplete()


class Behind(Visual):
    """What lies behind a screen, in a tint, not clickable. Textual draws it anew, through Rich's console, each time."""

    def __init__(self, lines: list[Strip], tint: Color) -> None:
        self._lines, self._tint = lines, tint

    def render_strips(self, width: int, height: int | None, style: VisualStyle, options: RenderOptions) -> list[Strip]:
        """The lines of the screen behind."""
        lines, tint = self._lines[:height], self._tint
        return [Strip([Segment(text, _tinted(old, tint)) for text, old, _ in one], one.cell_length) for one in lines]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """All that there is."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        """That of the screen behind, in lines."""
        return len(self._lines)


@lru_cache(4096)
def _tinted(style: Style | None, tint: Color) -> Style:
    """STYLE under TINT; nothing in it can be clicked."""
    if style is None:
        return Style()
    colours = (
        None if colour is None else (Color.from_rich_color(colour) + tint).rich_color
        for colour in (style.color, style.bgcolor)
    )
    return style.clear_meta_and_links() + Style.from_color(*colours)

"""The editor of the prompt and of the cards in its place: many lines, chips, no way past the door."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widgets import TextArea

from workbench.tui.safe import content, safe
from workbench.tui.widgets.attachments import Attachments, PictureError, is_long, load_picture, picture_paths

_NEWLINE_KEYS = ("ctrl+j", "shift+enter", "alt+enter", "newline")
_PART = 500_000  # characters of a paste that are taken in one go
_PICTURE_S = 2.0  # a file system that hangs must not hold the keys
_JOINERS = re.compile("([\u200c\u200d])")  # letters of some scripts and of emoji; they move nothing


def entered(text: str) -> str:
    """TEXT as an editor takes it: line ends made one, all that a terminal would obey or hide spelled out."""
    parts = _JOINERS.split(text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(part if _JOINERS.match(part) else safe(part, newlines=True) for part in parts)


class Editor(TextArea):
    """A text area that grows with its text.

    `on_key_first` sees each key first and says whether it took it; `on_submit` is Enter where that makes no new line;
    `on_leave` is up in the first line (True) and down in the last one (False).
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"editor--chip", "editor--hint"}
    DEFAULT_CSS = """
    Editor {
        height: 1;
        border: none;
        padding: 0;
        background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
        .text-area--placeholder { color: $muted; }
        .editor--chip { color: $agent; text-style: underline; }
        .editor--hint { color: $muted-2; }
        &:light .text-area--cursor { color: $input-cursor-foreground; background: $input-cursor-background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+left,alt+left,alt+b", "cursor_word_left", "word left", show=False),
        Binding("ctrl+right,alt+right,alt+f", "cursor_word_right", "word right", show=False),
        Binding("ctrl+underscore", "undo", "undo", show=False),
    ]

    class Told(Message):
        """Something to say in one line."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, most: int = 8, hints: str = "", placeholder: str = "") -> None:
        super().__init__(compact=True, highlight_cursor_line=False, placeholder=placeholder)
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self.attachments = Attachments()
        self.folder = ""
        self.hints = hints
        # Called at once and not by message: keys that follow in the same moment must find things done.
        self.on_key_first: Callable[[events.Key], bool] = lambda event: False
        self.on_submit: Callable[[], None] = lambda: None
        self.on_leave: Callable[[bool], None] = lambda up: None
        self._most = most
        self._usual = self._first = placeholder
        self._told: str | Content = ""

    # --- looks ---------------------------------------------------------------------------------------------

    def get_line(self, line_index: int) -> Text:
        """A line with its chips marked."""
        line = super().get_line(line_index)
        for begin, end in self.attachments.spans(line.plain):
            line.stylize(self.get_component_rich_style("editor--chip", partial=True), begin, end)
        return line

    def render_line(self, y: int) -> Strip:
        """The first line of an empty editor has hints at its right, where there is room."""
        strip = super().render_line(y)
        width = self.content_size.width
        if y or not self.hints or not self.empty or width < strip.cell_length + len(self.hints) + 4:
            return strip
        hints = Content(self.hints.rjust(width - strip.cell_length)).stylize(self.get_visual_style("editor--hint"))
        return Strip.join([strip, Strip(hints.render_segments(self.visual_style), width - strip.cell_length)])

    def set_hints(self, hints: str) -> None:
        """HINTS at the right of the empty editor."""
        if hints != self.hints:
            self.hints = hints
            self.refresh()

    def invite(self, words: str) -> None:
        """WORDS as the placeholder; the usual one where there are none, or where it is told what enter does instead."""
        wanted = self._told or words or self._usual
        if self.placeholder != wanted:
            self.placeholder = wanted

    def usually(self, words: str, shell: bool = True) -> None:
        """WORDS stand in place of every other placeholder, from now on. SHELL: a command of one's own is taken here."""
        self._told = content(words) if words else ""
        self._usual = self._first if shell else self._first.removesuffix(", !shell")

    @property
    def empty(self) -> bool:
        """Whether there is no text at all."""
        return self.document.line_count == 1 and not self.document[0]

    def fit(self) -> None:
        """Takes the height that the text needs, a third of the screen at most."""
        wanted = max(1, min(self._most, self.wrapped_document.height, self.app.size.height // 3))
        height = self.styles.height
        if height is None or height.value != wanted:
            self.styles.height = wanted

    def on_text_area_changed(self) -> None:
        """Grows and shrinks with the text."""
        self.fit()

    def on_resize(self) -> None:
        """A narrower line wraps into more of them."""
        self.call_after_refresh(self.fit)

    # --- text ----------------------------------------------------------------------------------------------

    def set_text(self, text: str, attachments: Attachments | None = None) -> None:
        """Shows TEXT and its chips in place of what was there, the cursor at the end."""
        self.attachments = attachments or Attachments()
        self.load_text(entered(text))
        self.move_cursor(self.document.end)

    def write(self, text: str) -> None:
        """Puts TEXT where the cursor is."""
        self.replace(entered(text), *self.selection, maintain_selection_offset=False)

    def sendable(self) -> str:
        """The text with its pastes in place of their chips."""
        return self.attachments.expand(self.text)

    @property
    def before_cursor(self) -> str:
        """The cursor's line up to the cursor."""
        row, column = self.cursor_location
        return self.document[row][:column]

    # --- keys ----------------------------------------------------------------------------------------------

    async def _on_key(self, event: events.Key) -> None:
        """Keys that are not the text area's own; its handler, which types letters, follows unless one was taken.

        What a key is bound to is done here and now: by way of the app it would come after letters that follow it
        closely, as they do over a slow line.
        """
        if not self.on_key_first(event):
            if event.key in _NEWLINE_KEYS or (event.key == "enter" and self._continued()):
                self.write("\n")
            elif event.key == "enter":
                self.on_submit()
            elif not (action := _BOUND.get(event.key)) or not await self.app.run_action(action, self):
                return
        event.stop()
        event.prevent_default()

    def _continued(self) -> bool:
        """Whether a backslash stands before the cursor; it gives way to the new line."""
        if self.selection.is_empty and self.before_cursor.endswith("\\"):
            self.action_delete_left()
            return True
        return False

    async def _on_paste(self, event: events.Paste) -> None:
        """Pictures and long text become chips; nothing pasted is a key, so nothing pasted sends."""
        event.stop()
        event.prevent_default()
        text = await _lines(event.text)
        self.history.checkpoint()
        if is_long(text):
            self.write(self.attachments.add_paste(text))
        elif not (paths := picture_paths(text, self.folder)) or not await self._take_pictures(paths):
            self.write(text)
        self.history.checkpoint()

    async def _take_pictures(self, paths: list[Path]) -> bool:
        try:
            loading = asyncio.gather(*(asyncio.to_thread(load_picture, path) for path in paths))
            pictures = await asyncio.wait_for(loading, _PICTURE_S)
        except PictureError as error:
            self.post_message(self.Told(str(error)))
            return False
        except TimeoutError:
            self.post_message(self.Told(f"{paths[0].name} could not be read in {_PICTURE_S:.0f} s"))
            return False
        self.write(" ".join(self.attachments.add_picture(picture) for picture in pictures) + " ")
        return True

    def action_paste(self) -> None:
        """The app's own clipboard, taken like any other paste."""
        if text := self.app.clipboard:
            self.post_message(events.Paste(text))

    def action_delete_left(self) -> None:
        """A chip goes as one."""
        row, column = self.cursor_location
        chip = next((begin for begin, end in self.attachments.spans(self.document[row]) if end == column), None)
        if self.selection.is_empty and chip is not None:
            self.delete((row, chip), (row, column), maintain_selection_offset=False)
        else:
            super().action_delete_left()

    def action_cursor_up(self, select: bool = False) -> None:
        """Up; in the first line to whatever lies before."""
        if not select and self.navigator.is_first_wrapped_line(self.cursor_location):
            self.on_leave(True)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """Down; in the last line to whatever lies after."""
        if not select and self.navigator.is_last_wrapped_line(self.cursor_location):
            self.on_leave(False)
        else:
            super().action_cursor_down(select)

    def action_cursor_page_up(self) -> None:
        """The page is the talk's: a prompt has few lines."""
        raise SkipAction

    def action_cursor_page_down(self) -> None:
        """The page is the talk's: a prompt has few lines."""
        raise SkipAction


async def _lines(text: str) -> str:
    """TEXT with its line ends made one; the screen is let go of between the parts of a long one."""
    if "\r" not in text:
        return text
    parts: list[str] = []
    begin = 0
    while begin < len(text):
        end = begin + _PART + (text[begin + _PART - 1 : begin + _PART + 1] == "\r\n")
        parts.append(text[begin:end].replace("\r\n", "\n").replace("\r", "\n"))
        begin = end
        await asyncio.sleep(0)
    return "".join(parts)


_BOUND = {
    key.strip(): binding.action
    for binding in (*TextArea.BINDINGS, *Editor.BINDINGS)
    if isinstance(binding, Binding)
    for key in binding.key.split(",")
}

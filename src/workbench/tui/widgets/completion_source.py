"""Where completions come from: the host's files, the table of actions; and which keys take them."""

import asyncio
from typing import TYPE_CHECKING

from workbench.protocol.queries import FindFiles, Paths
from workbench.tui.widgets import slash
from workbench.tui.widgets.completion import ROWS, Completion, Row, file_row, folder_rows, mention, narrowed
from workbench.tui.widgets.prompt_editor import Editor

if TYPE_CHECKING:
    from textual.widget import Widget

DEBOUNCE = 0.04  # seconds of rest before the host is asked
_MOST = 50
_KEYS = ("escape", "up", "down", "tab", "enter")


class Completing:
    """Keeps the list in step with what is typed. `key` takes the keys that are the list's while it is open."""

    def __init__(self, owner: "Widget", editor: Editor) -> None:
        self._owner, self._editor, self.popup = owner, editor, Completion()
        self._at: tuple[str, int, int, str] | None = None  # kind, row, column, pattern
        self._dismissed: tuple[str, int, int] | None = None
        self._asking = False
        self._take_first = False  # tab was pressed before the host had answered

    def update(self, allowed: bool = True) -> None:
        """Opens, narrows or closes the list, by what stands before the cursor."""
        at = self._place() if allowed and self._editor.selection.is_empty else None
        if at == self._at:
            return
        before, self._at, self._take_first, self._asking = self._at, at, False, False
        if at is None or at[:3] == self._dismissed:
            self._dismissed = at[:3] if at else None
            self.popup.show([])
            return
        self._dismissed = None
        if at[0] == "/":
            rows = [Row(f"/{one.name} ", f"/{one.name}", one.title) for one in slash.matching(at[3])]
            more = len(rows) - ROWS
            self.popup.show(rows, f"{more} more: ↓, or type a part of one" if more > 0 else "")
            return
        same = before is not None and before[:3] == at[:3]
        self.popup.show(narrowed(self.popup.rows, at[3]) if same else [])
        self._asking = True
        self._owner.run_worker(self._find(at), group="files", exclusive=True, exit_on_error=False)

    def close(self) -> None:
        """Closes the list until another word begins."""
        if self._at:
            self._dismissed = self._at[:3]
        self.popup.show([])

    def _place(self) -> tuple[str, int, int, str] | None:
        row, _ = self._editor.cursor_location
        before = self._editor.before_cursor
        if row == 0 and before.startswith("/") and self._editor.document.line_count == 1:
            word = before[1:]
            return ("/", 0, 0, word) if word.replace("-", "").replace("_", "").isalnum() or not word else None
        found = mention(before)
        return ("@", row, found[0], found[1]) if found else None

    async def _find(self, at: tuple[str, int, int, str]) -> None:
        await asyncio.sleep(DEBOUNCE)
        client = getattr(self._owner.app, "client", None)
        if client is None:
            self._asking = False
            self.popup.show([], "files can be named here once a session is open")
            return
        try:
            page = await client.query(FindFiles(pattern=at[3], n=_MOST))
        except Exception as error:  # a host that is gone must not take the prompt along
            page, note = None, f"no list of files: {error or type(error).__name__}"
        if at != self._at or at[:3] == self._dismissed:
            return
        self._asking = False
        if isinstance(page, Paths):
            note = f"{page.total - len(page.paths):,} more" if page.total > len(page.paths) else ""
            note = note or ("" if page.paths else "no file of that name")
            rows = [file_row(path) for path in page.paths]
            self.popup.show([*rows[:1], *folder_rows(page.paths, at[3]), *rows[1:]], note)
            if self._take_first:
                self.take()
        elif page is None:
            self.popup.show([], note)

    # --- keys ----------------------------------------------------------------------------------------------

    def key(self, key: str, allowed: bool = True) -> bool:
        """Takes KEY if the list is open and it is one of its own."""
        if key not in _KEYS:
            return False
        self.update(allowed)  # letters just before the key may not have been seen yet
        if key == "tab" and self._at and self._at[:3] != self._dismissed and not self.popup.row:
            self._take_first = self._asking
            return True
        if not self.popup.open:
            return False
        if key == "escape":
            self.close()
        elif key in ("up", "down"):
            self.popup.move(1 if key == "down" else -1)
        else:
            return self.take(key == "enter")
        return True

    def take(self, enter: bool = False) -> bool:
        """Puts the chosen row in place of what was typed; whether there was one to put there."""
        row, at = self.popup.row, self._at
        if row is None or at is None:
            return False
        if at[0] == "@" and enter and row.value.strip() == f"@{at[3]}":
            self.close()
            return False  # it is there already: Enter sends
        self.close()
        if row.value.endswith("/"):
            self._dismissed = None  # a folder: the list goes on within it
        start = (at[1], at[2])
        value = row.value.rstrip() if at[0] == "/" and enter else row.value
        self._editor.replace(value, start, self._editor.cursor_location, maintain_selection_offset=False)
        return not (at[0] == "/" and enter)  # a command that was chosen is carried out at once

"""Whether a workspace may widen what the agent may do: what it brings, what changed, and a key that says so."""

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.protocol.words import counted
from workbench.tui.hold import Hold
from workbench.tui.opening import NotOpenedError, StandingRow
from workbench.tui.safe import content, safe
from workbench.tui.screens.steady import Steady
from workbench.tui.widgets.approval_text import spelled
from workbench.tui.widgets.header import home
from workbench.tui.widgets.line import Line, Part

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_SCROLLS = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}


class Trust(Steady, ModalScreen[str]):
    """Gives `trust`, `revoke`, or nothing. ASKED: before a session starts, with `later` in place of nothing.

    Enter does not trust, nor does typing on: a letter counts once nothing was typed for a while and nothing follows
    it; what is typed meanwhile goes to the prompt.
    """

    DEFAULT_CSS = """
    Trust { align: center middle; background: $background 60%; }
    Trust > Vertical {
        width: 92%; max-width: 100; height: auto; max-height: 90%; background: $surface; padding: 0 1;
        border: round $agent; border-title-color: $foreground; border-title-style: bold; border-subtitle-color: $muted;
    }
    Trust VerticalScroll { height: auto; scrollbar-size-vertical: 1; background: $surface; }
    Trust Static { height: auto; }
    Trust Line { margin-top: 1; }
    """
    SETTLE: ClassVar[float] = 0.6  # seconds without a key after which one is meant for this
    HOLD: ClassVar[float] = 0.25  # seconds in which another letter shows that a word is typed

    def __init__(self, row: StandingRow, asked: bool = False, told: str = "") -> None:
        super().__init__()
        self.row, self._asked, self._said = row, asked, told
        self._since = time.monotonic()
        self._held = ""
        self._holding: Hold | None = None

    def compose(self) -> ComposeResult:
        """What it brings, and the keys."""
        with Vertical() as box:
            box.border_title = "trust this workspace?" if self._asked else "trust"
            with VerticalScroll(can_focus=False):
                yield Static()
            yield Line()

    def on_mount(self) -> None:
        """The words, the keys, and how much lies below."""
        self._fit()
        self.watch(self.query_one(VerticalScroll), "scroll_y", self._draw, init=False)

    def on_resize(self) -> None:
        """Other lines are seen."""
        self._fit()

    def _fit(self) -> None:
        """As many lines as leave room for the keys; a line that changed has its ground up to the edge."""
        width, height = self.app.size
        self.query_one(VerticalScroll).styles.max_height = max(3, height * 9 // 10 - 4)
        self.query_one(Static).update(told(self.row, self._said, min(100, width * 92 // 100) - 6))
        self.call_after_refresh(self._draw)

    @property
    def choices(self) -> dict[str, str]:
        """Key -> what it does here."""
        if self.row.trusted:
            return {"r": "revoke", "escape": "close"}
        if not self.row.brings:
            return {"escape": "close"}
        return {"t": "trust", "n": "not now"} if self._asked else {"t": "trust", "escape": "close"}

    def _draw(self) -> None:
        body = self.query_one(VerticalScroll)
        keys = [
            part
            for key, words in self.choices.items()
            for part in (
                Part("esc" if key == "escape" else key, "bold $agent", key),
                Part(f" {words}   ", "bold" if key == self._held else "$muted", key),
            )
        ]
        below = round(body.max_scroll_y - body.scroll_offset.y)
        self.query_one(Line).put(keys, [Part(f"↓ {counted(below, 'more line')}", "$warning")] if below > 0 else [])

    # --- keys ------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A letter that answers, or one that was typed on."""
        event.stop()
        event.prevent_default()
        if event.key in _SCROLLS:
            self.query_one(VerticalScroll).scroll_relative(y=_SCROLLS[event.key], animate=False)
        elif event.key == "escape":
            self._choose("escape")
        elif event.is_printable and event.character:
            self._letter(event.character)

    def _letter(self, letter: str) -> None:
        now, held = time.monotonic(), self._release()
        settled, self._since = now - self._since >= self.SETTLE, now
        if held or not settled or letter not in self.choices:
            self._pass_on(held + letter)
            return
        self._held = letter
        self._holding = Hold(self, self.HOLD, self._decide)
        self._draw()

    def _release(self) -> str:
        held, self._held = self._held, ""
        if self._holding is not None:
            self._holding.stop()
            self._holding = None
        return held

    def _decide(self) -> None:
        if held := self._release():
            self._choose(held)

    def _pass_on(self, text: str) -> None:
        """What was typed for the prompt stands there."""
        editor = getattr(getattr(getattr(self.app, "main", None), "prompt", None), "editor", None)
        if editor is not None:
            editor.write(text)
        self._draw()

    def on_line_pressed(self, event: Line.Pressed) -> None:
        """A click on a key."""
        event.stop()
        if time.monotonic() - self._since >= self.SETTLE:
            self._choose(event.action)

    def _choose(self, key: str) -> None:
        self.dismiss({"t": "trust", "r": "revoke"}.get(key, "later" if self._asked else ""))


async def ask(app: "WorkbenchApp", row: StandingRow) -> None:
    """Asks a person about ROW's workspace before a session starts there; what was shown is what is trusted."""
    problem = ""
    while await app.push_screen_wait(Trust(row, asked=True, told=problem)) == "trust":
        try:
            await app.opener.trust(row.workspace, row.digest)
            app.tell("trusted, as long as its files stay as they are")
            return
        except NotOpenedError as error:
            problem = error.message
        row = await app.opener.standing(row.workspace)
        if row.trusted or not row.brings:
            return
    await app.opener.trust_later(row.workspace, row.digest)


async def show(app: "WorkbenchApp", workspace: str) -> None:
    """How WORKSPACE stands, to be changed here. Raises NotOpenedError."""
    row = await app.opener.standing(workspace)
    answer = await app.push_screen_wait(Trust(row))
    if answer == "trust":
        await app.opener.trust(row.workspace, row.digest)
        app.tell("trusted: its rules count from the next start or resume on, in this session as well")
    elif answer == "revoke":
        await app.opener.trust_no_longer(row.workspace)
        app.tell("trusted no longer: what it brings counts no more from the next start or resume on", "warning")


# --- words -------------------------------------------------------------------------------------------------------


def told(row: StandingRow, said: str = "", width: int = 0) -> Content:
    """What ROW's workspace brings, file by file, and what changed. SAID: why the last answer was not taken."""
    lines = [content(said, "$error"), Content("")] if said else []
    lines.append(content(home(row.workspace), "bold"))
    if not row.brings:
        return Content("\n").join([*lines, Content("brings nothing that would need your trust.")])
    state = "widens, because you trust it," if row.trusted else "would widen"
    lines.append(Content(f"{state} what the agent may do here:"))
    for name in dict.fromkeys(file for file, _ in row.brings):
        lines += [Content(""), content(f"  {name}", "$muted")]
        lines += [_widening(what) for file, what in row.brings if file == name]
    if row.changed:
        lines += [Content(""), content("changed since you trusted it", "bold $warning"), *_diff(row.changed, width)]
    return Content("\n").join([*lines, Content(""), content(_outcome(row), "$muted")])


def _widening(what: str) -> Content:
    verb, _, rest = what.partition(" ")
    return Content.assemble(content(f"    {verb:<6} ", "$warning"), spelled(rest.replace("\n", "␊")))


def _outcome(row: StandingRow) -> str:
    if row.trusted:
        return "This holds as long as these files stay as they are; when one changes you are asked again."
    return (
        "Trusted, this counts until one of these files changes. Not trusted, the session works without it: it asks, or "
        "stays confined. What narrows (deny and ask rules) counts either way."
    )


def _diff(text: str, width: int) -> Iterator[Content]:
    """A unified diff of one or more files, its lines on their grounds, WIDTH cells wide."""
    old = new = 0  # lines of the hunk that are still to come
    for line in text.split("\n"):
        if old > 0 or new > 0:
            sign = line[:1]
            old, new = old - (sign != "+"), new - (sign != "-")
            yield _changed(sign, line[1:], width)
        elif found := _HUNK.match(line):
            old, new = int(found[1] or 1), int(found[3] or 1)
        elif line.startswith("+++ "):
            yield content(f"  {line[4:]}", "$muted")


def _changed(sign: str, rest: str, width: int) -> Content:
    role = {"+": "added", "-": "removed"}.get(sign)
    line = Content.assemble((f"  {safe(sign)} ", f"${role}" if role else "$muted"), spelled(rest))
    return line.pad_right(max(0, width - line.cell_length)).stylize_before(f"on ${role}-ground") if role else line

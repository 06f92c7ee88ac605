"""An item of the transcript as the screen holds it: its blocks, how far it is open, and what it is still to become."""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workbench.protocol.blocks import DisplayBlock, Image, Listing, Todos
from workbench.protocol.state import Item
from workbench.tui.widgets.blocks import Block
from workbench.tui.widgets.card_picture import Preview
from workbench.tui.widgets.markdown import Piece, Splitter
from workbench.tui.widgets.markdown_code import Highlighter

AGENT = ("answer", "thinking", "call")  # kinds of items that the agent speaks
BEFORE = "before"  # stood under by what comes after a notice that came before the agent spoke: it is still to be named
PREVIEW = 20  # rows of an open card's output before all of it is asked for
HEAD = -1  # the stop of a line that says who speaks, and in which turn
DRAFT = 1 << 60  # ids of what is still being written lie from here on
KEPT_PROGRESS = 500  # lines of a running call's output
KEPT_LINE = 2_000  # characters of one of them
CUT_INPUT = 4_000  # characters of an argument; a longer one may have come cut
KEPT_DRAFT = 4 << 20  # characters of an answer that is being written
# The argument that names what a call acts on, in JSON that is not whole yet.
_TARGET = re.compile(r'"(?:file_path|notebook_path|path|command|pattern|bash_id)"\s*:\s*"((?:[^"\\]|\\.)*)')


@dataclass
class Scene:
    """What entries need to draw themselves, beside their item. `frame` turns the one spinner; None: nothing moves."""

    session: str = ""
    agent: str = ""
    user: str = ""
    workspace: str = ""
    highlighter: Highlighter = field(default_factory=Highlighter)
    clock: Callable[[], float] = time.monotonic
    frame: int | None = None
    thinking: bool = False  # thinking is open unless closed


class Entry:
    """One item. `opened`: 0 closed, 1 open, 2 with all there is. `local`: not in the session's journal."""

    def __init__(self, item: Item, *, local: bool = False) -> None:
        self.item, self.local = item, local
        self.opened = 0
        self.blocks: list[Block] = []
        self.heads = 0  # how many of them say who speaks
        self.tail: dict[tuple[str, str, int], Block] = {}  # the last blocks, which more text may change
        self.gap = 0  # blank lines above what is said
        self.seconds = 0.0  # how long it took, where only the screen knows
        self.input: dict[str, Any] | None = None  # of a call, where it was seen
        self.whole: tuple[DisplayBlock, ...] | None = None  # what a call showed, uncut, where it was asked for
        self.previews: dict[str, Preview] = {}  # of its pictures, by blob
        self.begins = False  # whether a turn begins with it
        self.full: dict[str, str] = {}  # whole texts that were asked for: by blob id, "" for the item's own
        self.progress: deque[str] = deque(maxlen=KEPT_PROGRESS)
        self.draft: Draft | None = None
        self.finished = False  # of a draft: its item is there, or about to be
        self.above = ""  # kind of the entry that it stands under, or BEFORE
        self.since: float | None = None  # on the scene's clock, when it began to run
        self._drawn: Any = None
        self._written = ""  # the beginning of a call's input while the model writes it
        self._size = 0

    @property
    def id(self) -> int:
        """The item's."""
        return self.item.id

    @property
    def reference(self) -> str:
        """The name of its turn within the session, such as `t12`; empty where it is of none."""
        return f"t{self.item.turn}" if self.item.turn else ""

    @property
    def running(self) -> bool:
        """Whether something in it moves."""
        return (self.item.kind == "call" and self.item.status == "running") or (
            self.draft is not None and self.item.kind == "thinking"
        )

    @property
    def text(self) -> str:
        """All the words that are known."""
        if self.draft is not None:
            return self.draft.text
        return self.full.get("", self.item.text)

    @property
    def display(self) -> tuple[DisplayBlock, ...]:
        """What a call showed, as whole as it is known."""
        return self.item.display if self.whole is None else self.whole

    def lacks(self) -> list[str]:
        """The whole texts that are not here: ids of blobs, "" for the item's own words, or a call's own parts."""
        blobs = [one.blob for one in self.display if not isinstance(one, Image | Listing | Todos) and one.blob]
        lacking = [name for name in blobs if name not in self.full]
        if self.item.kind == "call":
            return ["", *lacking] if self._lacks_parts() else lacking
        return ["", *lacking] if self.item.cut and "" not in self.full else lacking

    def unseen(self) -> list[str]:
        """Blobs of the pictures that are not here."""
        return [one.blob for one in self.display if isinstance(one, Image) and one.blob not in self.previews]

    def _lacks_parts(self) -> bool:
        if self.id >= DRAFT or self.local or "" in self.full:
            return False
        cut = any(isinstance(one, str) and len(one) > CUT_INPUT for one in (self.input or {}).values())
        return self.input is None or cut or (self.item.cut and self.whole is None)

    def more_inside(self) -> bool:
        """Whether open does not show all of it yet."""
        texts = [one.text for one in self.display if not isinstance(one, Image | Todos | Listing)]
        texts += [one for one in (self.input or {}).values() if isinstance(one, str)]
        lines = max((len(one.lines) for one in self.display if isinstance(one, Listing)), default=0)
        return lines > PREVIEW or any(one.count("\n") > PREVIEW or len(one) > 80 * PREVIEW for one in texts)

    def update(self, item: Item) -> bool:
        """Takes ITEM's present state; True if it looks different now."""
        now = (
            item.status, item.duration_ms, len(item.text), item.cut, item.rule, item.by, item.reason, item.display,
            item.exit_code, item.rewound, item.run,
        )  # fmt: skip
        self.item = item
        changed = bool(now != self._drawn)
        if changed:
            self.whole = None
            if item.kind == "call":
                self.full.pop("", None)
        self._drawn = now
        return changed

    def take_input(self, text: str, whole: bool = False) -> None:
        """More of a call's input, as the model writes it; or all of it so far."""
        if whole:
            self._written, self._size = "", 0
        self._size += len(text)
        if len(self._written) < 4_000:
            self._written += text[:4_000]
            if found := _TARGET.search(self._written):
                self.item.target = found[1].replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
        self.item.text = f"writing {self._size / 1000:.1f} KB" if self._size >= 1000 else "writing"

    def tell(self, text: str, whole: bool = False) -> None:
        """More output of the running call; or all of it so far."""
        if whole:
            self.progress.clear()
        lines = text[-KEPT_PROGRESS * 200 :].split("\n")
        if self.progress:
            lines[0] = self.progress.pop() + lines[0]
        self.progress.extend(line.rsplit("\r", 1)[-1][:KEPT_LINE] for line in lines)

    def last_line(self) -> str:
        """The last line of the output so far that says something."""
        return next((line for line in reversed(self.progress) if line.strip()), "")


class Draft:
    """Text that is still being written, in pieces of which only the last ones change."""

    def __init__(self, at: float) -> None:
        self.began = self.last = at
        self._parts: list[str] = []
        self._splitter = Splitter()
        self.pieces: list[Piece] = []
        self.codes = 0  # how many of them begin a block of code
        self.size = 0

    @property
    def text(self) -> str:
        """All of it so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def feed(self, text: str, at: float) -> list[Piece]:
        """Takes more TEXT; the pieces that are done. What goes beyond a draft's bound is seen when it is whole."""
        self.last = at
        if self.size > KEPT_DRAFT:
            return []
        self._parts.append(text)
        self.size += len(text)
        return self._splitter.feed(text)

    def tail(self) -> list[Piece]:
        """The pieces that may still change."""
        return self._splitter.tail()

    def end(self) -> list[Piece]:
        """Nothing follows: the pieces that were left."""
        return self._splitter.end()

"""The diff pane: every change since a moment, whoever made it, to be looked through, judged and talked about."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui.panes.rows import chrome
from workbench.tui.safe import content
from workbench.tui.view import Pane
from workbench.tui.widgets.difftree import DiffTree
from workbench.tui.widgets.diffview import SIDE_WIDTH, DiffView
from workbench.tui.widgets.diffview_judge import Judge
from workbench.tui.widgets.hunks import MODES, NOTHING, SINCE, Changeset
from workbench.tui.widgets.hunks_feed import Feed
from workbench.tui.widgets.hunks_glance import EVERY, Glance
from workbench.tui.widgets.hunks_kept import Keeper
from workbench.tui.widgets.hunks_review import Review
from workbench.tui.widgets.hunks_source import Source

_ROOMY = 16  # rows from which a blank one parts files and lines
EMPTY = "changes will show here, whoever makes them"


class DiffPane(Pane, Judge):
    """Files above, their hunks below. What was accepted or commented is the client's; the session is told by `C`."""

    pane_id: ClassVar[str] = "diff"
    title: ClassVar[str] = "diff"
    empty: ClassVar[str] = EMPTY

    DEFAULT_CSS = """
    DiffPane { height: 1fr; width: 1fr; }
    DiffPane > #diff-note { dock: bottom; height: 1; padding: 0 1; color: $text-muted; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.feed = Feed(self._client, self._run, self._told, self._looked_at)
        self._glance = Glance(self.feed, self._in_sight)
        self._mark: tuple[object, ...] = ()
        self._kind = ""  # what the footer was told last
        self._said = ""  # stands at the foot until the person does something else
        self._filled = self._saving = False
        self._keeper = Keeper()

    def compose(self) -> ComposeResult:
        """Lines first: they are what the focus comes to."""
        yield self.view
        yield self.tree_of_files
        yield Static(id="diff-note")

    def on_mount(self) -> None:
        """What is known by now; somebody waits for the rest."""
        self.redraw()
        self.feed.look()
        self.watch(self.app, "app_focus", self._back, init=False)
        self.set_interval(EVERY, self._look_round)

    def end(self) -> None:
        """Asks no more: another session would answer."""
        self.feed.end()

    # --- what the shell asks -------------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Shows at once what calls say that they changed; asks for the rest a moment later."""
        asks, fast = self.source.notice(news)
        self._look(state)
        if fast:
            self.redraw()
        if asks:
            self.feed.ask()

    def strip(self, state: SessionState) -> Content:
        """Lines and files that differ since the start."""
        self._look(state)
        changes = self.source.sets["start"]
        if not changes.files:
            return Content(f"diff: {EMPTY}")
        return Content(f"diff {_totals(changes)}")

    def filled(self, state: SessionState) -> bool:
        """Once a file differs."""
        self._look(state)
        return bool(self.source.sets["start"].files)

    def _look(self, state: SessionState) -> None:
        """Asks whenever the session has come a step further: a pane that is not on the screen gets no news."""
        if not state.session:  # none yet, or all is told anew: what was judged and written stays
            self.source.touch(None)
            self._mark = ()
            return
        if state.session != self._keeper.session:
            if self._keeper.session:
                self.feed.source, self.review, self._mark = Source(), Review(), ()
            self._keeper = Keeper(state.session)
            self._run(self._recall(self._keeper))
        self.state = state
        still = state.phase in ("idle", "ended")
        mark = (state.session, state.turns, still, max(state.files.values(), default=0))
        if mark != self._mark:
            self._mark = mark
            self.feed.ask()

    def naming(self) -> dict[str, str]:
        """What would be judged, by its kind, and what the lines are compared with next."""
        after = MODES[(MODES.index(self.source.since) + 1) % len(MODES)]
        named = {"diff_since": SINCE[after], "diff_comment": "comment"}
        if self.is_mounted and (kind := self.kind):
            named |= {"diff_accept": f"accept {kind}", "diff_revert": f"revert {kind}"}
        return named

    # --- a review outlives the screen ----------------------------------------------------------------------

    async def _recall(self, keeper: Keeper) -> None:
        kept = await asyncio.to_thread(keeper.load)
        if keeper is self._keeper:
            self.review = keeper.join(kept, self.review)
            self.redraw()

    def _keep(self) -> None:
        if not self._saving and self._keeper.changed(self.review):
            self._saving = True
            self._run(self._save())

    async def _save(self) -> None:
        keeper = self._keeper
        try:
            await asyncio.to_thread(keeper.save)
            while keeper is self._keeper and keeper.changed(self.review):
                await asyncio.to_thread(keeper.save)
        finally:
            self._saving = False

    async def keep_last(self) -> None:
        """The review is on the disk, as far as it can be: nobody will be here for the rest."""
        self._keeper.changed(self.review)
        await asyncio.to_thread(self._keeper.save)

    # --- asking the session --------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """In the app, which lives on while the pane is put away."""
        self.app.run_worker(work, group="diff", exit_on_error=False)

    def _looked_at(self) -> bool:
        return self.is_mounted and self.is_on_screen

    def _told(self) -> None:
        """Something is known that was not: draws it, here and around."""
        if self.is_mounted:
            self.redraw()
        if self.source.sets["start"].files and not self._filled:
            self._filled = True
            if (main := getattr(self.app, "main", None)) is not None:
                main.show_session(self.state, ())
                return
        chrome(self.app)

    def appears(self) -> None:
        """On the screen: lines were not read while nobody looked."""
        self.redraw()
        self.feed.read()

    def on_diff_view_wanted(self, event: DiffView.Wanted) -> None:
        """Lines that are looked at are read first."""
        event.stop()
        self.feed.wanted.update(event.paths)
        self.feed.read()

    def on_descendant_focus(self) -> None:
        """A person comes to look: what was changed by other programs shows, too."""
        self.feed.look()

    def _back(self, focused: bool) -> None:
        """A person comes back from another window, where they may have changed things."""
        if focused and self._looked_at():
            self.feed.look()

    def _look_round(self) -> None:
        if self.app.app_focus and self._looked_at() and self.state.session and self._glance.due:
            self._run(self._glance.take())

    @property
    def looks(self) -> str:
        """What a person sees here, for the others: the file at the cursor."""
        return self._in_sight()

    def show_what(self, what: str) -> None:
        """Goes to the file WHAT, where somebody else looks."""
        self.view.move_to_file(what)

    def _in_sight(self) -> str:
        file = self.view.page.file_at(self.view.cursor) if self.source.changes.files else None
        return file.path if file else ""

    # --- drawing -------------------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Draws what is known, where anyone can see it."""
        if not self.is_mounted:
            return
        if not self.is_on_screen:
            self.say(self._said)
            return
        changes = self.source.changes
        self.view.empty = self._why_empty()
        self.view.show(changes, self.review)
        self.tree_of_files.show(changes, self.review)
        self._size_tree()
        self.say(self._said)

    @property
    def _trouble(self) -> str:
        """Why the changes cannot be told; without a session nobody expects them."""
        return self.source.error if self.state.session else ""

    def _why_empty(self) -> tuple[str, ...]:
        source = self.source
        if self._trouble:
            return (self._trouble,)
        if source.since == "start":
            return (f"diff: {EMPTY}",)
        return (NOTHING[source.since],) if source.changes.known else ("reading…",)

    def _size_tree(self) -> None:
        rows = len(self.tree_of_files.nodes)
        room = self.size.height * 3 // 10
        self.tree_of_files.display = rows > 1 and room >= 2
        self.tree_of_files.styles.height = min(rows, max(2, room))
        self.tree_of_files.styles.margin = (0, 0, int(self.size.height >= _ROOMY), 0)

    def on_resize(self) -> None:
        """The tree keeps its share."""
        self._size_tree()

    def say(self, words: str = "") -> None:
        """WORDS at the foot, else what waits to be sent or cannot be told; and the title's share of it."""
        self._keep()
        self._said = words
        done, of = self.review.counts(self.source.changes.files)
        parts = [SINCE[self.source.since], _totals(self.source.changes)]
        if done:
            parts.insert(1, f"reviewed {done}/{of}")
        self.border_subtitle = " · ".join(part for part in parts if part)
        note = self.query_one("#diff-note", Static)
        words = words or self._waiting()
        note.display = bool(words)
        note.update(content(words))
        chrome(self.app)

    def _waiting(self) -> str:
        said, taken = len(self.review.comments), len(self.review.reverts)
        parts = [f"{said} comment{'s' * (said != 1)}"] * bool(said) + [f"{taken} taken back"] * bool(taken)
        if parts:
            return f"{', '.join(parts)}: C tells the agent"
        if self._trouble and self.source.changes.files:  # else it stands in the place of the lines
            return self._trouble
        return "; ".join(self.source.changes.notes)

    def on_diff_view_moved(self, event: DiffView.Moved) -> None:
        """The tree shows where the cursor is; what was about to be taken back elsewhere is off."""
        event.stop()
        file, tree = self.view.page.file_at(self.view.cursor), self.tree_of_files
        if file and not tree.has_focus:
            tree.point(file.path)
        if self.sure and self.sure != self.names(*self.judged()):
            self.sure = ()
            self.say()
        self._name_keys()

    def _name_keys(self) -> None:
        """The footer tells of a hunk, or of a file, as soon as that is what would be judged."""
        if self.kind != self._kind:
            self._kind = self.kind
            chrome(self.app)

    def on_diff_tree_chosen(self, event: DiffTree.Chosen) -> None:
        """The lines of the file chosen."""
        event.stop()
        self.view.move_to_file(event.path)
        if event.enter:
            self.view.focus()
        self._name_keys()

    def on_diff_view_act(self, event: DiffView.Act) -> None:
        """A word was clicked."""
        event.stop()
        self.do(event.action)

    # --- actions -------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        """The actions of the table whose `on` is diff."""
        self._said = ""
        if action not in ("diff_revert", "diff_revert_file"):
            self.sure = ()
        tree, view = self.tree_of_files, self.view
        in_tree = tree.has_focus
        moves: dict[str, Callable[[], object]] = {
            "diff_down": lambda: tree.step(1) if in_tree else view.step(1),
            "diff_up": lambda: tree.step(-1) if in_tree else view.step(-1),
            "diff_page_down": lambda: tree.step(tree.size.height) if in_tree else view.pages(1),
            "diff_page_up": lambda: tree.step(-tree.size.height) if in_tree else view.pages(-1),
            "diff_top": lambda: tree.step(-len(tree.nodes)) if in_tree else view.go(0),
            "diff_end": lambda: tree.step(len(tree.nodes)) if in_tree else view.go(-1),
            "diff_right": lambda: tree.enter() if in_tree else view.sideways(8),
            "diff_left": lambda: view.sideways(-8),
            "diff_fold": lambda: tree.enter() if in_tree else view.fold(),
            "diff_next_file": lambda: view.next_file(1),
            "diff_previous_file": lambda: view.next_file(-1),
            "diff_next": lambda: view.next_hunk(1),
            "diff_previous": lambda: view.next_hunk(-1),
            "diff_files": self._files,
            "diff_since": self._since,
            "diff_side": self._side,
            "diff_accept": self.accept,
            "diff_revert": lambda: self.revert(whole=False),
            "diff_revert_file": lambda: self.revert(whole=True),
            "diff_stage": self.stage,
            "diff_comment": self.comment,
            "diff_send": self.send,
            "diff_open": self._open,
        }
        if self.is_mounted and action in moves:
            moves[action]()

    def _files(self) -> None:
        tree = self.tree_of_files
        if not tree.has_focus and tree.display:
            tree.can_focus = True
            tree.focus()
        else:
            self.view.focus()

    def _since(self) -> None:
        self.source.since = MODES[(MODES.index(self.source.since) + 1) % len(MODES)]
        self.redraw()
        self.feed.read()
        self.feed.ask()

    def _side(self) -> None:
        self.view.wide = not self.view.wide
        self.view.show(self.source.changes, self.review)
        if self.view.wide and not self.view.side:
            self.say(f"side by side needs {SIDE_WIDTH} columns; z gives this pane the whole screen")
        else:
            self.say()

    # --- elsewhere -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        from workbench.tui.widgets.diffview_editor import open_at

        if far := getattr(getattr(self.app, "opener", None), "far", ""):
            self.say(f"this file lies on {far}; an editor opens it there")
        elif found := self.view.chosen():
            path = Path(self.state.workspace) / found[0].path
            words = open_at(cast(Any, self.app), os.environ, path, self.view.line_to_open())
            self.source.touch((found[0].path,))
            self.feed.ask()
            self.say(words)


def _totals(changes: Changeset) -> str:
    """`+18 −6 · 2 files`; empty where nothing differs."""
    files = len(changes.files)
    if not files:
        return ""
    return f"+{changes.added:,} −{changes.removed:,} · {files:,} file{'s' * (files != 1)}"

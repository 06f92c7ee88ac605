"""The diff pane: every change since a moment, whoever made it, to be looked through, judged and talked about."""

import itertools
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

from textual._context import NoActiveAppError
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.host.client import Client
from workbench.protocol import commands as c
from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui.panes.rows import chrome
from workbench.tui.safe import content
from workbench.tui.view import Pane
from workbench.tui.widgets.difftree import DiffTree
from workbench.tui.widgets.diffview import SIDE_WIDTH, DiffView
from workbench.tui.widgets.diffview_comment import CommentLine
from workbench.tui.widgets.hunks import MODES, NOTHING, SINCE, Changeset, DiffFile, Laid
from workbench.tui.widgets.hunks_feed import Feed
from workbench.tui.widgets.hunks_review import Comment, Review, Taken, place
from workbench.tui.widgets.hunks_source import Source

EMPTY = "changes will show here, whoever makes them"
_ids = (f"diff-{number}" for number in itertools.count(1))


class DiffPane(Pane, Vertical):
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
        self.review = Review()
        self.feed = Feed(self._client, self._run, self._told, self._looked_at)
        self.view, self.tree_of_files = DiffView(), DiffTree()
        self._state = SessionState()
        self._mark: tuple[object, ...] = ()
        self._sure: tuple[str, ...] = ()  # what the next press of the same key takes back
        self._filled = False

    def compose(self) -> ComposeResult:
        """Lines first: they are what the focus comes to."""
        yield self.view
        yield self.tree_of_files
        yield Static(id="diff-note")

    def on_mount(self) -> None:
        """What is known by now."""
        self.redraw()

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
        if state.session != self._state.session and self._state.session:
            self.feed.source, self.review, self._mark = Source(), Review(), ()
        self._state = state
        still = state.phase in ("idle", "ended")
        mark = (state.session, state.turns, still, max(state.files.values(), default=0))
        if state.session and mark != self._mark:
            self._mark = mark
            self.feed.ask()

    # --- asking the session --------------------------------------------------------------------------------

    @property
    def source(self) -> Source:
        """What is known of the changes."""
        return self.feed.source

    def _client(self) -> Client | None:
        try:
            return getattr(self.app, "client", None)
        except NoActiveAppError:
            return None

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
                main.show_session(self._state, ())
                return
        chrome(self.app)

    def on_show(self) -> None:
        """On the screen again: lines were not read while nobody looked."""
        self.redraw()
        self.feed.read()

    def on_diff_view_wanted(self, event: DiffView.Wanted) -> None:
        """Lines that are looked at are read first."""
        event.stop()
        self.feed.wanted.update(event.paths)
        self.feed.read()

    def on_descendant_focus(self) -> None:
        """A person comes to look: what was changed by other programs shows, too."""
        self.source.touch(None)
        self.feed.ask()

    # --- drawing -------------------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Draws what is known."""
        if not self.is_mounted:
            return
        changes = self.source.changes
        self.view.empty = self._why_empty()
        self.view.show(changes, self.review)
        self.tree_of_files.show(changes, self.review)
        self._size_tree()
        self._say()

    def _why_empty(self) -> tuple[str, ...]:
        source = self.source
        if source.error:
            return (source.error,)
        if source.since == "start":
            return (f"diff: {EMPTY}",)
        return (NOTHING[source.since],) if source.changes.known else ("reading…",)

    def _size_tree(self) -> None:
        rows = len(self.tree_of_files.nodes)
        room = self.size.height * 3 // 10
        self.tree_of_files.display = rows > 1 and room >= 2
        self.tree_of_files.styles.height = min(rows, max(2, room))

    def on_resize(self) -> None:
        """The tree keeps its share."""
        self._size_tree()

    def _say(self, words: str = "") -> None:
        """WORDS at the foot, else what waits to be sent or cannot be told; and the title's share of it."""
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
        if self.source.error:
            return self.source.error
        return "; ".join(self.source.changes.notes)

    def on_diff_view_moved(self, event: DiffView.Moved) -> None:
        """The tree shows where the cursor is; what was about to be taken back elsewhere is off."""
        event.stop()
        file, tree = self.view.page.file_at(self.view.cursor), self.tree_of_files
        if file and not tree.has_focus:
            tree.point(file.path)
        if self._sure and self._sure != self._names(*self._chosen()):
            self._sure = ()
            self._say()

    def on_diff_tree_chosen(self, event: DiffTree.Chosen) -> None:
        """The lines of the file chosen."""
        event.stop()
        self.view.move_to_file(event.path)
        if event.enter:
            self.view.focus()

    def on_diff_view_act(self, event: DiffView.Act) -> None:
        """A word was clicked."""
        event.stop()
        self.do(event.action)

    # --- actions -------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        """The actions of the table whose `on` is diff."""
        if action not in ("diff_revert", "diff_revert_file"):
            self._sure = ()
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
            "diff_accept": self._accept,
            "diff_revert": lambda: self._revert(whole=False),
            "diff_revert_file": lambda: self._revert(whole=True),
            "diff_stage": self._stage,
            "diff_comment": self._comment,
            "diff_send": self._send,
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
            self._say(f"side by side needs {SIDE_WIDTH} columns; z gives this pane the whole screen")
        else:
            self._say()

    def _chosen(self) -> tuple[list[DiffFile], Laid | None]:
        """What an action is about: the hunk at the cursor, else the file or the folder."""
        if self.tree_of_files.has_focus and (node := self.tree_of_files.chosen):
            return list(node.files), None
        found = self.view.chosen()
        return ([found[0]], found[1]) if found else ([], None)

    def _names(self, files: Sequence[DiffFile], laid: Laid | None) -> tuple[str, ...]:
        return (laid.digest,) if laid else tuple(file.path for file in files)

    def _accept(self) -> None:
        files, laid = self._chosen()
        digests = [laid.digest] if laid else [one.digest for file in files for one in file.hunks]
        if not digests:
            return
        accepted = self.review.toggle(digests)
        self.view.show(self.source.changes, self.review)
        self.tree_of_files.show(self.source.changes, self.review)
        if accepted and laid:
            self.view.next_hunk(1, skip=self.review.accepted)
        self._say()

    def _revert(self, whole: bool) -> None:
        """Takes changes back, once the same key was pressed again: nothing else can bring them back."""
        files, laid = self._chosen()
        if whole or not files:
            laid = None
        if not files:
            return
        what = self._names(files, laid)
        if what != self._sure:
            self._sure = what
            self._say(f"{'X' if whole else 'x'} again takes back {_what(files, laid)}")
            return
        self._sure = ()
        for file in files:
            hunks = (laid.digest,) if laid else ()
            command = c.RevertHunks(
                id=next(_ids), path=file.path, since=self.source.since, hunks=hunks, by=self._person()
            )
            self._command(command, self._reverted(file, laid))

    def _reverted(self, file: DiffFile, laid: Laid | None) -> Callable[[], None]:
        if laid:
            row = laid.rows[laid.first_change]
            taken = Taken(file.path, row.new or row.old, laid.added, laid.removed, laid.hunk.lines)
        else:
            taken = Taken(file.path, 0, file.added or 0, file.removed or 0)

        def done() -> None:
            self.review.reverts.append(taken)
            self.source.touch((file.path,))
            self.feed.ask()
            self._say()

        return done

    def _stage(self) -> None:
        files, laid = self._chosen()
        for file in files:
            digests = (laid.digest,) if laid else ()
            command = c.StageHunks(id=next(_ids), path=file.path, hunks=digests, by=self._person())
            marks = digests or tuple(one.digest for one in file.hunks)
            self._command(command, self._staged(marks))

    def _staged(self, digests: Iterable[str]) -> Callable[[], None]:
        def done() -> None:
            self.review.staged |= set(digests)
            self.redraw()

        return done

    # --- words for the agent -------------------------------------------------------------------------------

    def _comment(self) -> None:
        """Opens the line to write on, with what was said about this line before."""
        files, laid = self._chosen()
        if not files:
            return
        self.view.focus()
        row, line, quote = self.view.line() if laid else (-1, 0, "")
        about = Comment(files[0].path, line, quote, "", laid.digest if laid else "", row)
        old = self.review.at(about.path, about.digest, row)

        def keep(text: str | None) -> None:
            if text is not None:
                self.review.put(replace(about, text=text))
                self.redraw()

        words = place(about.path, about.line)
        self.app.push_screen(CommentLine(words, old.text if old else "", self.view.below_cursor), keep)

    def _send(self) -> None:
        if message := self.review.message():
            command = c.SubmitPrompt(id=next(_ids), text=message, by=self._person())
            self._command(command, self._sent)
        else:
            self._say("nothing to send: c comments on a line")

    def _sent(self) -> None:
        self.review.sent()
        self.redraw()

    # --- elsewhere -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        from workbench.tui.widgets.diffview_editor import open_at

        if found := self.view.chosen():
            path = Path(self._state.workspace) / found[0].path
            words = open_at(cast(Any, self.app), os.environ, path, self.view.line_to_open())
            self.source.touch((found[0].path,))
            self.feed.ask()
            self._say(words)

    def _person(self) -> str:
        return getattr(getattr(self.app, "opener", None), "user", "") or self._state.user

    def _command(self, command: c.AnyCommand, done: Callable[[], None]) -> None:
        """Sends COMMAND; DONE is called when it was taken, and why it was not is told."""

        async def send() -> None:
            client = self._client()
            if client is None:
                self._say("there is no session that could do it")
                return
            try:
                ack = await client.send(command)
            except Exception as error:
                self._say(f"it could not be sent: {error or type(error).__name__}")
                return
            if ack.ok:
                done()
            else:
                self._say(ack.error)

        self.run_worker(send(), group="diff-commands", exit_on_error=False)


def _totals(changes: Changeset) -> str:
    """`+18 −6 · 2 files`; empty where nothing differs."""
    files = len(changes.files)
    if not files:
        return ""
    return f"+{changes.added:,} −{changes.removed:,} · {files:,} file{'s' * (files != 1)}"


def _what(files: Sequence[DiffFile], laid: Laid | None) -> str:
    if laid:
        return f"this hunk (+{laid.added} −{laid.removed})"
    if len(files) == 1:
        return f"all changes of {files[0].path}"
    return f"all changes of {len(files)} files"

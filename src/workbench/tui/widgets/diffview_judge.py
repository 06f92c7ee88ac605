"""What a person does about changes: accepts, takes back, stages, comments, and tells the agent of it."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from textual._context import NoActiveAppError
from textual.containers import Vertical

from workbench.host.client import Client
from workbench.protocol import commands as c
from workbench.protocol.state import SessionState
from workbench.protocol.words import counted
from workbench.tui.people import PROMPTS
from workbench.tui.widgets.difftree import DiffTree
from workbench.tui.widgets.diffview import DiffView
from workbench.tui.widgets.diffview_comment import CommentLine
from workbench.tui.widgets.hunks import DiffFile, Laid
from workbench.tui.widgets.hunks_feed import Feed
from workbench.tui.widgets.hunks_review import Comment, Review, Taken, place
from workbench.tui.widgets.hunks_source import Source

_ids = (f"diff-{number}" for number in itertools.count(1))


class Judge(Vertical):
    """Holds the lines, the files and the review; a pane made of it feeds them and says things at its foot."""

    feed: Feed

    def __init__(self) -> None:
        super().__init__()
        self.review = Review()
        self.view, self.tree_of_files = DiffView(), DiffTree()
        self.state = SessionState()
        self.sure: tuple[str, ...] = ()  # what the next press of the same key takes back

    def redraw(self) -> None:
        """Draws what is known."""

    def say(self, words: str = "") -> None:
        """Shows WORDS at the foot."""

    @property
    def source(self) -> Source:
        """What is known of the changes."""
        return self.feed.source

    def _client(self) -> Client | None:
        try:
            return getattr(self.app, "client", None)
        except NoActiveAppError:
            return None

    # --- one hunk, one file, one folder --------------------------------------------------------------------

    def judged(self) -> tuple[list[DiffFile], Laid | None]:
        """What an action is about: the hunk at the cursor, else the file or the folder."""
        if self.tree_of_files.has_focus and (node := self.tree_of_files.chosen):
            return list(node.files), None
        found = self.view.chosen()
        return ([found[0]], found[1]) if found else ([], None)

    @property
    def kind(self) -> str:
        """Of what sort that is: hunk, file, or files; empty where there is nothing."""
        files, laid = self.judged()
        return "hunk" if laid else "files" if len(files) > 1 else "file" if files else ""

    def names(self, files: Sequence[DiffFile], laid: Laid | None) -> tuple[str, ...]:
        """What was judged, by name: to be asked about again only while it is the same."""
        return (laid.digest,) if laid else tuple(file.path for file in files)

    def accept(self) -> None:
        """Marks as looked at, or no longer; goes on to the next hunk that is not."""
        files, laid = self.judged()
        digests = [laid.digest] if laid else [one.digest for file in files for one in file.hunks]
        if not digests:
            return
        accepted = self.review.toggle(digests)
        self.view.show(self.source.changes, self.review)
        self.tree_of_files.show(self.source.changes, self.review)
        if accepted and laid:
            self.view.next_hunk(1, skip=self.review.accepted)
        self.say()

    def revert(self, whole: bool) -> None:
        """Takes changes back once it is asked for twice: nothing can bring them again."""
        files, laid = self.judged()
        if not files:
            return
        laid = None if whole else laid
        what = self.names(files, laid)
        if what != self.sure:
            self.sure = what
            self.say(f"{'X' if whole else 'x'} again takes back {_what(files, laid)}")
            return
        self.sure = ()
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
            self.say()

        return done

    def stage(self) -> None:
        """Puts changes into git's index."""
        files, laid = self.judged()
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

    def comment(self) -> None:
        """Opens the line to write on, with what was said about this line before."""
        files, laid = self.judged()
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

    def send(self) -> None:
        """Tells the agent all comments, and what was taken back, as one message."""
        if message := self.review.message():
            command: c.AnyCommand = c.SubmitPrompt(id=next(_ids), text=message, by=self._person())
            if getattr(getattr(self.app, "people", None), "enter", PROMPTS) != PROMPTS:  # another one drives
                paths = {one.path for one in self.review.comments}
                path = next(iter(paths)) if len(paths) == 1 else ""
                command = c.Suggest(id=next(_ids), text=message, path=path, by=self._person())
            told: tuple[Comment | Taken, ...] = (*self.review.comments, *self.review.reverts)
            self._command(command, lambda: self._sent(told))
        else:
            self.say("nothing to send: c comments on a line")

    def _sent(self, told: Sequence[Comment | Taken]) -> None:
        self.review.sent(told)
        self.redraw()

    # --- to the session ------------------------------------------------------------------------------------

    def _person(self) -> str:
        return getattr(getattr(self.app, "opener", None), "user", "") or self.state.user

    def _command(self, command: c.AnyCommand, done: Callable[[], None]) -> None:
        """Sends COMMAND; DONE is called when it was taken, and why it was not is told."""

        async def send() -> None:
            client = self._client()
            if client is None:
                self.say("there is no session that could do it")
                return
            try:
                ack = await client.send(command)
            except Exception as error:
                self.say(f"it could not be sent: {error or type(error).__name__}")
                return
            if ack.ok:
                done()
            else:
                self.say(ack.error)

        self.run_worker(send(), group="diff-commands", exit_on_error=False)


def _what(files: Sequence[DiffFile], laid: Laid | None) -> str:
    if laid:
        return f"this hunk (+{laid.added} −{laid.removed})"
    if len(files) == 1:
        return f"all changes of {files[0].path}"
    return f"all changes of {counted(len(files), 'file')}"

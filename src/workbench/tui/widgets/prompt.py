"""The prompt: what a person says to the agent, and what the agent needs a person for."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from workbench.protocol import events as e
from workbench.protocol.commands import Interrupt, RunShell
from workbench.protocol.fold import PLACES
from workbench.protocol.state import SessionState
from workbench.tui import references
from workbench.tui.people import WATCHES
from workbench.tui.safe import content
from workbench.tui.view import View
from workbench.tui.widgets import slash
from workbench.tui.widgets.attachments import Attachments
from workbench.tui.widgets.completion import Completion
from workbench.tui.widgets.completion_source import Completing
from workbench.tui.widgets.history import Entry
from workbench.tui.widgets.prompt_cards import Cards
from workbench.tui.widgets.prompt_earlier import Earlier
from workbench.tui.widgets.prompt_editor import Editor
from workbench.tui.widgets.prompt_sending import STILL, Outbox, Queued
from workbench.tui.widgets.prompt_waiting import Waiting, last_line
from workbench.tui.widgets.stand_in import HINTS, PLACEHOLDER
from workbench.tui.widgets.suggestions import Suggestions

_ELSEWHERE = {  # keys that the prompt has no use for, and what they do
    "pageup": "page_up", "pagedown": "page_down", "ctrl+home": "to_start", "ctrl+end": "to_end",
    "ctrl+f": "search", "ctrl+z": "suspend",
}  # fmt: skip
_HUGE = 400_000  # characters; a prompt as long as that is sent when asked for twice
_EDITABLE = 50_000  # characters; longer text comes back as a chip


class Prompt(View, Vertical):
    """An editor, with a card above it for what waits for a person. Constructed without arguments, found as #prompt."""

    DEFAULT_CSS = """
    Prompt {
        height: auto;
        #entry { height: auto; }
        #mark { width: 3; padding-left: 1; color: $agent; text-style: bold; }
        #mark.-shell { color: $warning; }
        #entry Editor { width: 1fr; padding-right: 1; }
        #told { height: auto; max-height: 3; padding-left: 3; color: $muted; display: none; }
        #told.-error { color: $error; }
    }
    """
    PLACEHOLDER: ClassVar[str] = PLACEHOLDER

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.editor = Editor(placeholder=self.PLACEHOLDER, hints=HINTS)
        self.completing = Completing(self, self.editor)
        self.earlier = Earlier(self.editor)
        self._state = SessionState()
        self._outbox = Outbox(self)
        self.cards = Cards(self.editor, self._outbox)
        self._confirmed = ""  # the huge prompt that enter was pressed for once
        self._told: str | None = None  # what was typed when something was told
        self._shells: list[str] = []  # commands of one's own that run
        self._printed = ""  # the last line that one of them has printed
        self._waiting, self._suggestions = Waiting(), Suggestions()

    def compose(self) -> ComposeResult:
        """Cards, lines that show when they have something to say, the list of completions, and the editor."""
        yield self.cards
        yield self._waiting
        yield self._suggestions
        yield Static(id="told")
        yield self.completing.popup
        with Horizontal(id="entry"):
            yield Static("›", id="mark")
            yield self.editor

    def on_mount(self) -> None:
        """Earlier prompts are read beside the first frame."""
        self.editor.on_key_first, self.editor.on_submit, self.editor.on_leave = self._key, self._submit, self._leave
        self.run_worker(self.earlier.load(), exit_on_error=False)

    # --- for the rest of the screen ------------------------------------------------------------------------

    def focus(self, scroll_visible: bool = True, from_app_focus: bool = False) -> "Prompt":
        """Puts the cursor where a person goes on: into the open field of a card, or into the editor."""
        if focus_field := self.cards.field:
            focus_field()
        else:
            self.editor.focus(scroll_visible=False)
        return self

    @property
    def text(self) -> str:
        """What is typed and not sent."""
        return self.editor.text

    def put(self, text: str) -> None:
        """TEXT in place of what is typed, for a person to go on with: a prompt that was rewound, a reference."""
        attachments = Attachments()
        self.editor.set_text(attachments.add_paste(text) if len(text) > _EDITABLE else text, attachments)

    def tell(self, text: str, error: bool = False) -> None:
        """One line above the editor, until something is typed."""
        self._told = self.editor.text if text else None
        told = self.query_one("#told", Static)
        told.display = bool(text)
        told.set_class(error, "-error")
        told.update(content(text, newlines=True))

    # --- what the session says -----------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[e.Envelope]) -> None:
        """Cards for what waits, lines for what is queued."""
        if self._state.session and not state.session:  # all is told anew: what is being written here stays
            return
        if state is not self._state:
            self._catch_up(state)
        self._state = state
        self.editor.folder = state.workspace
        for envelope in news:
            if isinstance(envelope.event, e.PromptWithdrawn) and (words := self._outbox.withdrawn(envelope.event)):
                self.tell(words)
            elif isinstance(envelope.event, e.ShellRan):
                self._shell_ended(envelope.event.command)
            elif isinstance(envelope.event, e.CallProgress) and self._outbox.sent(envelope.event.call_id):
                self._printed = last_line(envelope.event.text) or self._printed
            elif isinstance(envelope.event, e.SessionEnded):
                self._ended()
        self.editor.set_hints(HINTS if state.phase in STILL else f"esc stops · {HINTS}")
        self.cards.show(state, news)
        self._show_queue()
        people = self._outbox.people
        self._suggestions.show(tuple(state.suggestions.values()), people.hint() if people else "")
        self.editor.usually(people.invitation() if people else "", shell=people is None or people.owner)
        self.cards.arm()

    def _catch_up(self, state: SessionState) -> None:
        """STATE is not what news led to: one's own commands may have ended without a word."""
        before = (self._state.seq + 1) * PLACES
        for item in state.items if self._shells else ():
            if item.kind == "shell" and item.id >= before:
                self._shell_ended(item.target)

    def _ended(self) -> None:
        if self._waiting.queued:
            kept = "what is queued goes with your next prompt, once the session is taken up again"
            gone = "the session ended before it took what was queued; ↑ brings it back"
            self.tell(kept if self._state.queued else gone)
        self._shells.clear()

    def _show_queue(self) -> None:
        queued, hint = self._outbox.lines(self._state)
        self._waiting.show(self._shells, queued, self._printed, hint)

    def _take_back(self) -> bool:
        """Brings the newest queued prompt back into the empty editor; whether there is one."""
        if not (self.editor.empty and self._state.session and self._outbox.takes_back(self._state)):
            return False
        self.run_worker(self._taken_back(), group="take back", exclusive=True, exit_on_error=False)
        return True

    async def _taken_back(self) -> None:
        words, error = await self._outbox.take_back(self._state)
        if words is None:
            self.tell(error)
        elif self.editor.empty:
            self.editor.set_text(words.typed, words.attachments)
            without = ", without its pictures" if words.pictures else ""
            self.tell(f"taken back{without}: enter queues it again, ctrl+c drops it")
        else:  # something was typed meanwhile
            self.editor.write(f"{words.text}\n")
        self._show_queue()

    @on(Waiting.Pressed)
    def _queue_clicked(self, event: Waiting.Pressed) -> None:
        event.stop()
        self.editor.focus(scroll_visible=False)
        self._take_back()

    @on(Cards.Told)
    def _card_told(self, event: Cards.Told) -> None:
        self.tell(event.text, event.error)

    @on(Cards.Replied)
    def _replied(self, event: Cards.Replied) -> None:
        self._send_prompt(Queued(event.text, event.text))

    def on_descendant_focus(self) -> None:
        """The cards answer to the keys of the editor."""
        self.cards.arm()

    def on_descendant_blur(self) -> None:
        """Keys go elsewhere."""
        self.completing.close()
        self.cards.arm()

    # --- keys ----------------------------------------------------------------------------------------------

    def _key(self, event: events.Key) -> bool:
        """What a key of the editor does before it edits: completes, answers a card, clears."""
        if self.completing.key(event.key, allowed=not self.earlier.walking):
            return True
        if self.cards.key(event) or self._passes(event.key):
            return True
        return (event.key == "ctrl+c" and self._clear()) or (event.key == "escape" and self.stop_shells())

    def _passes(self, key: str) -> bool:
        """Hands KEY on where it does nothing to what is typed: pages unless that is longer than the editor shows,
        ctrl+z where there is nothing to undo. Whether it did.
        """
        editor, action = self.editor, _ELSEWHERE.get(key)
        used = {
            "pageup": editor.virtual_size.height > editor.size.height,
            "pagedown": editor.virtual_size.height > editor.size.height,
            "ctrl+z": not editor.empty,
        }
        if action is None or used.get(key) or (do := getattr(self.app, "do", None)) is None:
            return False
        do(action)
        return True

    def _clear(self) -> bool:
        """Empties the editor, which undo takes back; whether there was something."""
        if self.editor.empty or self.editor.selected_text:
            return False
        self.editor.history.checkpoint()
        self.editor.clear()
        return True

    @on(Editor.Changed)
    def _changed(self, event: Editor.Changed) -> None:
        if event.text_area is not self.editor:
            return
        event.stop()
        text = self.editor.text
        self.earlier.typed(text)
        if self._told is not None and text != self._told:
            self.tell("")
        self.query_one("#mark", Static).set_class(text.startswith("!"), "-shell")
        self.cards.typed()
        if text and (people := self._outbox.people):
            people.touched(typed=True)
        self.completing.update(allowed=not self.earlier.walking)

    @on(Editor.SelectionChanged)
    def _moved(self, event: Editor.SelectionChanged) -> None:
        if event.text_area is self.editor:
            self.completing.update(allowed=not self.earlier.walking)

    @on(Completion.Taken)
    def _row_clicked(self, event: Completion.Taken) -> None:
        event.stop()
        self.completing.take()
        self.editor.focus(scroll_visible=False)

    @on(Editor.Told)
    def _editor_told(self, event: Editor.Told) -> None:
        self.tell(event.text, error=True)

    def _leave(self, up: bool) -> None:
        """Up and down beyond the text walk through earlier prompts."""
        if self.earlier.under_way or (up and not self._take_back()):
            self.earlier.step(up)

    # --- sending -------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        self.completing.close()
        typed, text = self.editor.text, self.editor.sendable()
        if not text.strip():
            return
        if len(text) > _HUGE and self._confirmed != typed:
            self._confirmed = typed
            self.tell(f"this prompt has about {len(text) / 4e6:.1f} M tokens; enter again sends it all the same")
            return
        if typed.startswith("!"):
            self._run_shell(typed, text[1:].strip())
        elif command := slash.parse(typed):
            self._run_slash(typed, *command)
        elif references.typed(typed) and (do := getattr(self.app, "do", None)):
            self._emptied(typed)
            do("open_reference", typed.strip())
        elif question := self.cards.open_question:
            self._emptied(typed)
            question.answer(text.strip())
        else:
            self._speak(Queued(typed, text.strip(), self.editor.attachments))

    def _speak(self, words: Queued) -> None:
        """To the agent; where another drives, to that one, if this one may."""
        people = self._outbox.people
        watches = people is not None and people.enter == WATCHES
        self.tell(people.invitation()) if people and watches else self._send_prompt(words)

    def _run_slash(self, typed: str, name: str, words: str) -> None:
        command = slash.find(name)
        if command is None:
            self.tell(f"there is no /{name}; the nearest is /{slash.nearest(name).name}", error=True)
            return
        do = getattr(self.app, "do", None)
        if do is None:
            self.tell(f"/{name} cannot be carried out here", error=True)
            return
        self._emptied(typed)
        do(command.action, words)

    def _run_shell(self, typed: str, command: str) -> None:
        if command:
            attachments = self._emptied(typed)
            self._follow()
            self.run_worker(self._send_shell(typed, command, attachments), exit_on_error=False)

    async def _send_shell(self, typed: str, command: str, attachments: Attachments) -> None:
        self._printed = ""
        self._shells.append(command)
        self._show_queue()
        if error := await self._outbox.send(lambda id_, by: RunShell(id=id_, command=command, by=by)):
            self._shell_ended(command)
            self._put_back(typed, attachments, error)
            self._show_queue()

    def _shell_ended(self, command: str) -> None:
        if command in self._shells:
            self._shells.remove(command)

    def stop_shells(self) -> bool:
        """Stops one's own commands while the agent is still; whether there are any. While it works, Esc stops all."""
        if not self._shells or self._state.phase not in STILL:
            return False
        self.run_worker(self._outbox.send(lambda id_, by: Interrupt(id=id_, by=by)), exit_on_error=False)
        return True

    def _send_prompt(self, words: Queued) -> None:
        self._emptied(words.typed)
        self._follow()
        self.run_worker(self._deliver(words), exit_on_error=False)

    async def _deliver(self, words: Queued) -> None:
        sending = self._outbox.prompt(words)
        self.call_later(self._show_queue)
        if error := await sending:
            self._put_back(words.typed, words.attachments, error)
            self._show_queue()

    def _emptied(self, typed: str) -> Attachments:
        """Empties the editor of TYPED, which is on its way; its attachments, in case it comes back."""
        attachments = self.editor.attachments
        self._remember(typed)
        self.editor.set_text("")
        self.tell("")
        return attachments

    def _follow(self) -> None:
        """Whoever says something wants to see what comes of it, however far they had scrolled away."""
        if (do := getattr(self.app, "do", None)) is not None:
            do("to_end")

    def _put_back(self, typed: str, attachments: Attachments, error: str) -> None:
        if self.editor.empty:
            self.editor.set_text(typed, attachments)
        self.tell(error, error=True)

    def _remember(self, typed: str) -> None:
        if entry := self.earlier.remember(typed):
            self.run_worker(self._save(entry), exit_on_error=False)

    async def _save(self, entry: Entry) -> None:
        if problem := await self.earlier.save(entry):
            self.tell(problem)

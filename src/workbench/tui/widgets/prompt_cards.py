"""The cards above the prompt: calls that wait for a person, and questions. Mounted when first needed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from textual import events, on
from textual.containers import Vertical
from textual.message import Message

from workbench.protocol import events as e
from workbench.protocol.commands import Approve
from workbench.protocol.state import PendingApproval, SessionState
from workbench.tui.people import PROMPTS
from workbench.tui.widgets.approval import ApprovalCard
from workbench.tui.widgets.approval_words import DECIDED
from workbench.tui.widgets.prompt_editor import Editor
from workbench.tui.widgets.prompt_sending import Outbox
from workbench.tui.widgets.question import QuestionCard


class Cards(Vertical):
    """Shows the oldest call that waits, else the question that an idle session left. The editor keeps the focus."""

    DEFAULT_CSS = """
    Cards { height: auto; }
    """

    class Told(Message):
        """Something to say in one line."""

        def __init__(self, text: str, error: bool = False) -> None:
            super().__init__()
            self.text = text
            self.error = error

    class Replied(Message):
        """A person's answer to the agent's questions, in words."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, editor: Editor, outbox: Outbox) -> None:
        super().__init__()
        self._editor, self._outbox = editor, outbox
        self.approval: ApprovalCard | None = None
        self.question: QuestionCard | None = None
        self._state = SessionState()
        self._whole: dict[str, PendingApproval] = {}  # as asked, before the state cut them
        self._answered: set[str] = set()  # requests that were answered here and are not yet resolved
        self._shown: set[str] = set()  # requests that were seen to wait; how others ended is no news
        self._insisted = False  # tab was pressed: keys answer though something is typed

    def show(self, state: SessionState, news: Sequence[e.Envelope]) -> None:
        """What waits in STATE after NEWS."""
        self._state = state
        for envelope in news:
            if isinstance(envelope.event, e.ApprovalRequested):
                self._whole[envelope.event.request_id] = _pending(envelope.event)
            elif isinstance(envelope.event, e.ApprovalResolved):
                self._resolved(envelope.event)
        self._refresh()

    def _resolved(self, event: e.ApprovalResolved) -> None:
        asked = self._whole.get(event.request_id)
        if event.request_id in self._answered:
            self._answered.discard(event.request_id)
            return
        if event.request_id not in self._shown:
            return
        by = f" by {event.by}" if event.by and event.decision != "gone" else ""
        words = DECIDED.get(event.decision, event.decision)
        self.post_message(self.Told(f"{asked.tool if asked else 'the call'}: {words}{by}"))

    def _refresh(self) -> None:
        waiting = [one for one in self._state.approvals.values() if one.request_id not in self._answered]
        self._shown = set(self._state.approvals)
        self._whole = {key: one for key, one in self._whole.items() if key in self._state.approvals}
        if waiting and self.approval is None:
            self.approval = ApprovalCard()
            self.mount(self.approval)
        if self.approval:
            first = self._whole.get(waiting[0].request_id, waiting[0]) if waiting else None
            place = f"1 of {len(waiting)}" if len(waiting) > 1 else ""
            self.approval.display = bool(waiting)
            self.approval.ask(first, _short((first and first.cwd) or self._state.workspace), place)
        unanswered = _unanswered(self._state)
        asked = not waiting and self._state.phase == "idle" and unanswered
        if asked and self.question is None:
            self.question = QuestionCard()
            self.mount(self.question)
        if self.question:
            if asked or not unanswered:
                self.question.ask(self._state.questions if asked else ())
            self.question.display = asked and not self.question.answered  # what could not be sent stands at the prompt
        self.arm()

    def typed(self) -> None:
        """The editor's text has changed: whoever types does not answer."""
        self._insisted = False
        self.arm()

    def arm(self) -> None:
        """Keys answer while the editor has the focus and is empty, or after tab; the placeholder says so."""
        here = self._editor.has_focus
        self._insisted = self._insisted and here
        if (people := self._outbox.people) is not None and self.approval:
            another = people.presence.driver or "nobody"
            self.approval.yields(another if people.enter != PROMPTS else "", not people.owner)
        if (card := self._open_approval) and not card.editing:
            card.arm(here and (self._editor.empty or self._insisted), here)
        self._editor.invite("or type on: words go to the agent" if self._open_approval else
                            "or answer in words of your own" if self.open_question else "")  # fmt: skip

    def _insist(self) -> None:
        self._insisted = True
        self.arm()

    @property
    def _open_approval(self) -> ApprovalCard | None:
        return self.approval if self.approval and self.approval.display else None

    @property
    def open_question(self) -> QuestionCard | None:
        """The question that shows."""
        return self.question if self.question and self.question.display and not self.question.answered else None

    @property
    def field(self) -> Callable[[], None] | None:
        """Puts the cursor into a card's open field, where there is one."""
        card = self._open_approval
        return card.focus_field if card and card.editing else None

    # --- keys of the editor --------------------------------------------------------------------------------

    def key(self, event: events.Key) -> bool:
        """Takes a key of the editor if it is a card's."""
        if card := self._open_approval:
            return self._approval_key(card, event)
        return bool(self.open_question and self._editor.empty and self.open_question.key(event))

    def _approval_key(self, card: ApprovalCard, event: events.Key) -> bool:
        if card.armed:
            return self._armed_key(card, event)
        if event.key == "tab":
            self._insist()
            return True
        return event.key == "enter" and self._meant_for(card)

    def _meant_for(self, card: ApprovalCard) -> bool:
        """Whether what is typed is nothing but an answer's letter, which came too fast to be one: it is not sent."""
        letter = self._editor.text.strip()
        if letter not in card.answers:
            return False
        self._editor.set_text("")
        self.post_message(self.Told(f"{letter} was neither sent nor taken: it came too fast; once more answers"))
        return True

    def _armed_key(self, card: ApprovalCard, event: events.Key) -> bool:
        if card.key(event) or event.key == "enter":
            return True
        self._insisted = self._insisted and card.armed
        if card.typed:
            self._editor.write(card.typed)
        return False

    # --- answers -------------------------------------------------------------------------------------------

    @on(ApprovalCard.Closed)
    def _field_closed(self, event: ApprovalCard.Closed) -> None:
        event.stop()
        self._editor.focus(scroll_visible=False)
        self.arm()

    @on(ApprovalCard.Wanted)
    def _wanted(self, event: ApprovalCard.Wanted) -> None:
        event.stop()
        self._editor.focus(scroll_visible=False)
        self.call_after_refresh(self._insist)

    @on(ApprovalCard.Answered)
    def _approve(self, event: ApprovalCard.Answered) -> None:
        event.stop()
        self._answered.add(event.request.request_id)
        self._refresh()
        self.run_worker(self._send(event), exit_on_error=False)

    async def _send(self, event: ApprovalCard.Answered) -> None:
        request = event.request
        error = await self._outbox.send(
            lambda id_, by: Approve(
                id=id_, request_id=request.request_id, digest=request.digest, decision=event.decision, by=by,
                rule=event.rule, reason=event.reason, input=event.input, outside=event.outside,
            )
        )  # fmt: skip
        if not error:
            return
        self._answered.discard(request.request_id)
        self._refresh()
        if self.approval and self.approval.request and self.approval.request.request_id == request.request_id:
            self.approval.refused(error)
        else:
            self.post_message(self.Told(error, error=True))

    @on(QuestionCard.Answered)
    def _reply(self, event: QuestionCard.Answered) -> None:
        event.stop()
        self._refresh()
        self.post_message(self.Replied(event.text))


def _pending(event: e.ApprovalRequested) -> PendingApproval:
    return PendingApproval(
        request_id=event.request_id, call_id=event.call_id, tool=event.tool, input=event.input, digest=event.digest,
        rule=event.rule, reason=event.reason, suggestion=event.suggestion, display=event.display,
        cwd=event.cwd, sandbox=event.sandbox, again=event.again, owners=event.owners,
    )  # fmt: skip


def _unanswered(state: SessionState) -> bool:
    """Whether the questions of STATE came after the last words to the agent."""
    newest = next((item.kind for item in reversed(state.items) if item.kind in ("prompt", "question")), "")
    return bool(state.questions) and newest == "question"


def _short(folder: str) -> str:
    home = str(Path.home())
    return "~" + folder[len(home) :] if folder == home or folder.startswith(f"{home}/") else folder

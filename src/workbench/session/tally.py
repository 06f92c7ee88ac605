"""Events -> what the result object needs and the bounded state does not hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.result import CheckResult, Denial, Question

KEPT = 500
_IDLE = frozenset(("stall", "idle"))  # alerts of a run that does nothing
# Who denied an ask in a session where no person can be asked.
NOBODY = "nobody"


def answer_text(content: Sequence[dict[str, Any]]) -> str:
    """The words of an answer: its text blocks, without thinking and calls."""
    return "\n\n".join(block["text"] for block in content if block.get("type") == "text").strip()


@dataclass
class Told:
    """What the agent knows of a run of the session: how many of its alerts, and whether it ended or stands ready.

    `awaited`: as `RunLinked` says. `idles`: it was seen to do nothing. `call_over`: Unix time when the call that began
    it had its result.
    """

    awaited: bool = False
    alerts: int = 0
    ended: bool = False
    ready: bool = False
    idles: bool = False
    call_id: str | None = None
    call_over: float | None = None


class Tally:
    """Counts and lists for the end of a session; a fold, so that a resume goes on where it stood."""

    def __init__(self) -> None:
        self.answers = 0
        self.final_text = ""
        self.denials: list[Denial] = []
        self.checks: list[CheckResult] = []
        self.questions: tuple[Question, ...] = ()
        self.blocked = False  # the last answer with calls had one denied for lack of a person
        self.failed_checks = 0  # how often failed checks were handed back
        self.failed_schema = 0
        self.cut_answers = 0  # answers in a row that ended at the output limit
        self.last_stop = ""
        self.prompts: list[str] = []  # what people asked for, the task first
        self.memory = ""
        self.runs: dict[str, Told] = {}

    def apply(self, envelope: e.Envelope) -> None:
        """Folds one journalled envelope."""
        event = envelope.event
        if isinstance(event, e.AnswerCompleted):
            self._answer(event)
        elif isinstance(event, e.CallDecided):
            if event.verdict == "deny":
                denial = Denial(
                    tool_name=event.tool,
                    tool_use_id=event.call_id,
                    tool_input=event.input,
                    reason=event.reason,
                    allowed_by=event.lifted_by,
                )
                self.denials = [*self.denials[-KEPT:], denial]
                self.blocked = self.blocked or event.by == NOBODY
        elif isinstance(event, e.PromptSubmitted):
            self._prompt(event)
        elif isinstance(event, e.CheckFinished):
            self.checks = [known for known in self.checks if known.command != event.check.command] + [event.check]
        elif isinstance(event, e.QuestionsAsked):
            self.questions = event.questions
        elif isinstance(event, e.RunLinked | e.RunsTold | e.CallFinished):
            self._run(event, envelope.at)
        elif isinstance(event, e.SessionResumed):
            self.failed_checks = self.failed_schema = self.cut_answers = 0
            self.questions = ()

    def _run(self, event: e.RunLinked | e.RunsTold | e.CallFinished, at: float) -> None:
        if isinstance(event, e.RunLinked):
            self.runs.setdefault(event.run, Told(awaited=event.awaited, call_id=event.call_id))
        elif isinstance(event, e.RunsTold):
            for heard in event.runs:
                told = self.runs.setdefault(heard.run, Told())
                told.alerts, told.ended = max(told.alerts, heard.seen), told.ended or bool(heard.status)
                told.ready, told.idles = told.ready or heard.ready, told.idles or not _IDLE.isdisjoint(heard.alerts)
        else:
            for told in self.runs.values():
                told.call_over = at if told.call_id == event.call_id else told.call_over

    def _answer(self, event: e.AnswerCompleted) -> None:
        self.answers += 1
        self.last_stop = event.stop_reason
        self.cut_answers = self.cut_answers + 1 if event.stop_reason == "max_tokens" else 0
        self.final_text = event.text or answer_text(event.content)
        if event.calls:
            self.blocked = False

    def _prompt(self, event: e.PromptSubmitted) -> None:
        self.failed_checks += event.origin == "check"
        self.failed_schema += event.origin == "schema"
        if event.origin == "memory":
            self.memory = event.text
        elif event.origin in ("task", "person", "answer"):
            self.prompts = [*self.prompts[:1], *self.prompts[1:][-20:], event.text]

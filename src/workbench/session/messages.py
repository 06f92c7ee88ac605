"""Events -> the API's message history. Each message is encoded once, when it is first sent, and never changes."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from workbench.protocol import events as e

_encode = msgspec.json.Encoder().encode
STOPPED = "[Your answer above was stopped here, before it was done; calls that it had begun did not run.]"


class Messages:
    """The history as the model sees it.

    `sent` are encoded messages. `pending` are the blocks of the user message that is being gathered: tool results and
    prompts since the last request. `open` are calls of the last answer that have no result yet. `stopped` is what an
    answer had said when a person stopped it: it goes before the next prompt, and nowhere where none follows, since
    an answer cannot be taken up in its middle (newer models refuse a history that ends with the assistant's words).
    """

    def __init__(self, blob: Callable[[str], bytes]) -> None:
        self._blob = blob
        self.sent: list[bytes] = []
        self.pending: list[dict[str, Any]] = []
        self.open: dict[str, str] = {}  # call id -> tool name
        self.stopped = ""
        self.size = 0  # bytes of `sent`
        self.ends_with_answer = False

    def apply(self, envelope: e.Envelope) -> None:
        """Folds one journalled envelope."""
        event = envelope.event
        if isinstance(event, e.PromptSubmitted):
            self.pending += prompt_blocks(event)
        elif isinstance(event, e.RunsTold):
            self.pending += [{"type": "text", "text": event.text}] if event.text else []
        elif isinstance(event, e.RequestStarted):
            self._flush()
        elif isinstance(event, e.AnswerCompleted):
            self._answer(event)
        elif isinstance(event, e.AnswerDiscarded) and event.text:
            self.stopped = "" if self.ends_with_answer else event.text.rstrip()
        elif isinstance(event, e.CallFinished):
            self._result(event)
        elif isinstance(event, e.Compacted):
            self.sent, self.size, self.pending, self.open, self.stopped = [], 0, [], {}, ""
            for message in event.messages:
                self._append(message)

    @property
    def wants_answer(self) -> bool:
        """Whether the next thing is a request: there is something that the model has not answered."""
        return bool(self.pending) or (bool(self.sent) and not self.ends_with_answer)

    @property
    def unanswered(self) -> list[dict[str, Any]]:
        """The blocks that no answer has followed: those that were sent last, and the gathered ones."""
        last = [] if self.ends_with_answer or not self.sent else msgspec.json.decode(self.sent[-1])["content"]
        return [*last, *self.pending]

    def with_pending(self, *more: dict[str, Any]) -> list[bytes]:
        """The history with the gathered blocks and MORE as a last user message, without changing it."""
        return [*self.sent, *map(_encode, self._gathered(more))]

    def _gathered(self, more: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
        """The messages that follow what was sent: the words of an answer that was stopped, and the gathered blocks."""
        blocks = [*self.pending, *more]
        if not blocks or not self.stopped:
            return [{"role": "user", "content": blocks}] if blocks else []
        said = {"role": "assistant", "content": [{"type": "text", "text": self.stopped}]}
        return [said, {"role": "user", "content": [{"type": "text", "text": STOPPED}, *blocks]}]

    def _append(self, message: dict[str, Any]) -> None:
        self.sent.append(_encode(message))
        self.size += len(self.sent[-1])
        self.ends_with_answer = message["role"] == "assistant"

    def _flush(self) -> None:
        for message in self._gathered():
            self._append(message)
        self.pending, self.stopped = [], ""

    def _answer(self, event: e.AnswerCompleted) -> None:
        content: Sequence[dict[str, Any]] = event.content
        if event.blob is not None:
            content = msgspec.json.decode(self._blob(event.blob), type=list[dict[str, Any]])
        # The service refuses a text block without a visible character, though it may answer with one.
        content = [block for block in content if block.get("type") != "text" or block["text"].strip()]
        self.open = {block["id"]: block["name"] for block in content if block.get("type") == "tool_use"}
        if content:
            self._append({"role": "assistant", "content": content})

    def _result(self, event: e.CallFinished) -> None:
        if self.open.pop(event.call_id, None) is None:
            return
        content: Sequence[dict[str, Any]] = event.content
        if event.blob is not None:
            content = msgspec.json.decode(self._blob(event.blob), type=list[dict[str, Any]])
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": event.call_id, "content": content}
        if event.status != "ok":
            block["is_error"] = True
        # Results come before any words in the message that answers the calls.
        place = sum(1 for known in self.pending if known["type"] == "tool_result")
        self.pending.insert(place, block)


def prompt_blocks(event: e.PromptSubmitted) -> list[dict[str, Any]]:
    """A prompt as API content: its own blocks or its text, then the reminder of what holds right now."""
    blocks = list(event.content) or [{"type": "text", "text": event.text}]
    if event.reminder:
        blocks.append({"type": "text", "text": event.reminder})
    return blocks

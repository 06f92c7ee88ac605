"""A decision that the agent leaves to a person: its options with what they cost, or an answer in words."""

import time
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from workbench.protocol.result import Question
from workbench.tui.safe import content, safe


class QuestionCard(Static):
    """Stands above the prompt, which passes its keys on while it is empty; words typed there are an answer, too."""

    DEFAULT_CSS = """
    QuestionCard {
        height: auto; max-height: 16; overflow-y: auto; border: round $agent; border-title-color: $foreground;
        border-title-style: bold; border-subtitle-color: $muted; padding: 0 1; scrollbar-size-vertical: 1;
    }
    """
    SETTLE: ClassVar[float] = 0.5  # seconds in which a key was meant for something else

    class Answered(Message):
        """All questions are answered; TEXT says so to the agent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__()
        self.questions: tuple[Question, ...] = ()
        self._answers: list[str] = []
        self._chosen = 0
        self._since = 0.0

    def ask(self, questions: tuple[Question, ...]) -> None:
        """Shows QUESTIONS from the first one."""
        if questions != self.questions:
            self.questions, self._answers, self._since = questions, [], time.monotonic()
            self._next()

    def _next(self) -> None:
        self._chosen = _recommended(self._question) or 0
        self._draw()

    @property
    def _question(self) -> Question:
        return self.questions[len(self._answers)]

    def _draw(self) -> None:
        question = self._question
        self.border_title = Content("the agent asks")
        self.border_subtitle = Content(f"{len(self._answers) + 1} of {len(self.questions)}" * (len(self.questions) > 1))
        lines = [content(question.question, newlines=True), Content("")]
        labels = [safe(option.label) for option in question.options]
        width = min(48, max(map(cell_len, labels), default=0))
        recommended = _recommended(question)
        for at, (label, option) in enumerate(zip(labels, question.options, strict=True)):
            chosen = at == self._chosen
            lines.append(
                Content.assemble(
                    ("› " if chosen else "  ", "$agent"),
                    (f"{at + 1} ", "$muted"),
                    (label + " " * (width - cell_len(label)), "bold" if chosen else ""),
                    (f"   {safe(option.cost)}" if option.cost else "", "$muted"),
                    ("   recommended" if at == recommended else "", "$agent"),
                )
            )
        if advice := _advice(question, recommended):
            lines += [Content(""), Content.styled("the agent's advice: ", "$muted") + content(advice)]
        keys = (
            "↑↓ or a digit chooses, enter answers · or type an answer" if labels else "type an answer, enter sends it"
        )
        lines += [Content(""), Content.styled(keys, "$muted")]
        self.update(Content("\n").join(lines))

    def key(self, event: events.Key) -> bool:
        """Takes a key of the empty prompt if it chooses or answers."""
        options = self._question.options
        if not options or time.monotonic() - self._since < self.SETTLE:
            return False
        if event.key in ("up", "down"):
            self._chosen = (self._chosen + (1 if event.key == "down" else -1)) % len(options)
        elif event.key.isdecimal() and 1 <= int(event.key) <= len(options):
            self._chosen = int(event.key) - 1
        elif event.key == "enter":
            option = options[self._chosen]
            self.answer(option.label)
            return True
        else:
            return False
        self._draw()
        return True

    def answer(self, words: str) -> None:
        """WORDS answer the question that shows; after the last one all answers go to the agent."""
        self._answers.append(words)
        self._since = time.monotonic() - self.SETTLE
        if len(self._answers) < len(self.questions):
            self._next()
            return
        pairs = zip(self.questions, self._answers, strict=True)
        self._answers = []
        if len(self.questions) == 1:
            text = words
        else:
            text = "\n".join(f"{question.question}\n→ {answer}\n" for question, answer in pairs).rstrip()
        self.post_message(self.Answered(text))

    def on_click(self, event: events.Click) -> None:
        """A click on an option chooses it."""
        # Options stand after the question and an empty line, as the last lines but those that follow them.
        row = event.y - 1 + self.scroll_offset.y
        first = len(content(self._question.question, newlines=True).wrap(max(1, self.content_size.width))) + 1
        if 0 <= row - first < len(self._question.options):
            self._chosen = row - first
            self._draw()


def _advice(question: Question, recommended: int | None) -> str:
    """What the recommendation says beyond the name of the option that is marked as recommended."""
    words = question.recommendation.strip()
    if recommended is None:
        return words
    label = question.options[recommended].label
    return words[len(label) :].lstrip(" .,:;–—-") if words.casefold().startswith(label.casefold()) else words


def _recommended(question: Question) -> int | None:
    """The option that the recommendation begins with or names."""
    words = question.recommendation.casefold()
    for test in (words.startswith, words.__contains__):
        for at, option in enumerate(question.options):
            if option.label and test(option.label.casefold()):
                return at
    return None

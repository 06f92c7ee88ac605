"""A decision that the agent leaves to a person: its options with what they cost, or an answer in words."""

import time
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from workbench.protocol.result import Option, Question
from workbench.tui.safe import content, safe

_ROWS = 16  # that the card takes at most
_OTHERS = 6  # rows of a low screen that it leaves to the rest
_LABEL = 48  # cells


class QuestionCard(Vertical):
    """Stands above the prompt, which passes its keys on while it is empty; words typed there are an answer, too.

    Whatever the question's length, the option that enter would answer with is in sight before it does.
    """

    DEFAULT_CSS = """
    QuestionCard {
        height: auto; border: round $agent; border-title-color: $foreground; border-title-style: bold;
        border-subtitle-color: $muted; padding: 0 1;
        VerticalScroll { height: auto; scrollbar-size-vertical: 1; }
        Static { height: auto; }
        .advice, .keys { color: $muted; }
        .first, .advice, .keys { margin-top: 1; }
        &.-low .first, &.-low .advice, &.-low .keys { margin-top: 0; }
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
        self._options: list[Static] = []
        self._since = 0.0

    def compose(self) -> ComposeResult:
        """What is asked, which scrolls, and the keys, which do not."""
        said = VerticalScroll()
        said.can_focus = False
        yield said
        yield Static(classes="keys")

    def on_mount(self) -> None:
        """Draws what was asked before there was anything to draw on."""
        self.on_resize()
        if not self.answered:
            self._draw()

    def on_resize(self) -> None:
        """A low screen keeps the prompt and some of the talk."""
        height = self.app.size.height
        low = height < _ROWS + _OTHERS
        self.set_class(low, "-low")
        self.query_one(VerticalScroll).styles.max_height = max(3, min(_ROWS, height - _OTHERS) - (3 if low else 4))
        self.call_after_refresh(self._see)

    def ask(self, questions: tuple[Question, ...]) -> None:
        """Shows QUESTIONS from the first one; none: those asked before are done with, and may be asked again."""
        if questions != self.questions:
            self.questions, self._answers, self._since = questions, [], time.monotonic()
            if questions:
                self._next()

    @property
    def answered(self) -> bool:
        """Whether all answers are on their way."""
        return len(self._answers) == len(self.questions)

    def _next(self) -> None:
        self._chosen = _recommended(self._question) or 0
        if self.is_mounted:
            self._draw()

    @property
    def _question(self) -> Question:
        return self.questions[len(self._answers)]

    def _draw(self) -> None:
        """The question that is answered next, from its beginning."""
        question, recommended = self._question, _recommended(self._question)
        self.border_title = Content("the agent asks")
        self.border_subtitle = Content(f"{len(self._answers) + 1} of {len(self.questions)}" * (len(self.questions) > 1))
        parts = [Static(content(question.question, newlines=True))]
        parts += [Static(classes="option" + " first" * (not at)) for at in range(len(question.options))]
        if advice := _advice(question, recommended):
            said = Content.assemble("the agent's advice: ", (safe(advice), "$foreground"))
            parts.append(Static(said, classes="advice"))
        box = self.query_one(VerticalScroll)
        box.remove_children()
        box.mount(*parts)
        box.scroll_home(animate=False)
        self._options = parts[1 : 1 + len(question.options)]
        keys = "↑↓ or a digit chooses, enter answers · or type an answer"
        self.query_one(".keys", Static).update(keys if question.options else "type an answer, enter sends it")
        self._mark()

    def _mark(self) -> None:
        """The options, with a sign at the chosen one."""
        question, recommended = self._question, _recommended(self._question)
        width = min(_LABEL, max((cell_len(safe(option.label)) for option in question.options), default=0))
        for at, (row, option) in enumerate(zip(self._options, question.options, strict=True)):
            row.update(_row(at, option, width, chosen=at == self._chosen, recommended=at == recommended))

    @property
    def _in_sight(self) -> bool:
        said = self.query_one(VerticalScroll)
        return self._options[self._chosen].region.overlaps(said.region)

    def _see(self) -> None:
        if self._options and self.query_one(VerticalScroll).scroll_offset.y:
            self._options[self._chosen].scroll_visible(animate=False)

    def _choose(self, at: int) -> None:
        self._chosen = at
        self._mark()
        if not self._in_sight:  # with as much around it as there is room for
            self.query_one(VerticalScroll).scroll_end(animate=False)
            self.call_after_refresh(self._options[at].scroll_visible, animate=False)

    def key(self, event: events.Key) -> bool:
        """Takes a key of the empty prompt if it chooses or answers."""
        options = self._question.options
        if time.monotonic() - self._since < self.SETTLE:
            return False
        said = self.query_one(VerticalScroll)
        if event.key in ("pageup", "pagedown") and said.max_scroll_y:
            (said.scroll_page_up if event.key == "pageup" else said.scroll_page_down)(animate=False)
        elif not options:
            return False
        elif event.key in ("up", "down"):
            self._choose((self._chosen + (1 if event.key == "down" else -1)) % len(options))
        elif event.key.isdecimal() and 1 <= int(event.key) <= len(options):
            self._choose(int(event.key) - 1)
        elif event.key == "enter":
            self._take(self._chosen)
        else:
            return False
        return True

    def _take(self, at: int) -> None:
        """Answers with the option AT once it is chosen and can be seen; before, it is brought into sight."""
        if at == self._chosen and self._in_sight:
            self.answer(self._question.options[at].label)
        else:
            self._choose(at)

    def answer(self, words: str) -> None:
        """WORDS answer the question that shows; after the last one all answers go to the agent."""
        self._answers.append(words)
        self._since = time.monotonic() - self.SETTLE
        if len(self._answers) < len(self.questions):
            self._next()
            return
        pairs = zip(self.questions, self._answers, strict=True)
        if len(self.questions) == 1:
            text = words
        else:
            text = "\n".join(f"{question.question}\n→ {answer}\n" for question, answer in pairs).rstrip()
        self.post_message(self.Answered(text))

    def on_click(self, event: events.Click) -> None:
        """A click on an option chooses it, one on the chosen option answers."""
        at = next((at for at, row in enumerate(self._options) if row.region.contains_point(event.screen_offset)), None)
        if at is not None and event.chain == 1 and not self.answered and time.monotonic() - self._since >= self.SETTLE:
            self._take(at)


def _row(at: int, option: Option, width: int, *, chosen: bool, recommended: bool) -> Content:
    label = safe(option.label)
    return Content.assemble(
        ("› " if chosen else "  ", "$agent"),
        (f"{at + 1} ", "$muted"),
        (label + " " * (width - cell_len(label)), "bold" if chosen else ""),
        (f"   {safe(option.cost)}" if option.cost else "", "$muted"),
        ("   recommended" if recommended else "", "$agent"),
    )


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

"""A call that waits for a person: what would run, where, why it asks, and the keys that answer."""

import time
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from workbench.protocol.bounds import clip
from workbench.protocol.state import PendingApproval
from workbench.protocol.words import counted
from workbench.tui.hold import Hold
from workbench.tui.safe import content, safe
from workbench.tui.widgets.approval_text import Spelled
from workbench.tui.widgets.approval_words import FIELDS, OUTSIDE, choices, runs_how, title, what, why
from workbench.tui.widgets.line import Line, Part
from workbench.tui.widgets.prompt_editor import Editor

_MOST_SAID = 400  # characters of a reason or a rule
_EACH_TIME = "asked each time"  # no rule can be kept for it
_SCROLLS = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}


class ApprovalCard(Vertical):
    """Stands above the prompt, which keeps the focus and passes its keys on while the card is armed.

    Nothing typed on approves: a letter right after the card came, a letter that is no answer, or an answer's letter
    with another one right behind it goes to the prompt.
    """

    DEFAULT_CSS = """
    ApprovalCard {
        height: auto; border: round $border-dim; border-title-color: $foreground; padding: 0 1; margin: 0;
        border-title-style: bold; border-subtitle-color: $muted;
        &.-armed { border: round $agent; }
        #facts {
            layout: grid; grid-size: 2; grid-columns: 6 1fr; grid-rows: auto; height: auto; margin-top: 1;
            Static { height: auto; max-height: 4; }
            .name { color: $muted-2; }
            .said { color: $muted; }
            .runs.said.-outside { color: $warning; }
        }
        Line { margin-top: 1; }
        #field-label { height: auto; color: $muted; margin-top: 1; display: none; }
        Editor { display: none; background: $panel; padding: 0 1; }
        &.-field #field-label, &.-field Editor { display: block; }
        &.-field Line { display: none; }
        &.-short #facts Static { max-height: 2; }
        &.-low #facts, &.-low Line, &.-low #field-label { margin-top: 0; }
    }
    """
    SETTLE: ClassVar[float] = 0.5  # seconds in which a key was meant for something else
    HOLD: ClassVar[float] = 0.2  # seconds in which another letter shows that a word is typed
    SHORT: ClassVar[tuple[int, int]] = (30, 20)  # rows of a screen below which there is less room, and hardly any

    class Answered(Message):
        """A person's answer to REQUEST; INPUT is the call as the person changed it; OUTSIDE: it is not confined."""

        def __init__(
            self,
            request: PendingApproval,
            decision: str,
            rule: str | None = None,
            reason: str = "",
            input: dict[str, Any] | None = None,  # noqa: A002
            outside: bool = False,
        ) -> None:
            super().__init__()
            self.outside = outside
            self.input = input
            self.request = request
            self.decision = decision
            self.rule = rule
            self.reason = reason

    class Closed(Message):
        """The field was closed; the prompt may have the focus back."""

    class Wanted(Message):
        """A click asked that keys answer."""

    def __init__(self) -> None:
        super().__init__()
        self.typed = ""
        self._where = ""
        self._here = False
        self._drawn: str | None = None
        self.request: PendingApproval | None = None
        self.armed = False
        self.told = ""  # why the last answer was not taken
        self._whose, self._guest = "", False
        self.outside = False  # a person wants this call to run outside the sandbox
        self._since = 0.0
        self._behind_another = False
        self._held = ""
        self._holding: Hold | None = None
        self._field = ""
        self._left: dict[str, str] = {}  # what stood in a field when it was closed

    def compose(self) -> ComposeResult:
        """What, where and why, the keys, and a field that opens when it is needed."""
        yield Spelled()
        with Container(id="facts"):
            for name in ("in", "runs", "why", "rule"):
                yield Static(name, classes=f"{name} name")
                yield Static(classes=f"{name} said")
        yield Line()
        yield Static(id="field-label")
        field = Editor(most=6)
        field.can_focus = False  # until it opens
        yield field

    def on_mount(self) -> None:
        """The field's keys: Enter sends, Esc goes back."""
        field = self.query_one(Editor)
        field.on_key_first, field.on_submit = self._field_key, self._field_sent
        self._drawn = ""
        self.on_resize()

    def on_resize(self) -> None:
        """Less is said at once where the screen is low; what is said of the call itself stays."""
        height = self.app.size.height
        self.set_class(height < self.SHORT[0], "-short")
        self.set_class(height < self.SHORT[1], "-low")
        if self.request:
            self._tell_facts(self.request)
        self._draw()

    # --- what is asked -------------------------------------------------------------------------------------

    def ask(self, request: PendingApproval | None, where: str = "", place: str = "") -> None:
        """Shows REQUEST, or none. WHERE: the folder it would run in; PLACE: such as `1 of 3`."""
        if request is None or self.request is None or request.request_id != self.request.request_id:
            self._behind_another = self.request is not None and self.armed
            self.request, self.told, self.outside = request, "", False
            self._release()
            self._close()
            self._left = {}
            self._since = time.monotonic()
            self.armed = self.armed and request is not None
        self._where = where
        self.border_subtitle = Content(place)
        self._draw()

    def yields(self, whose: str, guest: bool) -> None:
        """WHOSE it is to answer, where another drives. A GUEST allows once or denies, and does nothing wider."""
        if (whose, guest) != (self._whose, self._guest):
            self._whose, self._guest = whose, guest
            self._draw()

    def arm(self, armed: bool, here: bool = True) -> None:
        """Whether keys answer from now on. HERE: whether the prompt has the focus."""
        armed = armed and not self._whose
        if (armed, here) == (self.armed, self._here):
            return
        if armed and not self.armed:
            self._since, self._behind_another = time.monotonic(), False
        if not armed:
            self._release()
        self.armed, self._here = armed, here
        self._draw()

    def refused(self, why: str) -> None:
        """The answer was not taken, for the reason WHY."""
        self.told = why
        self._draw()

    def _draw(self) -> None:
        if self._drawn is None:  # not composed yet
            return
        if self.request and self.request.request_id != self._drawn:
            self._drawn = self.request.request_id
            self.border_title = title(self.request)
            self.query_one(Spelled).show(what(self.request))
            self._tell_facts(self.request)
        self.set_class(self.armed or bool(self._field), "-armed")
        unseen = self.query_one(Spelled).unseen
        below = [Part(f"↓ {counted(unseen, 'more line')}", "$warning")] if unseen else []
        self.query_one(Line).put(self._parts(sum(len(part.text) for part in below)), below)

    @on(Spelled.Moved)
    def _moved(self, event: Spelled.Moved) -> None:
        event.stop()
        self.call_after_refresh(self._draw)

    def _tell_facts(self, request: PendingApproval) -> None:
        runs = runs_how(request, self.outside)
        self.query_one(".runs.said").set_class(runs.startswith("outside"), "-outside")
        crowded = bool(self._field) and self.has_class("-short")
        self.query_one(Spelled).display = not (crowded and self._field == "e")
        for name, said in (("in", self._where), ("runs", runs), ("why", why(request)), ("rule", request.rule or "")):
            for part in self.query(f".{name}").results(Static):
                part.display = bool(said) and (name == "runs" or not crowded)
            self.query_one(f".{name}.said", Static).update(content(clip(said, _MOST_SAID)))
        self.query_one("#facts").display = bool(runs) or not crowded

    def _parts(self, taken: int) -> list[Part]:
        """The keys, as far apart as there is room beside TAKEN cells; without their words where there is little."""
        if self._whose:
            return [Part(f"{safe(self._whose)} drives, and answers", "$muted")]
        parts = [Part(f"not taken: {self.told}   ", "$error")] if self.told else []
        if not self.armed:
            parts.append(Part("tab to answer   " if self._here else "i to answer   ", "$foreground", "tab"))
        room = self.query_one(Line).room - taken - sum(len(part.text) for part in parts)
        choices = self._choices()
        wide = sum(len(words) + 2 for words in choices.values())
        gap = next((gap for gap in (3, 2, 1) if wide + gap * len(choices) <= room), 0)
        for key, words in choices.items():
            held = key == self._held
            said = f" {words}{' ' * gap}" if gap else " "
            parts += [Part(key, "bold $agent" if self.armed else "$muted", key),
                      Part(said, "bold" if held else "$muted", key)]  # fmt: skip
        if not {"s", "a"} & choices.keys() and gap and wide + gap * len(choices) + len(_EACH_TIME) <= room:
            parts.append(Part(_EACH_TIME, "$muted-2"))
        return parts

    @property
    def answers(self) -> frozenset[str]:
        """The letters that answer what is asked."""
        return frozenset(self._choices())

    def _choices(self) -> dict[str, str]:
        found = choices(self.request, self.outside) if self.request and not self._whose else {}
        return {key: words for key, words in found.items() if not self._guest or key in self._guests(self.request)}

    @staticmethod
    def _guests(request: PendingApproval | None) -> str:
        """The answers that a guest may give: never one for what its owner alone allows."""
        return "n" if request and (request.owners or request.again or request.sandbox == "outside") else "yn"

    # --- keys ----------------------------------------------------------------------------------------------

    def key(self, event: events.Key) -> bool:
        """Takes a key of the prompt if it answers. When it is a word's beginning, the card is no longer armed.

        `typed` then holds the letters that belong to the prompt, before this key.
        """
        self.typed = ""
        if self._held:
            return self._second(event)
        if event.key in _SCROLLS and self.query_one(Spelled).max_scroll_y:
            self.query_one(Spelled).scroll_relative(y=_SCROLLS[event.key], animate=False)
            return True
        character = event.character if event.is_printable else None
        if character is None or not (character.isalpha() or character in " /@!"):
            return False
        settled = time.monotonic() - self._since >= self.SETTLE
        if settled and character in self._choices():
            self._hold(character)
            return True
        if not settled and self._behind_another:
            return True  # it was for the request before
        self.arm(False)
        return False

    def _hold(self, character: str) -> None:
        self._held = character
        self._holding = Hold(self, self.HOLD, self._decide)
        self._draw()

    def _second(self, event: events.Key) -> bool:
        """The key after an answer's: Enter says it is one, a letter that it was none."""
        if event.key == "enter":
            self._decide()
            return True
        held = self._held
        self._release()
        if event.is_printable:
            self.typed = held
            self.arm(False)
        return event.key == "backspace"

    def _release(self) -> None:
        if self._holding is not None:
            self._holding.stop()
        self._held, self._holding = "", None

    def _decide(self) -> None:
        choice = self._held
        self._release()
        self._choose(choice)

    @on(Line.Pressed)
    def _clicked(self, event: Line.Pressed) -> None:
        event.stop()
        if event.action == "tab":
            self.post_message(self.Wanted())
        elif time.monotonic() - self._since >= self.SETTLE:
            self._choose(event.action)

    def _choose(self, choice: str) -> None:
        if self.request is None:
            return
        if choice == "o":
            self.outside = not self.outside
            self._tell_facts(self.request)
            self._draw()
        elif choice == "n" and self.request.again:  # the agent has the failure; there is nothing to add
            self._answer("no")
        elif choice in FIELDS:
            self._open(choice)
        else:
            self._answer("once")

    def _answer(
        self, decision: str, rule: str | None = None, reason: str = "", changed: dict[str, Any] | None = None
    ) -> None:
        if self.request is not None:
            outside = decision != "no" and (self.outside or self.request.again)
            self.post_message(self.Answered(self.request, decision, rule, reason, changed, outside))

    # --- the field -----------------------------------------------------------------------------------------

    @property
    def editing(self) -> bool:
        """Whether a rule, a reason or a command is being written."""
        return bool(self._field)

    def focus_field(self) -> None:
        """Puts the cursor into the open field."""
        self.query_one(Editor).focus(scroll_visible=False)

    def _open(self, choice: str) -> None:
        assert self.request is not None
        self._field = choice
        rule = self.request.suggestion or ""
        start = {"s": rule, "a": rule, "e": str(self.request.input.get("command", ""))}.get(choice, "")
        editor = self.query_one(Editor)
        editor.set_text(self._left.get(choice) or start)
        said = FIELDS[choice].format(outside=OUTSIDE.get(choice, "") if self.outside or self.request.again else "")
        self.query_one("#field-label", Static).update(Content(said))
        self.add_class("-field")
        self._tell_facts(self.request)
        self._draw()
        editor.can_focus = True
        editor.focus(scroll_visible=False)

    def _close(self) -> None:
        if self._field:
            self._left[self._field] = self.query_one(Editor).sendable()
            self._field = ""
            self.query_one(Editor).can_focus = False
            self.remove_class("-field")
            if self.request:
                self._tell_facts(self.request)
            self.post_message(self.Closed())

    def _field_key(self, event: events.Key) -> bool:
        if event.key == "escape":
            self._close()
            self._draw()
            return True
        return False

    def _field_sent(self) -> None:
        text = self.query_one(Editor).sendable()
        field, request = self._field, self.request
        if request is None or (field != "n" and not text.strip()):
            return
        self._close()
        if field == "n":
            self._answer("no", reason=text.strip())
        elif field == "e":
            self._answer("once", changed={**request.input, "command": text})
        else:
            self._answer("always" if field == "a" else "session", rule=text.strip())

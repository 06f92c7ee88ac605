"""The people at a session, as its screen has them: who is here, who drives, where the others look, whom to follow."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.protocol.commands import At
from workbench.protocol.events import Envelope, Person, Presence, Said, WheelAsked, WheelPassed
from workbench.tui.safe import safe
from workbench.tui.widgets.dock import PANES

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_ids = (f"people-{number}" for number in itertools.count(1))
_SETTLED_S = 0.3  # after a key, before the others are told where one looks
_TYPED_S = 4.0  # after which nobody types any more
_NEWS_S = 60.0  # older ones are history
_WORDS = 60  # characters of what is said, in the corner

# What enter does with words at the prompt.
PROMPTS, SUGGESTS, WATCHES = "prompts", "suggests", "watches"


class People:
    """Follows who is at the app's session. Nothing is sent, and nothing scheduled, while nobody else is here."""

    def __init__(self, app: "WorkbenchApp") -> None:
        self._app = app
        self._client: Any = app.client
        self.presence = Presence()
        self.following = ""  # whose looks this screen goes after
        self._told = ("", False)
        self._typed_at = 0.0
        self._looking: asyncio.TimerHandle | None = None

    # --- who -----------------------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """Who sits here, as the session's host has it."""
        return getattr(self._client, "user", "") or self._app.opener.user

    @property
    def owner(self) -> bool:
        """Whether the session is this user's own."""
        return bool(getattr(self._client, "owner", True)) or not getattr(self._client, "user", "")

    @property
    def me(self) -> Person | None:
        """This client, as the others see it; None until the host has told."""
        here = getattr(self._client, "me", "")
        return next((one for one in self.presence.people if here and one.client == here), None)

    @property
    def others(self) -> tuple[Person, ...]:
        """The other clients."""
        here = getattr(self._client, "me", "")
        return tuple(one for one in self.presence.people if one.client != here)

    @property
    def drives(self) -> bool:
        """Whether this user holds the wheel."""
        return not self.presence.people or self.presence.driver == self.user

    @property
    def enter(self) -> str:
        """What enter does with words: PROMPTS the agent, SUGGESTS to whoever drives, or nothing (WATCHES)."""
        role = self.me.role if self.me else "driver"
        if role == "driver" and (self.drives or not self.presence.driver):
            return PROMPTS
        return WATCHES if role == "viewer" else SUGGESTS

    def invitation(self) -> str:
        """What the empty prompt says; nothing where it is as usual."""
        driver = safe(self.presence.driver) or "nobody"
        wheel = "/wheel takes it back" if self.owner else "/wheel asks for it"
        return {
            PROMPTS: "",
            SUGGESTS: f"{driver} drives: enter suggests, /say talks; {wheel}",
            WATCHES: f"you watch, {driver} drives; {wheel}",
        }[self.enter]

    def hint(self) -> str:
        """How the first suggestion is taken; nothing where this one does not drive."""
        key = self._app.keymap.label("take_suggestion", typing=True) or "/take"
        return f"{key} takes it, /drop puts it aside" if self.enter == PROMPTS else ""

    def header(self) -> str:
        """`ana drives · li…`: who drives and who else is here, the dots while one types; empty while one is alone."""
        users = dict.fromkeys(one.user for one in self.presence.people)
        if len(users) < 2:
            return ""
        typing = {one.user for one in self.others if one.typing}
        names = {user: safe(user) + ("…" if user in typing else "") for user in users}
        driver = self.presence.driver
        first = f"{names.get(driver) or safe(driver) or 'nobody'} drives"
        asking = [user for user in self._app.state.wheel_asked if user in names]
        rest = [f"{name} asks" if user in asking else name for user, name in names.items() if user != driver]
        return " · ".join((first, *rest))

    # --- what is new ---------------------------------------------------------------------------------------

    def given(self, news: Sequence[Envelope]) -> None:
        """Takes in what NEWS tell of the people; what is for this one is told in the corner."""
        for envelope in news:
            event = envelope.event
            if isinstance(event, Presence):
                self.presence = event
                self._follow()
                self.touched()
            elif time.time() - envelope.at < _NEWS_S and (words := self._words(event)):
                self._app.tell(words)
        footer, answers = self._app.main.footer, self.enter == PROMPTS
        footer.whom = "you" if answers else safe(self.presence.driver) or "a driver"
        words = self.header()
        if words != self._app.facts.people:
            self._app.facts = self._app.facts._replace(people=words)
            self._app.main.chrome()

    def _words(self, event: object) -> str:
        if isinstance(event, Said) and event.by != self.user and "talk" in self._app.main.hidden():
            return f"{event.by}: {_short(event.text)}"
        if isinstance(event, WheelAsked) and event.by != self.user and (self.drives or self.owner):
            return f"{event.by} would like to drive: /wheel {event.by} hands the wheel over"
        if isinstance(event, WheelPassed) and self.user in (event.to, event.by):
            return "you drive now" if event.to == self.user else ""
        return ""

    # --- where one looks -----------------------------------------------------------------------------------

    def touched(self, typed: bool = False) -> None:
        """The person did something: where they look is told, once they have settled."""
        if typed:
            self._typed_at = time.monotonic()
        if self.others and self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_SETTLED_S, self._look)

    def _look(self) -> None:
        self._looking = None
        app = self._app
        if app.people is not self or app.client is not self._client or not app.is_running:
            return
        typing = time.monotonic() - self._typed_at < _TYPED_S
        if typing:
            self._looking = asyncio.get_running_loop().call_later(_TYPED_S, self._look)
        if (looks := self.looks(), typing) != self._told and self.others:
            self._told = (looks, typing)
            at = At(id=next(_ids), looks=looks, typing=typing, by=self.user)
            app.beside(lambda: _sent(self._client, at), "people")

    def looks(self) -> str:
        """The view that has the focus, and what is open in it."""
        view = self._app.main.focused_view
        view = view if view in PANES else "talk"
        return f"{view} {getattr(self._app.panes.get(view), 'looks', '')}".strip()

    def follow(self, user: str = "") -> str:
        """Goes after USER, or whoever drives, or the only other; after nobody where it did. Says whom, or why not."""
        if self.following and user in ("", self.following):
            self.following, words = "", f"you do not follow {self.following} any more"
            return words
        users = list(dict.fromkeys(one.user for one in self.others if one.user != self.user))
        if not users:
            return "nobody else is here to follow"
        chosen = user or (self.presence.driver if self.presence.driver in users else users[0])
        if chosen not in users:
            return f"{chosen} is not here"
        self.following = chosen
        self._follow()
        return f"you look where {chosen} looks; {self._app.keymap.label('follow')} ends it"

    def _follow(self) -> None:
        found = next((one for one in self.others if one.user == self.following and one.looks), None)
        if found is None or found.looks == self.looks():
            return
        view, _, what = found.looks.partition(" ")
        main = self._app.main
        if view in PANES or view == "talk":
            if main.focused_view != view:
                main.go(view)
            if what and (show := getattr(self._app.panes.get(view), "show_what", None)) is not None:
                show(what)


async def _sent(client: Any, command: At) -> None:
    await client.send(command)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WORDS else f"{line[: _WORDS - 1]}…"

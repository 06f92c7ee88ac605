"""Who is at a session now, where each of them looks, and telling the others of it, not too often."""

import asyncio
from collections.abc import Callable

from workbench.host.share import Lent
from workbench.protocol.commands import At
from workbench.protocol.events import Person, Presence

_PACE_S = 0.25  # between two tellings
_LOOKS = 200  # characters


class Guest:
    """Somebody who is here: the user that the kernel names, and the most that they may do.

    `client` is the id of their client, `lent` the invitation that they came by. `leaving`: they said so; else their
    connection was lost, and they may come back.
    """

    def __init__(self, user: str, role: str, owner: bool, place: str = "", lent: Lent | None = None) -> None:
        self.user, self.role, self.owner, self.place, self.lent = user, role, owner, place[:_LOOKS], lent
        self.came = self.role  # what they came as; whoever is handed the wheel drives all the same
        self.client = self.looks = ""
        self.typing = self.away = self.leaving = False

    def person(self) -> Person:
        """As the others see them."""
        return Person(
            client=self.client,
            user=self.user,
            role=self.role,
            owner=self.owner,
            place=self.place,
            looks=self.looks,
            typing=self.typing,
            away=self.away,
        )


class Here:
    """The people at a session. SHOW sends an ephemeral event; DRIVER names who drives."""

    def __init__(self, show: Callable[[Presence], None], driver: Callable[[], str]) -> None:
        self._show, self._driver = show, driver
        self.guests: list[Guest] = []
        self._later: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._told = Presence()

    def of(self, user: str, away: bool = False) -> list[Guest]:
        """The clients of USER, with AWAY those too whose connection is lost."""
        return [one for one in self.guests if one.user == user and (away or not one.away)]

    def looks(self, guest: Guest, at: At) -> None:
        """GUEST looks elsewhere, or types."""
        guest.looks, guest.typing = at.looks[:_LOOKS], at.typing
        self.changed()

    def changed(self, anew: bool = False) -> None:
        """Tells everybody, soon, if there is something to tell; ANEW: somebody came who knows nothing yet."""
        if anew:
            self._told = Presence()
        if self._later is None:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(max(0.0, self._told_at + _PACE_S - loop.time()), self._tell)

    def _tell(self) -> None:
        self._later, self._told_at = None, asyncio.get_running_loop().time()
        now = Presence(people=tuple(one.person() for one in self.guests), driver=self._driver())
        if now != self._told:
            self._told = now
            self._show(now)

    def close(self) -> None:
        """Tells nobody any more."""
        if self._later is not None:
            self._later.cancel()

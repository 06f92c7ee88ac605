"""Who drives: a lease that one user holds. Another client of the same user has it by simply acting."""

import asyncio
from collections.abc import Callable

from workbench.protocol.events import WheelPassed


class Wheel:
    """The wheel of one session; at first its OWNER's. PASSED is told of each time that it passes.

    AWAY_S is how long it waits for a driver whose connections are lost.
    """

    def __init__(self, owner: str, passed: Callable[[WheelPassed], None], away_s: float) -> None:
        self._owner, self._passed, self._away_s = owner, passed, away_s
        self.holder = owner  # empty: nobody
        self.granted = False  # it was handed to the holder, whatever they came as
        self._freeing: asyncio.TimerHandle | None = None

    def refusal(self, user: str, role: str) -> str:
        """Why USER may not steer; empty where they may. Where nobody drives, a driver does by acting."""
        if self.holder == user:
            return "" if role == "driver" or self.granted else f"you came as {role}, which does not steer"
        if self.holder:
            return f"{self.holder} drives; /wheel asks for the wheel"
        if role != "driver":
            return f"nobody drives, and a {role} does not; the owner may hand you the wheel"
        self.pass_to(user, user, f"{user} acted while nobody drove")
        return ""

    def take(self, user: str, owner: bool, role: str) -> str:
        """USER drives from now on: the owner at any time, another driver where nobody does. Says why not."""
        if self.holder == user and (self.granted or not owner):
            return ""
        if not owner and (self.holder or role != "driver"):
            return self.refusal(user, role)
        self.pass_to(user, user, f"{user} took it back" if owner else f"{user} took it", granted=owner)
        return ""

    def pass_to(self, to: str, by: str, why: str, granted: bool = False) -> None:
        """TO drives from now on; empty: nobody."""
        self._stay()
        self.holder, self.granted = to, granted
        self._passed(WheelPassed(to=to, by=by, why=why))

    def gone(self, user: str, on_purpose: bool) -> None:
        """No client of USER is here any more."""
        if user != self.holder:
            return
        if on_purpose:
            self.pass_to("", "", f"{user} left")
        elif self._freeing is None:
            self._freeing = asyncio.get_running_loop().call_later(self._away_s, self._free, user)

    def _free(self, user: str) -> None:
        self._freeing = None
        if self.holder == user:
            self.pass_to("", "", f"{user} has been gone for {self._away_s:g} s")

    def back(self, user: str) -> None:
        """A client of USER is here."""
        if user == self.holder:
            self._stay()

    def _stay(self) -> None:
        if self._freeing is not None:
            self._freeing.cancel()
            self._freeing = None

    def close(self) -> None:
        """Waits for nobody any more."""
        self._stay()

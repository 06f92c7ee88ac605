"""Who may come to a session, and what each of them may do there. The host enforces it, whatever a client says."""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable

import msgspec

from workbench.host import roles
from workbench.host.hosting import Hosting
from workbench.host.presence import Guest, Here
from workbench.host.share import Lent, ShareError, Shares, name_of
from workbench.host.sockets import Peer, descends
from workbench.host.wheel import Wheel
from workbench.protocol import commands as c
from workbench.protocol import events as e
from workbench.protocol import wire
from workbench.session.journal import JournalError

__all__ = ["Guest", "Guests", "RefusedError"]
AWAY = "MLWB_AWAY"  # seconds for which the place and the wheel of a lost client are kept
_AWAY_S = 30.0
_MOST_TEXT = 2_000  # characters of a suggestion, or of what is said: the state holds them whole
_OFTEN, _OFTEN_S = 60, 60.0  # of what one user does that is journalled
_OUTSIDE = "outside"
_MOST_GUESTS = 48  # so that there is always room for the owner

Door = Callable[[Peer, wire.Hello], Guest]


class RefusedError(Exception):
    """A client is not let in; the code is the wire's."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Guests:
    """The doors of one session, the people behind them, and the wheel."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting, self._session = hosting, hosting.session
        self.token = ""  # the owner's; nobody comes in while there is none
        self.owner = name_of(os.getuid())
        self.take: Callable[[socket.socket, Door], None] = lambda taken, door: taken.close()  # the server's
        self.part: Callable[[Guest, str], None] = lambda guest, why: None  # shows a client out, with words
        self._away_s = _AWAY_S
        with contextlib.suppress(KeyError, ValueError):
            self._away_s = float(os.environ[AWAY])
        self.shares = Shares(self._session.id, self._emit)
        self.shares.take = lambda taken: self.take(taken, self.invited)
        self.shares.over = self._show_out
        self.wheel = Wheel(self.owner, self._passed, self._away_s)
        self.here = Here(self._session.show, lambda: self.wheel.holder)
        self._driver = self.owner  # as it was journalled
        self._done: dict[str, deque[float]] = {}
        self._meter: tuple[Lent, float] | None = None  # whose dollars are spent, and what the session had cost then
        self._metered = ""  # by whom
        self._timers: set[asyncio.TimerHandle] = set()
        self._closed = False
        self._session.listeners.append(self._heard)

    # --- the doors -----------------------------------------------------------------------------------------

    def owners(self, peer: Peer, hello: wire.Hello) -> Guest:
        """The door that only the session's owner can reach. Raises RefusedError."""
        if peer.uid != os.getuid():
            raise RefusedError("identity", "this session belongs to another user")
        self._refuse_own(peer)
        if not self.token or not secrets.compare_digest(hello.token.encode(errors="replace"), self.token.encode()):
            raise RefusedError("identity", "the token is not this session's")
        return Guest(self.owner, hello.role if hello.role in roles.ROLES else "viewer", owner=True, place=hello.place)

    def invited(self, peer: Peer, hello: wire.Hello) -> Guest:
        """The door of whoever was invited. Raises RefusedError."""
        self._refuse_own(peer)
        try:
            lent = self.shares.invited(peer, hello.token)
        except ShareError as error:
            raise RefusedError("invitation", str(error)) from None
        if lent is None:
            raise RefusedError("invitation", "the token is not that of an invitation of yours")
        try:
            self._often(f"came {peer.uid}")
        except _NoError as error:
            raise RefusedError("full", str(error)) from None
        if sum(not one.owner for one in self.here.guests) >= _MOST_GUESTS:
            raise RefusedError("full", f"{_MOST_GUESTS} guests are here already")
        name = name_of(peer.uid)
        if name == self.owner:  # two users of one name: only one of them owns the session
            name = f"{name} ({peer.uid})"
        return Guest(name, roles.lesser(hello.role, lent.role), owner=False, place=hello.place, lent=lent)

    @staticmethod
    def _refuse_own(peer: Peer) -> None:
        if descends(peer.pid, os.getpid()):
            raise RefusedError("identity", "a command of the session cannot be its client")

    # --- who is here ---------------------------------------------------------------------------------------

    def joined(self, guest: Guest) -> None:
        """GUEST is in, as the client that its `client` names; it may be one that was lost a moment ago."""
        if self.wheel.granted and self.wheel.holder == guest.user:
            guest.role = "driver"
        before = [one for one in self.here.guests if one.client == guest.client]
        self.here.guests = [*(one for one in self.here.guests if one not in before), guest]
        if not before:
            self._emit(
                e.ClientJoined(
                    client=guest.client, user=guest.user, role=guest.role, owner=guest.owner, place=guest.place
                )
            )
        self.wheel.back(guest.user)
        self.here.changed(anew=True)

    def left(self, guest: Guest) -> None:
        """GUEST is gone: for good where it said so, else for a while before it counts."""
        if guest not in self.here.guests or self._closed:
            return
        guest.away, guest.typing = True, False
        if guest.leaving:
            self._depart(guest, "")
        else:
            self._after(self._away_s, lambda: self._depart(guest, f"not heard of for {self._away_s:g} s"))
        if not self.here.of(guest.user):
            self.wheel.gone(guest.user, guest.leaving)
        self.here.changed()

    def _depart(self, guest: Guest, why: str) -> None:
        if guest in self.here.guests:
            self.here.guests.remove(guest)
            self._emit(e.ClientLeft(client=guest.client, user=guest.user, why=why))
            self.here.changed()

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._timers = {one for one in self._timers if one.when() > loop.time()}
        self._timers.add(loop.call_later(seconds, work))

    def looks(self, guest: Guest, at: c.At) -> c.Ack:
        """Where GUEST looks. Told to the others, and kept nowhere."""
        self.here.looks(guest, at)
        return c.Ack(id=at.id, ok=True)

    # --- what they may do ----------------------------------------------------------------------------------

    def refusal(self, guest: Guest, command: c.AnyCommand) -> str:
        """Why GUEST may not send COMMAND; empty where they may. Acting takes a wheel that nobody holds."""
        if guest.leaving:
            return "your invitation ended"
        least = roles.WHEEL if self._is_anothers(guest, command) else roles.LEAST.get(type(command))
        if least is None:
            return f"no role may send {type(command).__name__}"
        headless = not self._session.task.interactive
        if headless and not isinstance(command, roles.HEADLESS):
            return "nobody steers a headless run; it can be watched, and stopped"
        if guest.owner and isinstance(command, roles.ALWAYS):
            return ""
        if least in (roles.OWNER, roles.OWNERS_WHEEL) or (headless and least == roles.WHEEL):  # it has no wheel to hold
            if not guest.owner:
                return f"only {self.owner}, whose session it is, may {roles.words(command)}"
            if guest.role != "driver":
                return f"you came as {guest.role}, who may not {roles.words(command)}"
        if least == roles.SUGGESTER and guest.role == "viewer" and self.wheel.holder != guest.user:
            return f"a viewer may not {roles.words(command)}; /wheel asks for the wheel"
        if least not in (roles.WHEEL, roles.OWNERS_WHEEL) or headless:
            return ""
        if why := "" if guest.owner else self._guests_refusal(guest, command):
            return why
        return self.wheel.refusal(guest.user, guest.role)

    def _is_anothers(self, guest: Guest, command: c.AnyCommand) -> bool:
        """Whether COMMAND takes back what another has queued."""
        if not isinstance(command, c.Withdraw):
            return False
        queued = self._session.state.queued.get(command.prompt)
        return queued is not None and queued.by != guest.user

    def _guests_refusal(self, guest: Guest, command: c.AnyCommand) -> str:
        """What a guest may not do at the wheel either: nothing that outlasts the call, and nothing unconfined."""
        if guest.lent is not None and guest.lent.is_spent():
            return f"the {guest.lent.max_usd:g} dollars of your invitation are spent"
        if not isinstance(command, c.Approve) or command.decision == "no":
            return ""
        if command.decision != "once":
            return f"only {self.owner} may save a rule; a guest allows once"
        if command.input is not None:
            return f"only {self.owner} may change a call; a guest allows it as it is, or denies it"
        asked = self._session.state.approvals.get(command.request_id)
        if asked is None:  # what is not known to be confined is not theirs to allow
            return "this request was answered already, or its call is gone"
        if asked.owners:
            return f"it reaches beyond the workspace, or what is guarded: only {self.owner} may allow that"
        if command.outside or asked.again or asked.sandbox == _OUTSIDE:
            return f"it would run outside of the sandbox: only {self.owner} may allow that"
        return ""

    async def carry_out(self, command: c.AnyCommand) -> c.Ack:
        """Does what COMMAND asks, which was not refused; what is among the people here, the rest in the session."""
        done = _DOES.get(type(command))
        if done is None:
            return await self._hosting.carry_out(command)
        try:
            answer = done(self, command)
        except (ShareError, _NoError) as error:
            return c.Ack(id=command.id, ok=False, error=str(error))
        return c.Ack(id=command.id, ok=True, value=answer or "")

    # --- the wheel -----------------------------------------------------------------------------------------

    def _role(self, user: str) -> str:
        here = [one.role for one in self.here.of(user)]
        return max(here, key=roles.ROLES.index, default="viewer")

    def _ask(self, command: c.AskWheel) -> None:
        if self.wheel.holder == command.by:
            raise _NoError("you drive already")
        if not self.wheel.holder and not self.wheel.refusal(command.by, self._role(command.by)):
            return
        if command.by not in self._session.state.wheel_asked:
            self._emit(e.WheelAsked(by=command.by))

    def _grant(self, command: c.GrantWheel) -> None:
        self._often(f"wheel {command.by}")
        guests = self.here.of(command.to)
        if not guests:
            raise _NoError(f"{command.to} is not here")
        if self.wheel.holder == command.to:
            raise _NoError(f"{command.to} drives already")
        if any(one.lent is not None and one.lent.is_spent() for one in guests):
            raise _NoError(f"the dollars of {command.to}'s invitation are spent; invite them anew")
        if self.owner not in (command.by, command.to) and self._role(command.to) != "driver":
            raise _NoError(f"{command.to} came as {self._role(command.to)}: only {self.owner} may hand them the wheel")
        self.wheel.pass_to(command.to, command.by, f"{command.by} handed the wheel over", granted=True)

    def _take(self, command: c.TakeWheel) -> None:
        if command.by != self.owner:
            self._often(f"wheel {command.by}")
        spent = any(one.lent is not None and one.lent.is_spent() for one in self.here.of(command.by))
        if (
            why := "your invitation's dollars are spent"
            if spent
            else self.wheel.take(command.by, command.by == self.owner, self._role(command.by))
        ):
            raise _NoError(why)

    def _let_go(self, command: c.LeaveWheel) -> None:
        if self.wheel.holder != command.by:
            raise _NoError("you do not drive")
        self.wheel.pass_to("", command.by, f"{command.by} let go of the wheel")

    def _passed(self, event: e.WheelPassed) -> None:
        """Whoever was handed the wheel drives whatever they came as; where only the owner is concerned, it is quiet."""
        if event.to:  # what the agent does on goes to whoever drove last
            self._stop_meter()
        for guest in self.here.guests:
            guest.role = "driver" if self.wheel.granted and guest.user == event.to else guest.came
        limited = [one.lent for one in self.here.of(event.to) if one.lent is not None and one.lent.max_usd is not None]
        if limited:  # whatever other invitation they hold
            self._meter = min(limited, key=Lent.left_usd), self._session.state.cost_usd or 0.0
            self._metered = event.to
        is_news = not (self._is_quiet() and {self._driver, event.to} <= {"", self.owner})
        if is_news and event.to != self._driver:
            self._emit(event)
            self._driver = event.to
        self.here.changed()

    # --- dollars and hours ---------------------------------------------------------------------------------

    def _heard(self, envelope: e.Envelope) -> None:
        """Called with each event of the session; what it leads to is told after it."""
        if self._meter is None or not envelope.seq or self._closed:
            return
        lent, before = self._meter
        cost = self._session.state.cost_usd
        spent = lent.spent + (float("inf") if cost is None else cost - before)
        if lent.max_usd is not None and spent >= lent.max_usd:
            asyncio.get_running_loop().call_soon(self._spent, lent)

    def _stop_meter(self) -> None:
        if self._meter is not None:
            (lent, before), self._meter = self._meter, None
            cost = self._session.state.cost_usd
            lent.spent += float("inf") if cost is None else cost - before

    def _spent(self, lent: Lent) -> None:
        """The dollars of LENT are spent: what the agent does for them ends, and the wheel goes back."""
        if self._meter is None or self._meter[0] is not lent or self._closed:
            return
        self._stop_meter()
        self._session.interrupt()
        if self.wheel.holder == self._metered:
            to = self.owner if self.here.of(self.owner) else ""
            self.wheel.pass_to(to, "", f"{self._metered} has spent the ${lent.max_usd:g} of the invitation")
        for guest in self.here.guests:
            if guest.lent is lent:
                guest.role = guest.came = roles.lesser(guest.came, "suggester")
        lent.role = roles.lesser(lent.role, "suggester")

    def _show_out(self, lent: Lent, why: str) -> None:
        for guest in [one for one in self.here.guests if one.lent is lent]:
            guest.leaving = True
            self.left(guest)
            self.part(guest, f"your invitation ended: {why}")

    def _share(self, command: c.Share) -> str:
        state = self._session.state
        if command.max_usd is not None and state.cost_usd is None:
            raise ShareError("what this session costs is not known, so dollars cannot limit it")
        warning = ""
        if command.role == "driver" and not state.sandbox:
            warning = "nothing confines the commands of this session: whoever drives can have anything done as you"
        return msgspec.json.encode(self.shares.open(command, warning)).decode()

    def _end_share(self, command: c.EndShare) -> None:
        if why := self.shares.end(command.share, f"{command.by} ended it", command.by):
            raise _NoError(why)

    # --- words ---------------------------------------------------------------------------------------------

    def _words(self, user: str, text: str) -> str:
        text = text.strip()
        if not text or len(text) > _MOST_TEXT:
            raise _NoError(f"say it in 1 to {_MOST_TEXT:,} characters")
        self._often(f"said {user}")
        return text

    def _often(self, what: str) -> None:
        """Counts WHAT, each of which goes into the journal; raises _NoError where it comes too often."""
        done, now = self._done.setdefault(what, deque(maxlen=_OFTEN)), time.monotonic()
        if len(done) == _OFTEN and now - done[0] < _OFTEN_S:
            raise _NoError("that is much at once; wait a moment")
        done.append(now)

    def _say(self, command: c.Say) -> None:
        self._emit(e.Said(text=self._words(command.by, command.text), by=command.by))

    def _suggest(self, command: c.Suggest) -> str:
        name = f"g-{secrets.token_hex(3)}"
        text = self._words(command.by, command.text)
        self._emit(e.Suggested(suggestion=name, text=text, by=command.by, path=command.path))
        return name

    def _take_suggestion(self, command: c.TakeSuggestion) -> None:
        found = self._session.state.suggestions.get(command.suggestion)
        if found is None:
            raise _NoError("it was taken, or put aside, already")
        if not command.drop:
            about = f" about {found.path}" if found.path else ""
            text = f"{found.by} suggests{about}, {command.by} took it:\n\n{found.text}"
            words = f"\n\n{command.words.strip()}" if command.words.strip() else ""
            if why := self._session.submit(c.SubmitPrompt(id=command.id, text=text + words, by=command.by)):
                raise _NoError(why)
        self._emit(e.SuggestionTaken(suggestion=found.id, by=command.by, dropped=command.drop))

    # --- the session ---------------------------------------------------------------------------------------

    def _is_quiet(self) -> bool:
        return not self.shares.lent and all(one.owner for one in self.here.guests)

    def _emit(self, event: e.JournalEvent) -> None:
        """Journals EVENT while there is a session to tell it in."""
        if self._closed or self._session.state.phase == "ended" or self._session.broken:
            return
        with contextlib.suppress(JournalError):  # the session's own work meets it too, and ends for it
            self._session.emit(event, sync=isinstance(event, e.WheelPassed | e.Shared | e.ShareEnded))

    def close(self) -> None:
        """The session is over: nobody is waited for, and no door is left."""
        self._closed = True
        self.shares.close()
        self.wheel.close()
        self.here.close()
        for timer in self._timers:
            timer.cancel()


class _NoError(Exception):
    """A command that is refused, in words."""


_DOES: dict[type, Callable[..., str | None]] = {
    c.AskWheel: Guests._ask,
    c.GrantWheel: Guests._grant,
    c.TakeWheel: Guests._take,
    c.LeaveWheel: Guests._let_go,
    c.Share: Guests._share,
    c.EndShare: Guests._end_share,
    c.Say: Guests._say,
    c.Suggest: Guests._suggest,
    c.TakeSuggestion: Guests._take_suggestion,
}

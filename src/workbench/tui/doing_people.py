"""What the actions among people do: the wheel, words, suggestions, invitations, following."""

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.content import Content

from workbench.protocol import commands as c
from workbench.tui.safe import content, safe

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_ids = (f"among-{number}" for number in itertools.count(1))
_ROLES = ("viewer", "suggester", "driver")


def wheel(app: "WorkbenchApp", argument: str) -> None:
    """Takes the wheel back, asks for it, or hands it to ARGUMENT (or to the one who asked)."""
    people = app.people
    if argument:
        app.command(c.GrantWheel(id=next(_ids), to=argument, by=people.user), f"{argument} drives now")
    elif not people.drives or people.enter != "prompts":
        if people.owner or not people.presence.driver:
            app.command(c.TakeWheel(id=next(_ids), by=people.user))
        else:
            words = f"{people.presence.driver} was asked for the wheel"
            app.command(c.AskWheel(id=next(_ids), by=people.user), words)
    elif len(app.state.wheel_asked) == 1:
        wheel(app, app.state.wheel_asked[0])
    else:
        app.beside(lambda: _hand_over(app), "choose", exclusive=True)


async def _hand_over(app: "WorkbenchApp") -> None:
    from workbench.tui.screens.chooser import Chooser, Row

    asked = app.state.wheel_asked
    users = dict.fromkeys(one.user for one in app.people.others if one.user != app.people.user)
    if not users:
        app.tell("you drive, and nobody else is here")
        return
    rows = [Row(id=user, label=user, note="asks for it" if user in asked else "") for user in users]
    rows.append(Row(id="", label="(nobody)", note="let go of it: whoever may drive takes it by acting"))
    chosen: str | None = await app.push_screen_wait(Chooser(rows, "hand the wheel to"))
    if chosen:
        wheel(app, chosen)
    elif chosen == "":
        app.command(c.LeaveWheel(id=next(_ids), by=app.people.user), "nobody drives now")


def say(app: "WorkbenchApp", argument: str) -> None:
    """ARGUMENT to the other people; the agent does not see it."""

    async def ask() -> None:
        from workbench.tui.screens.ask import Ask

        text: str | None = argument or await app.push_screen_wait(Ask("say to the others", "the agent does not see it"))
        if text:
            app.command(c.Say(id=next(_ids), text=text, by=app.people.user))

    app.beside(ask, "choose", exclusive=True)


def send_on(app: "WorkbenchApp", argument: str) -> None:
    """Puts what was said last into the prompt, with its name, to be sent to the agent."""
    said = next((item for item in reversed(app.state.items) if item.kind == "said"), None)
    put = getattr(app.main.prompt, "put", None)
    if said is None or put is None:
        app.tell("nothing was said here yet")
        return
    words, editor = f"{said.by} says: {said.text}", getattr(app.main.prompt, "editor", None)
    if editor is not None and not editor.empty:  # what is typed there stays
        editor.write(words)
    else:
        put(words)
    app.do("prompt")


def who(app: "WorkbenchApp", argument: str) -> None:
    """Who is here, as what, where they sit and where they look; who was invited."""
    from workbench.tui.screens.ask import Note

    people, lines = app.people, []
    for one in people.presence.people:
        name = f"{one.user}{' (you)' if people.me is one else ''}"
        what = "drives" if one.user == people.presence.driver else one.role
        where = ", ".join(filter(None, (one.place, f"looks at {one.looks}" if one.looks else "",
                                        "connection lost" if one.away else "")))  # fmt: skip
        lines.append(Content.assemble(content(f"{name:<16}"), content(f"{what:<11}", "$muted"), content(where)))
    for share in app.state.shares.values():
        end = time.strftime("%H:%M", time.localtime(share.until))
        spent = f", ${share.max_usd:g} at most" if share.max_usd is not None else ""
        words = f"invited as {share.role} until {end}{spent}"
        lines.append(Content.assemble(content(f"{', '.join(share.who):<16}", "$muted"), content(words, "$muted")))
    lines = lines or [content("only you: `/share NAME` invites others of this machine", "$muted")]
    app.push_screen(Note("who is here", Content("\n").join(lines)))


def share(app: "WorkbenchApp", argument: str) -> None:
    """Invites as ARGUMENT says: `li,@ml suggester 2h`; `stop` shows everybody out."""

    async def ask() -> None:
        from workbench.tui.screens.ask import Ask

        words = (
            "users of this machine, and groups as @name; then viewer, suggester or driver; then until when: 18:00, 2h"
        )
        text: str | None = argument or await app.push_screen_wait(Ask("invite", words, placeholder="li suggester 2h"))
        if text == "stop":
            app.command(c.EndShare(id=next(_ids), by=app.people.user), "nobody is invited any more")
        elif text:
            await _invite(app, text)

    app.beside(ask, "choose", exclusive=True)


async def _invite(app: "WorkbenchApp", text: str) -> None:
    import msgspec

    from workbench.protocol.inviting import handed, until
    from workbench.tui.screens.ask import Note

    who, *rest = text.split()
    role = next((word for word in rest if word in _ROLES), "viewer")
    moments = [word for word in rest if word not in _ROLES]
    try:
        end = until(moments[0], time.time()) if moments else 0.0
    except ValueError as error:
        app.tell(str(error), "warning")
        return
    names = tuple(filter(None, who.split(",")))
    if app.client is None:
        return
    ack = await app.client.send(c.Share(id=next(_ids), who=names, role=role, until=end, by=app.people.user))
    if not ack.ok:
        app.tell(ack.error, "warning")
        return
    invited = msgspec.json.decode(ack.value, type=c.Invited)
    told = "\n\n".join(handed(invited, role))
    warning = content(f"\n\n{invited.warning}", "$warning", newlines=True) if invited.warning else Content("")
    foot = content(
        "\n\nThe token is told this once: hand it over by a way that only they can read.", "$muted", newlines=True
    )
    app.push_screen(Note("invited", Content.assemble(content(told, newlines=True), warning, foot)))


def take_suggestion(app: "WorkbenchApp", argument: str) -> None:
    """Hands the oldest suggestion on to the agent, with what stands in the prompt behind it."""
    _suggestion(app, drop=False)


def drop_suggestion(app: "WorkbenchApp", argument: str) -> None:
    """Puts the oldest suggestion aside."""
    _suggestion(app, drop=True)


def _suggestion(app: "WorkbenchApp", drop: bool) -> None:
    found = next(iter(app.state.suggestions.values()), None)
    if found is None:
        app.tell("nothing is suggested")
        return
    typed = "" if drop else str(getattr(app.main.prompt, "text", ""))
    words = "" if typed.strip().startswith(("/", "!")) else typed.strip()
    taken = c.TakeSuggestion(id=next(_ids), suggestion=found.id, words=words, drop=drop, by=app.people.user)

    async def send() -> None:
        if app.client is None:
            return
        ack = await app.client.send(taken)
        if not ack.ok:
            app.tell(ack.error, "warning")
        elif words and app.main.prompt.text == typed:  # type: ignore[attr-defined]  # else it was typed on meanwhile
            app.main.prompt.put("")  # type: ignore[attr-defined]

    app.beside(send, "commands")


def follow(app: "WorkbenchApp", argument: str) -> None:
    """Looks where ARGUMENT, or whoever drives, looks; asked again, no more."""
    app.tell(safe(app.people.follow(argument)))


DOES: dict[str, Callable[["WorkbenchApp", str], None]] = {
    "wheel": wheel,
    "say": say,
    "send_on": send_on,
    "who": who,
    "share": share,
    "take_suggestion": take_suggestion,
    "drop_suggestion": drop_suggestion,
    "follow": follow,
}

"""What the actions around sessions do: taking up, naming, forking, handing over, opening what is referred to."""

import asyncio
import itertools
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from workbench.protocol.commands import Fork, RaiseGpuHours, Rename, SetMode
from workbench.protocol.fold import PLACES
from workbench.protocol.names import MODES, Mode, lower
from workbench.tui.widgets.header import short_model

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_ids = (f"session-{number}" for number in itertools.count(1))


def choose_session(app: "WorkbenchApp", argument: str) -> None:
    """The list of sessions, or the session ARGUMENT at once, in place of this one."""

    async def choose() -> None:
        from workbench.tui.screens.sessions import Sessions

        over = app.state.phase == "ended" or bool(getattr(app.client, "ended", ""))  # it can be taken up again
        here = "" if over else app.state.session
        chosen: str | None = argument
        if not argument:
            # one in which nothing was ever asked is nothing to go back to
            rows = [row for row in await app.opener.sessions() if row.turns or row.state == "live" or row.title]
            screen = Sessions(rows, app.opener, here, lambda title: rename(app, title), partial(fork_at, app))
            chosen = await app.push_screen_wait(screen)
        if chosen and chosen != here:
            await app.switch(lambda: app.opener.resume(chosen))

    app.beside(choose, "choose", exclusive=True)


def rename(app: "WorkbenchApp", argument: str) -> None:
    """Another title for the open session."""

    def name(title: str) -> None:
        app.command(Rename(id=next(_ids), title=title, by=app.opener.user))

    async def ask() -> None:
        from workbench.tui.screens.ask import Ask

        if title := await app.push_screen_wait(Ask("rename the session", value=app.state.title)):
            name(title)

    if argument:  # at once: it may be said in the list of sessions, which still waits for a choice
        name(argument)
    else:
        app.beside(ask, "choose", exclusive=True)


def gpu_hours(app: "WorkbenchApp", argument: str) -> None:
    """A higher limit of GPU-hours for the open session."""

    async def ask() -> None:
        from workbench.tui.screens.ask import Ask

        held = app.state.caps.max_gpu_hours
        words = "this session has no limit" if held is None else f"in all; {held:g} now"
        text: str | None = argument or await app.push_screen_wait(Ask("GPU-hours of this session", words))
        if not text:
            return
        try:
            hours = float(text)
        except ValueError:
            app.tell(f"{text!r} is no number of hours", "warning")
            return
        command = RaiseGpuHours(id=next(_ids), hours=hours, by=app.opener.user)
        app.command(command, f"this session may use {hours:g} GPU-hours")

    app.beside(ask, "choose", exclusive=True)


def export(app: "WorkbenchApp", argument: str) -> None:
    """Writes the open session: as Markdown, as a page, or for programs, as the file's ending says."""

    async def ask() -> None:
        from workbench.tui.opening import NotOpenedError
        from workbench.tui.screens.ask import Ask

        if not app.state.session:
            app.tell("there is no session to export yet", "warning")
            return
        name: str | None = argument or await app.push_screen_wait(
            Ask("export to a file: .md, .html or .json", value=f"{app.state.session}.md")
        )
        if not name:
            return
        path = app.opener.workspace / Path(name).expanduser()
        try:
            await app.opener.export(app.state.session, path)
        except NotOpenedError as error:
            app.tell(error.message, "error")
        else:
            app.tell(f"written to {path}")

    app.beside(ask, "choose", exclusive=True)


def fork(app: "WorkbenchApp", argument: str) -> None:
    """Goes on in a fork: of all that was said so far, or from before a prompt that is chosen."""

    async def choose() -> None:
        from workbench.tui.screens.sessions import Turns

        session = app.state.session
        turns = await app.opener.turns(session) if session else []
        if not turns:
            await _forked(app, Fork(id=next(_ids), by=app.opener.user))
        elif (chosen := await app.push_screen_wait(Turns(turns))) is not None:
            fork_at(app, session, int(chosen))

    app.beside(choose, "choose", exclusive=True)


async def _forked(app: "WorkbenchApp", command: Fork) -> None:
    """Goes on in the session that the fork made."""
    if app.client is None:
        return
    ack = await app.client.send(command)
    if not ack.ok:
        app.tell(ack.error, "warning")
    elif ack.value:
        await app.switch(lambda: app.opener.resume(ack.value))


def fork_before_prompt(app: "WorkbenchApp", argument: str) -> None:
    """A new session from before the last prompt, which stands at the prompt again to be asked differently."""

    async def last() -> None:
        session = argument or app.state.session
        turns = await app.opener.turns(session) if session else []
        if turns:
            await _go_on_at(app, session, turns[-1].seq)
        else:
            app.tell("there is no prompt yet to fork from before", "warning")

    app.beside(last, "choose", exclusive=True)


def fork_at(app: "WorkbenchApp", session: str, seq: int) -> None:
    """Goes on in a fork of SESSION from before its prompt SEQ (0: of all of it)."""
    app.beside(partial(_go_on_at, app, session, seq), "choose", exclusive=True)


async def _go_on_at(app: "WorkbenchApp", session: str, seq: int) -> None:
    turn = next((one for one in await app.opener.turns(session) if seq and one.seq == seq), None)
    new = await app.opener.fork(session, seq)
    await app.switch(lambda: app.opener.resume(new))
    put = getattr(app.main.prompt, "put", None)
    if turn is not None and put is not None:
        put(turn.text)
        app.tell(f"forked from {session} as it was before turn {turn.turn}; that prompt stands below, to be changed")
    else:
        app.tell(f"forked from {session}")


def open_reference(app: "WorkbenchApp", argument: str) -> None:
    """Opens what ARGUMENT refers to; asks for it where nothing was given."""
    from workbench.tui import references

    async def ask() -> None:
        from workbench.tui.screens.ask import Ask

        words = "a session and its turn, such as s-4f:t12, or a run and its step, such as r-14@812"
        text: str | None = argument or await app.push_screen_wait(Ask("open", words))
        if not text:
            return
        if (reference := references.parse(text)) is None:
            app.tell(f"{text} is no reference; they look like s-4f:t12 or r-14@812", "warning")
        elif reference.run:
            await _open_run(app, reference.name, reference.at)
        else:
            await _open_turn(app, reference.name, reference.at)

    app.beside(ask, "choose", exclusive=True)


async def _open_run(app: "WorkbenchApp", run: str, step: int | None) -> None:
    """RUN in the runs pane, at STEP: any run of the workspace."""
    if run not in app.state.runs and run not in await _runs(app):
        app.tell(f"no run {run} is known here; the runs pane lists those of this workspace", "warning")
        return
    if app.main.focused_view != "runs":
        app.main.go("runs")
    if (open_run := getattr(app.panes.get("runs"), "open_run", None)) is not None:
        open_run(run, step)


async def _runs(app: "WorkbenchApp") -> set[str]:
    """The ids of all runs of the session's workspace; without a session, of this one."""
    from workbench.protocol.queries import ListRuns, Runs
    from workbench.tui.opening import OpeningClient

    client = app.client
    ask = app.opener.runs if client is None or isinstance(client, OpeningClient) else client.query
    page = await ask(ListRuns())
    return {row.id for row in page.rows} if isinstance(page, Runs) else set()


async def _open_turn(app: "WorkbenchApp", name: str, turn: int | None) -> None:
    """The session whose id begins with NAME, at TURN. Raises NotOpenedError."""
    session = app.state.session
    if not session or not session.startswith(name):
        session = await app.opener.find(name)
    if session != app.state.session:
        await app.switch(lambda: app.opener.resume(session))
    talk: Any = app.main.talk
    for _ in range(250):  # what was asked for is shown once the session's state is here
        if app.state.session == session:
            break
        await asyncio.sleep(0.02)
    if turn is not None and hasattr(talk, "load_at"):
        talk.move(_to_turn(talk, turn, app.state.seq * PLACES))


async def _to_turn(talk: Any, turn: int, last: int) -> None:
    """Shows where TURN begins, or what comes after it; LAST is an id that no item is beyond."""
    await talk.load_at(await talk.pages().turn(turn, last))


def choose_agent(app: "WorkbenchApp", argument: str) -> None:
    """Another agent: while nothing was asked yet the session is simply begun with it, later it gets a brief."""

    async def choose() -> None:
        from workbench.tui.screens.ask import Ask
        from workbench.tui.screens.chooser import Chooser, Row

        name, _, brief = argument.partition(" ")
        if not name:
            agents = await app.opener.agents()
            rows = [Row(id=one.name, label=one.name, note=one.description, words=one.source) for one in agents]
            chosen = await app.push_screen_wait(Chooser(rows, "hand over to", app.state.agent))
            name = chosen or ""
        if not name or name == app.state.agent:
            return
        if not app.state.turns:
            await app.switch(lambda: app.opener.open(agent=name))
            return
        words = "The other agent starts with this brief instead of the talk."
        given: str | None = brief.strip() or await app.push_screen_wait(Ask(f"hand over to {name}", words, _brief(app)))
        if given:
            await _forked(app, Fork(id=next(_ids), agent=name, brief=given, by=app.opener.user))

    app.beside(choose, "choose", exclusive=True)


def _brief(app: "WorkbenchApp") -> str:
    """What a brief may begin with: the session's title and what it changed."""
    changed = ", ".join(list(app.state.files)[-5:])
    return app.state.title + (f" (changed so far: {changed})" if changed else "")


def choose_model(app: "WorkbenchApp", argument: str) -> None:
    """Another model: while nothing was asked yet the session is simply begun with it, later it is forked."""

    async def choose() -> None:
        from workbench.tui.screens.ask import Ask
        from workbench.tui.screens.chooser import Chooser, Row

        name = argument
        if not name:
            rows = [
                Row(id=one.id, label=" ".join(one.aliases) or one.id, note=f"{_price(one.input, one.output)}  {one.id}")
                for one in await app.opener.models()
            ]
            chosen = await app.push_screen_wait(Chooser(rows, "choose a model", app.state.model))
            name = chosen or ""
        if not name or name == app.state.model:
            return
        if not app.state.turns:
            await app.switch(lambda: app.opener.open(model=name))
            return
        words = f"A session keeps its model. {short_model(name)} starts a new one with this brief instead of the talk."
        if given := await app.push_screen_wait(Ask("choose a model", words, _brief(app))):
            fork = Fork(id=next(_ids), agent=app.state.agent, model=name, brief=given, by=app.opener.user)
            await _forked(app, fork)

    app.beside(choose, "choose", exclusive=True)


def _price(into: float | None, out: float | None) -> str:
    if into is None or out is None:
        return f"{'price not known':<18}"
    return f"{f'${into:g} in, ${out:g} out':<18}"


def lower_mode(app: "WorkbenchApp", argument: str) -> None:
    """A narrower mode; a wider one needs a new start."""
    here = app.state.mode
    narrower = [mode for mode in MODES if lower(mode, here) == mode and mode != here]

    async def choose() -> None:
        from workbench.tui.screens.chooser import Chooser, Row

        wanted: str | None = argument
        if not wanted:
            rows = [Row(id=mode, label=mode, note=MODES_IN_WORDS[mode]) for mode in narrower]
            if not rows:
                app.tell(f"{here} is the narrowest mode there is")
                return
            wanted = await app.push_screen_wait(Chooser(rows, f"lower the mode (now {here})"))
        if not wanted or wanted == here:
            return
        mode = next((one for one in get_args(Mode) if one.lower() == wanted.lower()), None)
        if mode is None:
            app.tell(f"there is no mode {wanted!r}; there are {', '.join(get_args(Mode))}", "warning")
        elif mode not in narrower:
            app.tell(
                f"a running session's mode is only lowered; `mlwb --permission-mode {mode}` starts wider", "warning"
            )
        else:
            app.command(SetMode(id=next(_ids), mode=mode, by=app.opener.user), f"mode {mode}")

    app.beside(choose, "choose", exclusive=True)


MODES_IN_WORDS = {
    "plan": "reads and thinks; changes nothing",
    "dontAsk": "as default, and what would ask is denied",
    "default": "asks before edits and unconfined commands",
    "acceptEdits": "edits in the workspace pass; unconfined commands ask",
    "bypassPermissions": "asks nothing",
}

"""What each action of the app does. One function an action; `do` finds it by the action's id."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from textual.content import Content

from workbench.protocol.commands import Compact, Fork, Rename, SetMode, UndoRewind
from workbench.protocol.names import MODES, Mode, lower
from workbench.tui import prefs
from workbench.tui.safe import content
from workbench.tui.widgets.header import count, short_model

if TYPE_CHECKING:
    from textual.screen import Screen

    from workbench.tui.app import WorkbenchApp

_ids = (f"app-{number}" for number in itertools.count(1))


def do(app: "WorkbenchApp", action: str, argument: str = "") -> None:
    """Carries out the app's ACTION; ARGUMENT is what stood behind a slash command."""
    if action in ("talk", "diff", "runs", "gpu", "todo"):
        app.main.go(action)
    else:
        _DOES[action](app, argument.strip())


# --- places ------------------------------------------------------------------------------------------------


def _quit(app: "WorkbenchApp", argument: str) -> None:
    app.call_later(app.action_quit)


def _stop(app: "WorkbenchApp", argument: str) -> None:
    app.escape()


def _palette(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.palette import Palette

    app.push_screen(Palette(app.keymap), lambda chosen: app.do(chosen) if chosen else None)


def _help(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.help import Help

    app.push_screen(Help(app.keymap), lambda chosen: app.do(chosen) if chosen else None)


def _step(by: int) -> Callable[["WorkbenchApp", str], None]:
    return lambda app, argument: app.main.step(by)


def _size(dock: float = 0.0, height: float = 1.0) -> Callable[["WorkbenchApp", str], None]:
    return lambda app, argument: app.main.resize_view(dock, height)


def _motion(app: "WorkbenchApp", argument: str) -> None:
    app.prefs.motion = app.still
    prefs.save(app.prefs)
    app.main.chrome()
    app.tell("motion is " + ("reduced" if app.still else "on"))


def _theme(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.chooser import Row
    from workbench.tui.screens.themes import Themes

    if argument:
        app.wear(argument, keep=True)
        return
    looks = app.looks.all()
    for problem in app.looks.problems:
        app.tell(problem, "warning")
    rows = [Row(id=look.name, label=look.title, note="dark" if look.dark else "light") for look in looks]
    worn = app.theme
    app.push_screen(Themes(rows, app.wear, worn), lambda chosen: app.wear(chosen or worn, keep=bool(chosen)))


# --- the session -------------------------------------------------------------------------------------------


def _sessions(app: "WorkbenchApp", argument: str) -> None:
    async def choose() -> None:
        from workbench.tui.screens.sessions import Sessions

        here = app.state.session
        chosen: str | None = argument
        if not argument:
            listed = await app.opener.sessions()
            screen = Sessions(listed, app.opener, here, lambda title: _rename(app, title))
            chosen = await app.push_screen_wait(screen)
        if chosen and chosen != here:
            await app.switch(lambda: app.opener.resume(chosen))

    app.beside(choose, "choose", exclusive=True)


def _rename(app: "WorkbenchApp", argument: str) -> None:
    async def ask() -> None:
        from workbench.tui.screens.ask import Ask

        title: str | None = argument or await app.push_screen_wait(Ask("rename the session", value=app.state.title))
        if title:
            app.command(Rename(id=next(_ids), title=title, by=app.opener.user))

    app.beside(ask, "choose", exclusive=True)


def _export(app: "WorkbenchApp", argument: str) -> None:
    async def ask() -> None:
        from workbench.tui.opening import NotOpenedError
        from workbench.tui.screens.ask import Ask

        if not app.state.session:
            app.tell("there is no session to export yet", "warning")
            return
        name: str | None = argument or await app.push_screen_wait(
            Ask("export as Markdown", value=f"{app.state.session}.md")
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


def _fork(app: "WorkbenchApp", argument: str) -> None:
    app.beside(lambda: _forked(app, Fork(id=next(_ids), by=app.opener.user)), "choose", exclusive=True)


async def _forked(app: "WorkbenchApp", command: Fork) -> None:
    """Goes on in the session that the fork made."""
    if app.client is None:
        return
    ack = await app.client.send(command)
    if not ack.ok:
        app.tell(ack.error, "warning")
    elif ack.value:
        await app.switch(lambda: app.opener.resume(ack.value))


def _agent(app: "WorkbenchApp", argument: str) -> None:
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


def _model(app: "WorkbenchApp", argument: str) -> None:
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


def _mode(app: "WorkbenchApp", argument: str) -> None:
    """A narrower mode; a wider one needs a new start."""
    here = app.state.mode
    narrower = [mode for mode in MODES if lower(mode, here) == mode and mode != here]

    async def choose() -> None:
        from workbench.tui.screens.chooser import Chooser, Row

        wanted: str | None = argument
        if not wanted:
            rows = [Row(id=mode, label=mode, note=_MODES[mode]) for mode in narrower]
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


_MODES = {
    "plan": "reads and thinks; changes nothing",
    "dontAsk": "as default, and what would ask is denied",
    "default": "asks before edits and commands",
    "acceptEdits": "edits in the workspace pass, other commands ask",
    "bypassPermissions": "asks nothing",
}


def _compact(app: "WorkbenchApp", argument: str) -> None:
    app.command(Compact(id=next(_ids), by=app.opener.user), "the history will be shortened before the next answer")


def _rewind(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.widgets.dock import load

    if not app.state.session:
        app.tell("there is nothing to rewind yet")
    elif not isinstance(app.screen, screen := load("workbench.tui.screens.rewind:RewindScreen")):
        app.push_screen(cast("Screen[Any]", screen()))


def _undo_rewind(app: "WorkbenchApp", argument: str) -> None:
    app.command(UndoRewind(id=next(_ids), by=app.opener.user), "the rewind is undone")


# --- to read -----------------------------------------------------------------------------------------------


def _cost(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.ask import Note

    state, usage = app.state, app.state.usage
    spent = "not known: the price of a model is missing" if state.cost_usd is None else f"${state.cost_usd:.4f}"
    rows = [
        ("spent", spent),
        ("model", f"{short_model(state.model)}   {state.turns} turns"),
        ("tokens in", f"{usage.input_tokens:,}"),
        ("  from the cache", f"{usage.cache_read_input_tokens:,}"),
        ("  into the cache", f"{usage.cache_creation_input_tokens:,}"),
        ("tokens out", f"{usage.output_tokens:,}"),
        ("context now", count(state.context_tokens) + (f" of {count(app.facts.window)}" if app.facts.window else "")),
        ("model time", f"{state.duration_api_ms / 1000:.0f} s"),
    ]
    caps = state.caps
    rows += [("limit", f"${caps.max_usd:.2f}")] if caps.max_usd is not None else []
    rows += [("limit", f"{caps.max_tokens:,} tokens")] if caps.max_tokens is not None else []
    app.push_screen(Note("what it cost", _table(rows)))


def _permissions(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.ask import Note

    state = app.state
    denied = [item for item in state.items if item.status == "denied"][-20:]
    lines = [
        _table([("mode", f"{state.mode}   {_MODES.get(state.mode, '')}"), ("denied so far", str(state.denials))]),
        Content(""),
    ]
    for item in denied:
        lines.append(content(f"{item.tool}  {item.target}"))
        lines.append(
            content(f"    {item.reason or 'denied'}" + (f"  (rule {item.rule})" if item.rule else ""), "$muted")
        )
    if not denied:
        lines.append(content("No call was denied lately.", "$muted"))
    lines += [Content(""), content("Your rules lie in ~/.config/mlwb/config.yaml under permissions:", "$muted")]
    lines.append(content("allow, ask and deny, such as Bash(pytest:*). docs/permissions.md", "$muted"))
    app.push_screen(Note("rules and denials", Content("\n").join(lines)))


def _table(rows: list[tuple[str, str]]) -> Content:
    return Content("\n").join(Content.assemble(content(f"{name:<18}", "$muted"), content(text)) for name, text in rows)


_DOES: dict[str, Callable[["WorkbenchApp", str], None]] = {
    "quit": _quit,
    "palette": _palette,
    "help": _help,
    "stop": _stop,
    "next_view": _step(1),
    "previous_view": _step(-1),
    "prompt": lambda app, argument: app.main.focus_view("prompt"),
    "zoom": lambda app, argument: app.main.zoom(),
    "wider": _size(dock=0.05),
    "narrower": _size(dock=-0.05),
    "taller": _size(height=1.25),
    "shorter": _size(height=0.8),
    "sessions": _sessions,
    "rename": _rename,
    "fork": _fork,
    "handoff": _agent,
    "agent": _agent,
    "model": _model,
    "mode": _mode,
    "compact": _compact,
    "rewind": _rewind,
    "undo_rewind": _undo_rewind,
    "export": _export,
    "cost": _cost,
    "permissions": _permissions,
    "theme": _theme,
    "motion": _motion,
}

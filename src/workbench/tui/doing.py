"""What each action of the app does. One function an action; `do` finds it by the action's id."""

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from textual.content import Content

from workbench.protocol.commands import Compact, Interrupt, UndoRewind
from workbench.protocol.words import counted
from workbench.tui import alarms, prefs
from workbench.tui import doing_brief as at_brief
from workbench.tui import doing_people as at_people
from workbench.tui import doing_safety as at_safety
from workbench.tui import doing_session as at_session
from workbench.tui.actions import Action
from workbench.tui.safe import content
from workbench.tui.screens import sizes
from workbench.tui.view import View
from workbench.tui.widgets.footer import STILL
from workbench.tui.widgets.header import count, short_model

if TYPE_CHECKING:
    from textual.screen import Screen

    from workbench.tui.app import WorkbenchApp

_TWICE = 0.8  # seconds within which a second Esc opens the rewind
_ids = (f"app-{number}" for number in itertools.count(1))


def carry_out(app: "WorkbenchApp", action: Action, argument: str = "") -> None:
    """Carries out ACTION: the app's own, or that of a view which is mounted. ARGUMENT stood behind a slash command."""
    if action.on == "replay" and not hasattr(app.client, "place"):
        app.tell("this is no replay; `mlwb sessions replay ID` plays a session", "warning")
    elif action.on in ("prompt", "replay"):
        cast(View, app.main.prompt).do(action.id)
    elif action.on != "app":
        view: object = app.main.frames[action.on].held if action.on in app.main.frames else None
        if isinstance(view, View):
            view.do(action.id)
    elif action.id in ("talk", "diff", "runs", "gpu", "todo"):
        app.main.go(action.id)
    else:
        _DOES[action.id](app, argument.strip())


# --- places ------------------------------------------------------------------------------------------------


def _quit(app: "WorkbenchApp", argument: str) -> None:
    app.call_later(app.action_quit)


def _stop(app: "WorkbenchApp", argument: str) -> None:
    """Stops what runs; else goes back a step; twice in a row it opens the rewind."""
    if app.state.phase not in STILL:
        app.command(Interrupt(id=next(_ids), by=app.opener.user))
        return
    if alarms.close(app) or ((stop := getattr(app.main.prompt, "stop_shells", None)) and stop()):
        return
    now = time.monotonic()
    if not app.main.back() and now - app.escaped < _TWICE:
        app.escaped = 0.0
        app.do("rewind")
        return
    app.escaped = now


def _palette(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.palette import Palette

    app.push_screen(Palette(app.keymap), lambda chosen: app.do(*chosen.split(" ", 1)) if chosen else None)


def _help(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.help import Help

    app.push_screen(Help(app.keymap), lambda chosen: app.do(chosen) if chosen else None)


def _step(by: int) -> Callable[["WorkbenchApp", str], None]:
    return lambda app, argument: app.main.step(by)


def _size(dock: float = 0.0, height: float = 1.0) -> Callable[["WorkbenchApp", str], None]:
    return lambda app, argument: sizes.step(app.main, dock, height)


def _motion(app: "WorkbenchApp", argument: str) -> None:
    app.prefs.motion = app.still
    prefs.save(app.prefs)
    app.main.chrome()
    app.tell("motion is " + ("reduced" if app.still else "on"))


def _notify(app: "WorkbenchApp", argument: str) -> None:
    ways = {"auto": "by a notification, or the bell", "bell": "by the bell", "off": "not at all"}
    if argument and argument not in ways:
        app.tell(f"/notify takes {', '.join(ways)}, not {argument}", "warning")
        return
    names = list(ways)
    app.prefs.notify = cast(Any, argument or names[(names.index(app.prefs.notify) + 1) % len(names)])
    prefs.save(app.prefs)
    app.tell(f"while you look elsewhere you are called back {ways[app.prefs.notify]}")


def _search(app: "WorkbenchApp", argument: str) -> None:
    talk: object = app.main.frames["talk"].held
    if isinstance(talk, View):
        if app.main.single and app.main.current != "talk":
            app.main.go("talk")
        talk.do("search")


def _theme(app: "WorkbenchApp", argument: str) -> None:
    from workbench.tui.screens.chooser import Row
    from workbench.tui.screens.themes import Themes

    if argument:
        app.wear(argument, keep=True)
        return
    looks = app.looks.all()
    for problem in app.looks.problems:
        app.tell(problem, "warning")
    worn = app.theme
    rows = [
        Row(id=look.name, key="●" if look.name == worn else " ", label=look.title,
            note=("dark" if look.dark else "light") + ("  worn now" if look.name == worn else ""))
        for look in looks
    ]  # fmt: skip
    app.push_screen(Themes(rows, app.wear, worn), lambda chosen: app.wear(chosen or worn, keep=bool(chosen)))


# --- the session -------------------------------------------------------------------------------------------


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
        ("model", f"{short_model(state.model)}   {counted(state.turns, 'turn')}"),
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
    "sessions": at_session.choose_session,
    "rename": at_session.rename,
    "gpu_hours": at_session.gpu_hours,
    "open_reference": at_session.open_reference,
    "fork": at_session.fork,
    "fork_before": at_session.fork_before_prompt,
    "handoff": at_session.choose_agent,
    "agent": at_session.choose_agent,
    "model": at_session.choose_model,
    "mode": at_session.lower_mode,
    "compact": _compact,
    "rewind": _rewind,
    "undo_rewind": _undo_rewind,
    "brief": at_brief.show,
    "export": at_session.export,
    "cost": _cost,
    "permissions": at_safety.permissions,
    "audit": at_safety.audit,
    "doctor": at_safety.doctor,
    "trust": at_safety.trust,
    **at_people.DOES,
    "theme": _theme,
    "motion": _motion,
    "notify": _notify,
    "search": _search,
    "suspend": lambda app, argument: app.action_suspend_process(),
}

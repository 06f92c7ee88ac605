"""What the actions around safety do: the rules in force, the audit, the doctor, the standing of the workspace."""

from typing import TYPE_CHECKING, Any

from workbench.protocol.fold import PLACES
from workbench.protocol.queries import Holding, InForce

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


def audit(app: "WorkbenchApp", argument: str) -> None:
    """Each call of the open session; the chosen one is then shown in the talk."""

    async def look() -> None:
        from workbench.tui.screens.audit import Audit

        if not app.state.session:
            app.tell("there is no session to look through yet", "warning")
            return
        rows = await app.opener.audit(app.state.session)
        chosen = await app.push_screen_wait(Audit(rows))
        if chosen is not None:
            _go_to_call(app, chosen)

    app.beside(look, "choose", exclusive=True)


def _go_to_call(app: "WorkbenchApp", seq: int) -> None:
    talk: Any = app.main.talk
    if hasattr(talk, "load_at"):
        app.main.go("talk")
        talk.move(_open_call(talk, seq * PLACES))


async def _open_call(talk: Any, item: int) -> None:
    """Shows the call that the event of ITEM began, opened, with the cursor on it."""
    await talk.load_at(item - 1)
    entries = talk.window.entries
    at = next((at for at, entry in enumerate(entries) if entry.id >= item), None)
    if at is not None and entries[at].item.kind == "call":
        talk.transcript.cursor = (at, 0)
        if not entries[at].opened:
            talk.open_entry(entries[at])


def doctor(app: "WorkbenchApp", argument: str) -> None:
    """What works here and what does not."""
    from workbench.tui.screens.doctor import Doctor

    app.push_screen(Doctor(app.opener.findings))


def trust(app: "WorkbenchApp", argument: str) -> None:
    """How the workspace of the open session stands with the user."""

    async def look() -> None:
        from workbench.tui.screens.trust import show

        await show(app, app.state.workspace or str(app.opener.workspace))

    app.beside(look, "choose", exclusive=True)


def permissions(app: "WorkbenchApp", argument: str) -> None:
    """The mode, the rules, the confinement, and what would change them."""

    async def look() -> None:
        from workbench.tui.screens.permissions import Permissions

        await app.push_screen_wait(Permissions(app.state, await _held(app)))

    app.beside(look, "choose", exclusive=True)


async def _held(app: "WorkbenchApp") -> Holding | None:
    """The rules and the confinement as they are now; None without a session, or where its host cannot tell."""
    if app.client is None or not app.state.session:
        return None
    try:
        page = await app.client.query(InForce())
    except NotImplementedError:
        return None
    return page if isinstance(page, Holding) else None

"""The brief for who comes back: asked for by `/brief`, shown by itself after a longer absence."""

from typing import TYPE_CHECKING

from workbench.protocol.queries import Brief, BriefSince
from workbench.tui import prefs

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

ABSENCE = 30 * 60.0  # seconds after which one is told by itself


class NotToldError(Exception):
    """The session's host gives no brief; the message says why."""


async def asked(app: "WorkbenchApp", after: float, until: float | None = None) -> Brief:
    """What happened in the open session after Unix time AFTER, up to UNTIL. Raises NotToldError."""
    assert app.client is not None
    try:
        page = await app.client.query(BriefSince(after=after, until=until))
    except Exception as error:  # whatever a journal or a connection fails of
        raise NotToldError(f"what happened cannot be told: {error}") from None
    if not isinstance(page, Brief):
        raise NotToldError("what happened cannot be told: its host answered something else")
    return page


def show(app: "WorkbenchApp", argument: str) -> None:
    """What happened since the person looked last, before this time; after `/brief start` all of it."""

    async def tell() -> None:
        from workbench.tui.screens.brief import BriefSheet

        session = app.state.session
        if not session or app.client is None:
            app.tell("there is no session to tell of yet", "warning")
            return
        after = 0.0 if argument == "start" else prefs.looked().get(session, 0.0)
        try:
            brief = await asked(app, after)
        except NotToldError as error:
            app.tell(str(error), "error")
            return
        title = "since you last looked" if after else "what happened so far"
        app.push_screen(BriefSheet(brief, title, app.state.approvals))

    app.beside(tell, "choose", exclusive=True)


def after_absence(app: "WorkbenchApp", brief: Brief, away: float) -> None:
    """Shows BRIEF where the person was away for long, AWAY seconds; never over an approval."""
    from workbench.tui.screens.brief import BriefSheet

    if away >= ABSENCE and not app.state.approvals and app.screen is app.main:
        app.push_screen(BriefSheet(brief))

"""The brief for who comes back: asked for by `/brief`, shown by itself after a longer absence."""

from typing import TYPE_CHECKING

from workbench.tui import prefs

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

ABSENCE = 30 * 60.0  # seconds after which one is told by itself


def show(app: "WorkbenchApp", argument: str) -> None:
    """What happened since the person looked last, before this time; after `/brief start` all of it."""

    async def tell() -> None:
        from workbench.tui.opening import NotOpenedError
        from workbench.tui.screens.brief import BriefSheet

        session = app.state.session
        if not session:
            app.tell("there is no session to tell of yet", "warning")
            return
        after = 0.0 if argument == "start" else prefs.looked().get(session, 0.0)
        try:
            brief = await app.opener.brief(session, after)
        except NotOpenedError as error:
            app.tell(error.message, "error")
            return
        title = "since you last looked" if after else "what happened so far"
        app.push_screen(BriefSheet(brief, title, app.state.approvals))

    app.beside(tell, "choose", exclusive=True)


async def after_absence(app: "WorkbenchApp", looked: float, began: float) -> None:
    """Shows the brief where something happened and the person was away for long; never over an approval.

    LOOKED: when they were here last; BEGAN: when the session was opened, both in Unix time.
    """
    from workbench.tui.opening import NotOpenedError
    from workbench.tui.screens.brief import BriefSheet

    if began - looked < ABSENCE or app.state.approvals or app.screen is not app.main:
        return
    session = app.state.session
    try:
        brief = await app.opener.brief(session, looked, began)
    except NotOpenedError:  # the journal is somebody else's, or lies elsewhere: the talk tells it all the same
        return
    if app.state.session == session and not app.state.approvals and app.screen is app.main:
        app.push_screen(BriefSheet(brief))

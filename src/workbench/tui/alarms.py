"""What the watch over protected paths has found stands above the prompt until a person has seen to it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from workbench.protocol import events as e

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.widgets.alert import Alert

ABOUT = "protected"  # the kind of notice that the watch gives
_PERSON = ("person", "answer")


def given(app: "WorkbenchApp", news: Sequence[e.Envelope]) -> None:
    """Shows what the watch says in NEWS; words of a person to the agent put it away."""
    for envelope in news:
        event = envelope.event
        if isinstance(event, e.Notice) and event.about == ABOUT:
            _raise(app, event)
        elif isinstance(event, e.PromptSubmitted) and event.origin in _PERSON:
            close(app)


def close(app: "WorkbenchApp") -> bool:
    """Puts the alert away; whether there was one."""
    alert = _alert(app)
    if alert is not None:
        alert.closed = True
        alert.remove()
    return alert is not None


def _raise(app: "WorkbenchApp", event: e.Notice) -> None:
    from workbench.tui.widgets.alert import Alert, Remark

    alert = _alert(app)
    if alert is None:
        alert = Alert()
        app.main.mount(alert, before=app.main.prompt)
    alert.add(Remark(event.text, stops=event.level == "error"))


def _alert(app: "WorkbenchApp") -> "Alert | None":
    alerts = (cast("Alert", one) for one in app.main.query("Alert"))
    return next((one for one in alerts if not one.closed), None)

"""The demo's guide: one line above the prompt that says what to see and which key comes next."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.protocol import events as e
from workbench.protocol.state import SessionState
from workbench.tui.widgets.line import Part

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

# stage -> (what is to be seen, the key that comes next, what it does): 80 columns hold each
_LINES = {
    "start": ("A recorded model, real tools and training.", "enter", "begins: it is asked"),
    "working": ("It looks and measures.", "tab", "to the talk; enter opens a card, i back"),
    "asking": ("It may not edit unasked: see the change.", "y", "allows it once; n does not"),
    "changed": ("Changed; it trains again.", "tab 2", "to the diff; x takes a change back"),
    "refused": ("Refused; a recording cannot do otherwise.", "ctrl+r", "rewinds"),
    "done": ("Do not take its word for it.", "enter", "runs the check yourself"),
    "passed": ("Checked.", "ctrl+p", "lists all there is; ctrl+r rewinds, ctrl+q ends"),
    "failed": ("The check fails, see above.", "ctrl+r", "rewinds; ctrl+q ends the demo"),
}


class Tour:
    """Follows one session from ASK, the prompt that begins it, to CHECK, the command that ends it."""

    def __init__(self, ask: str, check: str) -> None:
        self._ask, self._check = ask, check
        self.stage = ""

    def begin(self, app: "WorkbenchApp") -> None:
        """The first prompt stands there to be sent."""
        if not self.stage:
            self._go(app, "start")

    def given(self, app: "WorkbenchApp", news: Sequence[e.Envelope]) -> None:
        """Goes on where NEWS say so."""
        stage = self.stage
        for envelope in news:
            stage = _after(stage, envelope.event, app.state)
        if stage != self.stage:
            self._go(app, stage)

    def _go(self, app: "WorkbenchApp", stage: str) -> None:
        self.stage = stage
        seen, key, does = _LINES[stage]
        line = [Part("demo  ", "$muted-2"), Part(f"{seen}  "), Part(key, "$agent bold"), Part(f" {does}", "$muted")]
        app.main.recall(line, stays=True)
        if stage in ("start", "done") and not getattr(app.main.prompt, "text", ""):
            app.main.prompt.put(self._ask if stage == "start" else self._check)  # type: ignore[attr-defined]


def _after(stage: str, event: e.AnyEvent, state: SessionState) -> str:
    match event:
        case e.RequestStarted() if stage == "start":
            return "working"
        case e.ApprovalRequested():
            return "asking"
        case e.ApprovalResolved(decision="no"):
            return "refused"
        case e.CallFinished(changed=changed, status="ok") if changed and stage in ("working", "asking"):
            return "changed"
        case e.Idle(reason="done") if stage not in ("passed", "failed", "refused"):
            return "done"
        case e.ShellRan(exit_code=code) if stage == "done":
            return "passed" if code == 0 else "failed"
    return stage

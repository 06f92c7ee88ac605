"""What an approval card says of a call, and the answers that it can have."""

from textual.content import Content

from workbench.protocol.state import PendingApproval
from workbench.tui.safe import content
from workbench.tui.widgets.approval_text import command_lines, display_lines, input_lines

_EDITABLE = 10_000  # characters of a call that can be changed here; a longer one may have come cut
DECIDED = {
    "once": "allowed once",
    "session": "allowed for this session",
    "always": "always allowed from now on",
    "no": "refused",
    "gone": "no longer asked: the call was cancelled",
}
_CHOICES = {"y": "once", "s": "session", "a": "always", "n": "no", "e": "edit", "o": "outside"}
FIELDS = {
    "s": "this rule holds until the session ends, as it stands here{outside} · enter allows · esc goes back",
    "a": "this rule will be saved, as it stands here{outside} · enter saves · esc goes back",
    "n": "no, because … (may be empty; the agent is told) · enter sends · esc goes back",
    "e": "runs as it stands here{outside}, if no rule denies it (the agent is told) · enter runs · esc goes back",
}
OUTSIDE = {"s": ", and what it allows runs outside the sandbox too", "e": ", outside the sandbox"}
OUTSIDE["a"] = OUTSIDE["s"]
_AGAIN = "; run it again outside?"  # what the title asks already


def choices(request: PendingApproval, outside: bool) -> dict[str, str]:
    """The answers that this call can have: no rule, no `always`; no command, nothing to edit; not confined, no way out.

    OUTSIDE: a person wants it to run outside the sandbox.
    """
    missing = set() if request.suggestion else {"s", "a"}
    given = request.input
    if not isinstance(given.get("command"), str) or sum(len(str(one)) for one in given.values()) > _EDITABLE:
        missing.add("e")
    if request.sandbox in ("", "outside"):
        missing.add("o")
    words = dict(_CHOICES)
    if request.again:  # what ran is run once more, as it was
        missing.add("e")
        words["y"] = "run it again"
    elif outside:
        words["o"] = "confined"
    return {key: said for key, said in words.items() if key not in missing}


def title(request: PendingApproval) -> Content:
    """The question."""
    tool = content(request.tool[:60])
    if request.again:
        return Content("run ") + tool + Content(" again, outside the sandbox?")
    return Content("allow ") + tool + Content("?")


def why(request: PendingApproval) -> str:
    """Why it asks."""
    reason = request.reason or "no rule allows it"
    return reason.removesuffix(_AGAIN) if request.again else reason


def runs_how(request: PendingApproval, outside: bool) -> str:
    """How it would run; nothing where nothing confines. OUTSIDE: as a person wants it."""
    if outside:
        return "outside the sandbox, because you chose so"
    if request.sandbox == "outside":
        return "outside the sandbox"
    return f"confined ({request.sandbox})" if request.sandbox else ""


def what(request: PendingApproval) -> list[Content]:
    """What would run or change, all of it."""
    command = request.input.get("command")
    if isinstance(command, str):
        others = {name: value for name, value in request.input.items() if name != "command"}
        return [*command_lines(command), *input_lines(others)]
    return display_lines(request.display) or input_lines(request.input) or [Content("nothing more is said of it")]

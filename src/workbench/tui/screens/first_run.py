"""What to do where no session could be opened: calm words in the place of the talk."""

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from workbench.tui.opening import NotOpenedError
from workbench.tui.safe import content

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_HEADS = {
    "error_authentication": "No key yet",
    "error_agent_definition": "This agent cannot start",
    "error_usage": "The session cannot start like this",
}
_STEPS = {
    "error_authentication": (
        ("export ANTHROPIC_API_KEY=…", "a key of the provider's console"),
        ("export ANTHROPIC_BASE_URL=http://localhost:11434", "or a server of your own that speaks the Messages API"),
        ("mlwb demo", "or a recorded session: real tools, no key, no network"),
    ),
    "error_agent_definition": (
        ("mlwb agents list", "the agents that are found here, and where"),
        ("mlwb agents check PATH", "what is wrong with a definition"),
        ("/agent", "choose another one now"),
    ),
    "error_usage": (("mlwb --help", "the flags"), ("mlwb agents list", "the agents that are found here")),
}
_OTHER = (("mlwb sessions list", "the sessions there are"), ("mlwb demo", "whether the workbench itself works here"))


class FirstRun(VerticalScroll):
    """Stands where the talk would be. Panes, sessions and help work all the same."""

    DEFAULT_CSS = """
    FirstRun { padding: 1 3; height: 1fr; }
    FirstRun Static { height: auto; max-width: 90; }
    """
    can_focus = False

    def __init__(self, error: NotOpenedError) -> None:
        super().__init__(Static(words(error)), id="first-run")

    @classmethod
    async def stand_in(cls, app: "WorkbenchApp", error: NotOpenedError) -> None:
        """Puts ERROR's words in the place of the talk; APP is a monitor from now on."""
        from workbench.tui.surroundings import Surroundings

        main, app.facts = app.main, app.facts._replace(monitor=True)
        for old in main.query(cls):
            await old.remove()
        if main.talk is not None:
            main.talk.display = False
        await main.frames["talk"].mount(cls(error))
        app.beside(Surroundings(app).alone, "facts", exclusive=True)


def words(error: NotOpenedError) -> Content:
    """What happened, what to do, and what works without."""
    lines = [content(_HEADS.get(error.subtype, "No session could be opened"), "bold"), Content("")]
    lines += [content(error.message, "$muted", newlines=True), Content("")]
    for command, meaning in error.steps or _STEPS.get(error.subtype, _OTHER):
        lines += [content(f"  {command}", "$agent"), content(f"      {meaning}", "$muted")]
    rest = "Without a session this is a monitor: the panes for runs and GPUs work, ctrl+o lists your sessions."
    return Content("\n").join([*lines, Content(""), content(rest, "$muted")])

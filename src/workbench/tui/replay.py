"""The workbench as it plays a session: everything is looked at, nothing is sent."""

from collections.abc import Sequence

from workbench.host.client import Client
from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui.app import PARTS, WorkbenchApp
from workbench.tui.opening import Opener, let_go
from workbench.tui.widgets.replay_bar import ReplayBar


class ReplayApp(WorkbenchApp):
    """The bar of the replay stands where the prompt would. It calls nobody, and notes of nothing that it was seen."""

    def __init__(self, opener: Opener, theme: str | None = None) -> None:
        super().__init__(opener, {**PARTS, "prompt": ReplayBar}, theme)

    async def attach(self, client: Client, began: float) -> None:
        """Draws CLIENT's session; nothing around it is looked up, for it was then."""
        await super().attach(client, began)
        self.surroundings, self._connection = None, None
        if self._presenter is not None and hasattr(client, "on_line"):
            client.on_line = self._presenter.renew  # gone to elsewhere: all is drawn anew

    def present(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """One batch from the presenter. Nobody is called for what happened long ago."""
        notify, self.prefs.notify = self.prefs.notify, "off"
        try:
            super().present(state, news)
        finally:
            self.prefs.notify = notify

    async def leave(self, lost: bool = False) -> None:
        """Closes the journal."""
        client, self._presenter, self.surroundings = self.client, None, None
        if client is not None:
            await let_go(client, self.opener.user)

    def do(self, action: str, argument: str = "") -> None:
        """As ever; what would stop the agent goes back a step."""
        if action == "stop":
            self.main.back()
        else:
            super().do(action, argument)

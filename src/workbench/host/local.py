"""A session owned by this process, and a client of it: what `mlwb run`, the demo and tests stand on."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from workbench import places
from workbench.definitions import discovery
from workbench.definitions.types import Definition
from workbench.host.hosting import Hosting
from workbench.models.base import ModelInfo
from workbench.models.catalogue import Catalogue
from workbench.protocol.commands import (
    Ack,
    AnyCommand,
)
from workbench.protocol.events import Envelope
from workbench.protocol.fold import PLACES
from workbench.protocol.names import Mode
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps, Task
from workbench.session import attended, loop, store
from workbench.session import resume as resuming
from workbench.session import start as starting
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.plan import Options, settings_of
from workbench.session.preflight import Finding
from workbench.session.preflight import preflight as _preflight
from workbench.session.snapshots import prune_daily
from workbench.session.store import SessionSummary
from workbench.settings import put_off
from workbench.settings import trust as trusting
from workbench.settings.standing import Standing, standing
from workbench.settings.types import SettingsError

__all__ = [
    "Finding",
    "LocalClient",
    "Options",
    "SessionSummary",
    "StartError",
    "begin_imports",
    "list_agents",
    "list_models",
    "list_sessions",
    "preflight",
    "resume",
    "start",
    "trust",
    "trust_is_asked",
    "trust_later",
    "trust_no_longer",
    "trust_standing",
]

_PRUNED_AFTER_S = 60.0


def begin_imports() -> None:
    """Starts the model SDK's import in a thread: it is the longest part of a start, and all else overlaps it."""
    from workbench.models.anthropic import begin_import

    begin_import()


class LocalClient:
    """A client in the session's own process."""

    outlives = False

    def __init__(self, hosting: Hosting, after: int = 0) -> None:
        self.session = hosting.session.id
        self.hosting = hosting
        self._feed = hosting.feed(after)

    @property
    def state(self) -> SessionState:
        """The session's own fold: in this process there is no need for a second one."""
        return self.hosting.session.state

    async def send(self, command: AnyCommand) -> Ack:
        """Carries COMMAND out, or says why not."""
        return await self.hosting.carry_out(command)

    def events(self) -> AsyncIterator[Envelope]:
        """Envelopes until the session ends."""
        return self._feed.envelopes()

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page from the journal, the blobs or the files; or which rules hold."""
        return await self.hosting.query(query)

    async def close(self) -> None:
        """Leaves, and lets go of the journal: this process owned the session."""
        self.hosting.leave(self._feed)
        await self.hosting.close()


def _prune_later(session: Session, options: Options) -> None:
    """Has old snapshots given up once a day, long after the session was opened, in a thread that holds up no end."""
    if session.snapshots is not None:
        later = threading.Timer(_PRUNED_AFTER_S, _prune, (session.context.workspace, options))
        later.daemon = True
        later.start()


def _prune(workspace: Path, options: Options) -> None:
    with contextlib.suppress(StartError):  # settings that became unreadable since
        kept = settings_of(workspace, options).snapshots
        prune_daily(places.sessions(), time.time(), kept.max_age_s, kept.max_size)


async def start(task: Task, options: Options) -> LocalClient:
    """A new session at work on TASK. Raises StartError."""
    session = starting.create(task, options)
    client = LocalClient(Hosting(session, options))
    _prune_later(session, options)
    session.start(attended.work if task.interactive else loop.work)
    return client


async def resume(
    session: str, caps: Caps, answer: str | None, options: Options, mode: Mode | None = None
) -> LocalClient:
    """An old session at work again, in another MODE if one is given. Raises StartError.

    The client's events begin with the resume. Where a person takes it up, with those that the state's items came from:
    what an item does not hold, such as the arguments of a call, is told in them.
    """
    resumed = resuming.resume(session, caps, answer, options, mode)
    after, items = resumed.began_after, resumed.state.items
    if options.attended and items:
        after = min(after, items[0].id // PLACES - 1)
    client = LocalClient(Hosting(resumed, options), after)
    _prune_later(resumed, options)
    resumed.start(attended.work if resumed.task.interactive else loop.work)
    return client


async def preflight(task: Task, options: Options) -> list[Finding]:
    """What would stand in TASK's way, found without spending a token."""
    return await _preflight(task, options)


def trust_standing(workspace: Path) -> Standing:
    """What WORKSPACE would widen, and whether the user trusts it. Blocks. Raises StartError."""
    try:
        return standing(workspace.resolve(), Path.home(), places.config(), places.state())
    except SettingsError as error:
        raise StartError("error_usage", str(error)) from None


def trust_is_asked(found: Standing) -> bool:
    """Whether a person is to be asked before a session starts: not where they said `not now` within a day."""
    workspace = Path(found.workspace)
    return bool(found.brings) and not (
        found.trusted or put_off.is_put_off(workspace, found.digest, places.state(), time.time())
    )


def trust(workspace: Path, digest: str) -> None:
    """Trusts WORKSPACE as a person was shown it: the files whose content is DIGEST. Blocks. Raises StartError."""
    found = trust_standing(workspace)
    if found.digest != digest:
        raise StartError("error_usage", "its settings have changed meanwhile, so nothing was trusted")
    with _recorded():
        trusting.trust(Path(found.workspace), found.files, places.state(), time.time())


def trust_later(workspace: Path, digest: str) -> None:
    """Nobody is asked about WORKSPACE with the content DIGEST for a day. Blocks. Raises StartError."""
    with _recorded():
        put_off.put_off(workspace.resolve(), digest, places.state(), time.time())


def trust_no_longer(workspace: Path) -> bool:
    """Forgets that the user trusts WORKSPACE; whether they did. Blocks. Raises StartError."""
    with _recorded():
        return trusting.revoke(workspace.resolve(), places.state())


@contextlib.contextmanager
def _recorded() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        words = f"the record of trust in {places.state()} cannot be written: {error.strerror or error}"
        raise StartError("error_usage", words) from None


def list_sessions() -> list[SessionSummary]:
    """The sessions of this user, the newest first. Blocks."""
    return store.list_sessions()


def list_agents(workspace: Path) -> list[Definition]:
    """The agents that a session in WORKSPACE can be started with, by name. Blocks."""
    found = discovery.discover(workspace, Path.home(), places.config())
    nearest = [row.definition for row in found if row.shadowed_by is None]
    return sorted((one for one in nearest if discovery.startable(one) is None), key=lambda one: one.name)


def list_models() -> list[ModelInfo]:
    """The models of the catalogue, without the settings' corrections."""
    return list(Catalogue.load({}).rows.values())

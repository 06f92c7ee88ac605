"""What confines the commands of a session, and how far each of them may reach."""

import contextlib
import os
import pwd
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench import places, programs
from workbench.permissions.paths import protected_names
from workbench.permissions.types import Need, Policy, Runs, Verdict
from workbench.sandbox import layers
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.secret_places import Seen, in_workspace
from workbench.sandbox.types import Launcher, Layer, Limits, Profile, Reach
from workbench.session.end import StartError
from workbench.session.gate import Gate
from workbench.session.journal import is_live
from workbench.settings.types import Sandbox

_KEPT_S = 7 * 86_400.0


class Confinement:
    """How the commands of one session run: in a layer of the operating system, or as they are where there is none.

    ROOTS are what the commands may write in, TEMP is their temporary folder.
    """

    def __init__(
        self,
        launcher: Launcher,
        layer: Layer | None,
        settings: Sandbox,
        temp: Path | None = None,
        roots: tuple[Path, ...] = (),
    ) -> None:
        self.launcher = launcher
        self.layer = layer
        self.temp = temp
        self.outside = settings.outside  # rules whose commands are not confined
        self.settings = settings
        self._roots = roots
        self._seen: Seen = {}

    @property
    def name(self) -> str:
        """The layer, as a call's record names it; empty where there is none."""
        return self.layer.name if self.layer else ""

    @property
    def network(self) -> str:
        """What commands reach: none, allowlist, full; full where nothing confines them."""
        return self.settings.network if self.layer else "full"

    @property
    def allows(self) -> bool:
        """Whether what asks only because nothing allows it runs confined in place of asking, as the settings say.

        Where they say nothing: as the layer deserves. Landlock cannot hide a secret that lies in the workspace.
        """
        if self.layer is None or self.settings.auto_allow is not None:
            return self.layer is not None and bool(self.settings.auto_allow)
        return self.layer.auto_allow and self._exposed() is None

    def _exposed(self) -> Path | None:
        """A secret in the workspace that the layer cannot hide from commands."""
        if self.layer is None or self.layer.name != "landlock":
            return None
        return next((path for root in self._roots for path in in_workspace(root, self._seen)), None)

    def _why_it_asks(self) -> str:
        """What is added to an ask that confinement would have taken the place of, were it not for a secret."""
        if self.layer is None or self.settings.auto_allow is not None or not self.layer.auto_allow:
            return ""
        return (
            f"; it does not run confined instead, since Landlock cannot hide {self._exposed()} from it "
            "(bubblewrap could; `sandbox: {autoAllow: true}` lets commands read it)"
        )

    def settle(self, gate: Gate, needs: tuple[Need, ...], cwd: str, verdict: Verdict) -> tuple[Verdict, Reach]:
        """VERDICT, an allow where confinement takes the place of asking, and how far the command then reaches.

        An ask that guards something asks to let exactly that through: what a person approves there is not confined.
        """
        if self.layer is None or not any(isinstance(need, Runs) for need in needs):
            return verdict, "confined"
        if gate.covers(self.outside, needs, cwd):
            return verdict, "outside"
        if verdict.verdict == "ask" and not verdict.confinable and not verdict.rule:
            return verdict, "outside"
        if gate.only_git_writes(needs, cwd):
            return verdict, "git"
        if verdict.verdict == "ask" and verdict.confinable and self.allows:
            return Verdict(
                verdict="allow", reason=f"runs confined ({self.name}); else it would ask: {verdict.reason}"
            ), "confined"
        if verdict.verdict == "ask" and verdict.confinable and (more := self._why_it_asks()):
            verdict = msgspec.structs.replace(verdict, reason=verdict.reason + more)
        return verdict, "confined"

    def told(self, needs: tuple[Need, ...], reach: Reach) -> str:
        """What the record of a call says of how it runs: the layer, or `outside`; nothing where none is there."""
        if self.layer is None or not any(isinstance(need, Runs) for need in needs):
            return ""
        return "outside" if reach == "outside" else self.layer.name

    def words(self) -> list[str]:
        """For the model: what holds for its commands."""
        if self.layer is None or self.temp is None:
            return []
        reached = {
            "none": "they reach no network but loopback",
            "allowlist": "they reach the domains that the user allows",
            "full": "they reach the network",
        }
        return [
            f"commands: confined ({self.layer.name}); they write in the workspace and in {self.temp} (TMPDIR, and /tmp "
            f"as they see it), not in .git or other protected places; {reached[self.settings.network]}"
        ]


def confine(
    mode: str, settings: Sandbox, plain: PlainLauncher, policy: Policy, session: Path, env: Mapping[str, str]
) -> Confinement:
    """The confinement of the session kept in the folder SESSION. MODE is the task's own word, off or auto.

    Raises StartError where its temporary folder cannot be made, and for settings that cannot hold; OSError.
    """
    layer = None if mode == "off" else layers.choose(settings.mode)
    if layer is None:
        return Confinement(plain, None, settings)
    try:
        temp = temporary_folder(session.name)
    except OSError as error:
        raise StartError("error_during_execution", str(error)) from None
    threading.Thread(target=sweep_temporary, args=(time.time(),), daemon=True).start()
    roots = tuple(map(Path, policy.roots))
    profile = Profile(
        roots=roots,
        temp=temp,
        home=Path(policy.home),
        read_only=_kept(roots, Path(policy.home)),
        hidden=(places.state(), temp.parent, *socket_folders()),  # other sessions' temporary folders too
        shown=(session / "outputs",),
        caches=tuple(places.named(name) for name in settings.caches),
        network=settings.network,
        domains=settings.domains,
        limits=Limits(processes=settings.processes, memory=settings.memory, file_size=settings.file_size),
    )
    try:
        launcher = ConfinedLauncher(plain, layer, profile, env)
    except ValueError as error:
        raise StartError("error_usage", f"the setting sandbox.domains: {error}") from None
    return Confinement(launcher, layer, settings, temp, roots)


def _kept(roots: tuple[Path, ...], home: Path) -> tuple[Path, ...]:
    """What stays as it is within ROOTS, and wherever it lies: what this program reads of the user's when it starts."""
    above_home = any(home != root and home.is_relative_to(root) for root in roots)
    kept = [path for root in (*roots, *([home] if above_home else [])) for path in protected_in(root)]
    return (*kept, places.config(), *programs.own_folders(roots))


def protected_in(root: Path) -> tuple[Path, ...]:
    """The protected paths at the top of ROOT, those that do not exist yet included."""
    return tuple(root / name for name in protected_names())


def socket_folders() -> tuple[Path, ...]:
    """Where the control sockets of live sessions lie."""
    return (places.sockets(),)


def temporary_folder(session: str) -> Path:
    """The temporary folder of SESSION's commands, ours alone; its path is short, since sockets are made in it.

    Raises OSError where somebody else has taken its place.
    """
    above = _above()
    for folder in (above, above / session):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if wrong := _not_ours(folder):
                raise OSError(f"{folder}, where commands keep temporary files, {wrong}") from None
    return above / session


def _not_ours(folder: Path) -> str:
    """Why FOLDER, which is there, is not this user's alone, and what to do; empty where it is."""
    found = folder.lstat()
    elsewhere = "or start mlwb with another TMPDIR"
    if found.st_uid != os.getuid():
        try:
            owner = pwd.getpwuid(found.st_uid).pw_name
        except KeyError:
            owner = f"the user number {found.st_uid}"
        return f"belongs to {owner}: have it removed, {elsewhere}"
    if not stat.S_ISDIR(found.st_mode):
        return f"is no folder: remove it, {elsewhere}"
    return f"is open to others: run chmod 700 {folder}, {elsewhere}" if found.st_mode & 0o077 else ""


def sweep_temporary(now: float) -> None:
    """Removes the temporary folders of sessions that made nothing in them for a week, and that nobody has open."""
    with contextlib.suppress(OSError):
        for folder in _above().iterdir():
            if folder.stat().st_mtime < now - _KEPT_S and not is_live(places.sessions() / folder.name):
                shutil.rmtree(folder, ignore_errors=True)


def _above() -> Path:
    return Path(tempfile.gettempdir()) / f"mlwb-tmp-{os.getuid()}"

"""What `mlwb doctor` looks at, one function a thing. Each tells what it found, and how to mend what is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from workbench import places, programs
from workbench.protocol.words import counted

_ROOM = 1_000_000_000  # bytes that the state directory's disk should have left
_LOOK_S = 5.0  # what a program may take to say its version


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. `ok` is None where it is missing and can be done without; `fix` says how to mend it."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


Check = Callable[[], Iterator[Finding]]


def all_checks() -> tuple[Check, ...]:
    """The checks, in the order in which they are told."""
    return (key, git, ripgrep, gpus, sandbox, settings, agents, state, hosts, terminal, clipboard)


def key() -> Iterator[Finding]:
    """The key and the endpoint: asked without spending a token."""
    import asyncio

    from workbench.models.anthropic import AnthropicClient
    from workbench.models.catalogue import Catalogue

    named = [name for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN") if os.environ.get(name)]
    base = os.environ.get("ANTHROPIC_BASE_URL", "")
    if not named and not base:
        fix = "export ANTHROPIC_API_KEY=…, or ANTHROPIC_BASE_URL for a server of your own that speaks the Messages API"
        yield Finding(name="key", ok=False, detail="neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN is set", fix=fix)
        return
    yield Finding(name="key", ok=True, detail=f"{' and '.join(named) or 'none; a placeholder is sent'}")

    async def ask() -> Finding:
        client = AnthropicClient(env=os.environ)
        try:
            ok, detail, fix, _ = await client.check(Catalogue.load({}).find("sonnet"))
        finally:
            await client.close()
        return Finding(name="endpoint", ok=ok, detail=detail, fix=fix)

    yield asyncio.run(ask())


def git() -> Iterator[Finding]:
    """git itself, and whether this folder is in a repository."""
    programs.shun([Path.cwd()])
    if programs.find("git") is None:
        yield Finding(
            name="git", ok=None, detail="not found: no branch, no diff against HEAD, plain snapshots", fix="install git"
        )
        return
    inside = _said("git", "rev-parse", "--is-inside-work-tree") == "true"
    where = "this folder is in a repository" if inside else "this folder is in no repository"
    yield Finding(name="git", ok=True, detail=f"{_said('git', '--version')}; {where}")


def ripgrep() -> Iterator[Finding]:
    """The fast search."""
    there = programs.find("rg") is not None
    detail = _said("rg", "--version").partition("\n")[0] if there else "not found: Grep is slower on large trees"
    yield Finding(name="ripgrep", ok=True if there else None, detail=detail, fix="" if there else "install ripgrep")


def gpus() -> Iterator[Finding]:
    """The cards, through NVML."""
    from workbench.telemetry.sampler import Sampler

    sampler = Sampler(Path.cwd())
    try:
        sample = sampler.sample()
    finally:
        sampler.close()
    if sample.gpus:
        names = ", ".join(sorted({card.name or "a card without a name" for card in sample.gpus}))
        yield Finding(name="nvml", ok=True, detail=f"{len(sample.gpus)}: {names}; driver {sample.driver or '—'}")
    else:
        yield Finding(name="nvml", ok=None, detail=sample.problem or "no NVIDIA driver")


def sandbox() -> Iterator[Finding]:
    """What of the operating system can confine commands here, each layer tried by running something in it."""
    from workbench.sandbox import layers

    found = layers.probe()
    holds = any(layer.ok for layer in found)
    for layer in found:
        alone = " (what only lacks a rule still asks under it)" if layer.ok and not layer.auto_allow else ""
        ok = True if layer.ok else None
        yield Finding(name=layer.name, ok=ok, detail=layer.detail + alone, fix="" if layer.ok else layer.fix)
    if not holds:
        words = "nothing confines commands here: each one that no rule allows asks, or is denied where nobody is there"
        yield Finding(name="sandbox", ok=False, detail=words, fix="mend one of the layers above")


def settings() -> Iterator[Finding]:
    """The settings that hold here, and what of them is ignored."""
    from workbench.settings import trust
    from workbench.settings.load import load
    from workbench.settings.types import SettingsError

    try:
        found = load(Path.cwd(), Path.home(), places.config(), trusts=trust.digests(places.state()))
    except SettingsError as error:
        yield Finding(name="settings", ok=False, detail=str(error), fix="mend the file")
        return
    own = places.config() / "config.yaml"
    yield Finding(name="settings", ok=True, detail=f"{own}{'' if own.exists() else ' is not there: the defaults hold'}")
    for note in found.notes:
        yield Finding(name="settings", ok=None, detail=note)


def agents() -> Iterator[Finding]:
    """The agent definitions that can be started from here, and those that cannot."""
    from workbench.definitions import discovery

    found = discovery.discover(Path.cwd(), Path.home(), places.config())
    broken = [entry for entry in found if entry.definition.status == "rejected"]
    yield Finding(name="agents", ok=True, detail=f"{len(found) - len(broken)} definitions")
    for entry in broken:
        fix = f"mlwb agents check {entry.definition.path}"
        yield Finding(name="agents", ok=None, detail=f"{entry.definition.path} is refused", fix=fix)


def state() -> Iterator[Finding]:
    """Where sessions are kept, what they take, and whether the disk has room."""
    from workbench.session.snapshots import usage

    folder = places.state()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        fix = "make it writable, or set XDG_STATE_HOME to a folder that is"
        yield Finding(
            name="state", ok=False, detail=f"nothing can be written in {there}: no session can be kept", fix=fix
        )
        return
    sessions = _folders(places.sessions())
    many, snapshots = counted(len(sessions), "session"), sum(map(usage, sessions))
    free = shutil.disk_usage(there).free
    detail = f"{folder}: {many}, snapshots {snapshots / 1e6:,.0f} MB, {free / 1e9:,.0f} GB free"
    fix = "" if free > _ROOM else "make room: `mlwb sessions rm ID`, or the settings `snapshots.maxAge` and `maxSize`"
    yield Finding(name="state", ok=free > _ROOM, detail=detail, fix=fix)


def hosts() -> Iterator[Finding]:
    """Where the sockets of live sessions lie, which sessions are live, and what hosts that are gone left behind."""
    from workbench.host import sockets
    from workbench.session import journal

    live = [folder.name for folder in _folders(places.sessions()) if journal.is_live(folder)]
    try:
        folder = sockets.folder()
        there, stale = folder.is_dir(), sockets.stale()
        sockets.path_of("s-00000000")
    except sockets.SocketError as error:
        yield Finding(name="sockets", ok=False, detail=str(error), fix="no session can be begun before that is mended")
        return
    deaf = [name for name in live if not (folder / f"{name}.sock").exists()]
    parts = [f"{folder}{'' if there else ' (made when a session begins)'}: {counted(len(live), 'live session')}"]
    if stale:
        parts.append(f"{counted(len(stale), 'socket')} of hosts that are gone, removed when the next one begins")
    yield Finding(name="sockets", ok=True, detail="; ".join(parts))
    if deaf:
        why = f"of an open `mlwb demo`, on another machine, or begun with another {sockets.VARIABLE}"
        words = f"{', '.join(deaf[:5])}: live, and no socket here: {why}"
        yield Finding(name="sockets", ok=None, detail=words, fix="`mlwb sessions list` says where each lives")


def _folders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return []


def terminal() -> Iterator[Finding]:
    """What the workbench draws on."""
    drawn = sys.__stderr__  # not what the workbench puts in its place
    if drawn is None or not (sys.stdin.isatty() and drawn.isatty()):
        yield Finding(name="terminal", ok=None, detail="this is none; `mlwb` needs one, `mlwb run` does not")
        return
    size = shutil.get_terminal_size()
    small = size.columns < 60 or size.lines < 16
    name = os.environ.get("TERM", "")
    colours = os.environ.get("COLORTERM") in ("truecolor", "24bit")
    shown = (
        f"{name or 'TERM is not set'}, {size.columns}x{size.lines}, {'24-bit colours' if colours else 'fewer colours'}"
    )
    if name in ("", "dumb"):
        yield Finding(name="terminal", ok=False, detail=shown, fix="export TERM=xterm-256color")
    elif small:
        yield Finding(name="terminal", ok=None, detail=shown, fix="60x16 or more shows the panes")
    else:
        yield Finding(name="terminal", ok=True, detail=shown)
    encoding = (drawn.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield Finding(name="locale", ok=None, detail=f"text is encoded as {encoding}", fix="export LC_ALL=C.UTF-8")


def clipboard() -> Iterator[Finding]:
    """Whether what is copied can reach the clipboard: OSC 52, which tmux has to pass on."""
    if not os.environ.get("TMUX"):
        detail = "by OSC 52: most terminals take it; some ask first, a few do not"
        yield Finding(name="clipboard", ok=None if not sys.stdin.isatty() else True, detail=detail)
        return
    passed = _said("tmux", "show", "-gv", "set-clipboard")
    ok = passed in ("on", "external")
    fix = "" if ok else "in ~/.tmux.conf: set -g set-clipboard on"
    yield Finding(name="clipboard", ok=ok or None, detail=f"tmux, set-clipboard {passed or 'not known'}", fix=fix)


def _said(*command: str) -> str:
    """What COMMAND prints, stripped; empty where it fails."""
    programs.shun([Path.cwd()])
    found = programs.find(command[0])
    if found is None:
        return ""
    try:
        done = subprocess.run([found, *command[1:]], capture_output=True, text=True, timeout=_LOOK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

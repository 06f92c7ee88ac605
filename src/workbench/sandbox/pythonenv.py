"""The Python environment that commands use: the one that is active, else one that lies in the workspace."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

_FOLDERS = (".venv", "venv", "env", ".conda")
# Programs that a person expects to be the system's own. An environment that brings one of these is not put on the
# PATH by itself: a repository could carry a `venv/bin/ls`, and `ls` is a command that nobody is asked about.
_SYSTEM_NAMES = """
awk base64 basename bash cal cat cd chmod chown cksum cmp column comm cp cut date dd df diff dir dirname docker du
echo egrep env expand expr false fgrep file find fmt fold free getconf git grep groups gzip head hexdump hostname id
install join kill less ln locale ls lscpu lsof md5sum mkdir mktemp more mv nice nl nohup nproc nvidia-smi od paste
pgrep pkill pr printenv printf ps pwd readlink realpath rev rg rm rmdir sed seq sh sha1sum sha256sum sha512sum shuf
sleep sort split stat stdbuf strings sudo sum tac tail tar tee test time timeout touch tr tree true tsort tty type
uname unexpand uniq uptime vdir wc which who whoami xargs xxd yes zcat zgrep [
arch b2sum b3sum batcat bzcat gzcat lsblk lspci top unzip w whereis xzcat zipinfo zstdcat jq xz zstd bzip2 nc stty
bc iostat lsmod numfmt pidof pstree sacct scontrol sinfo squeue ss vmstat
"""
_SYSTEM = frozenset(_SYSTEM_NAMES.split())


class PythonEnv(msgspec.Struct, frozen=True, kw_only=True):
    """An environment: a venv or a conda one. `active`: the user's own shell had activated it.

    `shadows` names the system's programs that it would hide; such a one is found and not used.
    """

    path: Path
    kind: str  # venv, conda
    active: bool = False
    shadows: tuple[str, ...] = ()


def find(workspace: Path, env: Mapping[str, str], own: str = sys.prefix) -> PythonEnv | None:
    """The environment for commands in WORKSPACE, given the user's ENV. OWN is the one that this program runs in.

    What the user activated goes before what lies in the workspace, which goes before conda's base and OWN.
    """
    active = _active(env)
    if active is not None and str(active.path) != own:
        return active
    for name in _FOLDERS:
        folder = workspace / name
        kind = _kind(folder)
        if kind is not None:
            if active is not None and active.path == folder:
                return active
            return PythonEnv(path=folder, kind=kind, shadows=_shadows(folder / "bin"))
    return active


def activated(env: Mapping[str, str], found: PythonEnv | None) -> dict[str, str]:
    """ENV as it is after activating FOUND; unchanged where there is nothing to activate."""
    changed = dict(env)
    if found is None or found.active or found.shadows:
        return changed
    changed["PATH"] = f"{found.path / 'bin'}:{env.get('PATH', os.defpath)}"
    changed.pop("PYTHONHOME", None)
    if found.kind == "venv":
        changed["VIRTUAL_ENV"] = str(found.path)
    else:
        changed.pop("VIRTUAL_ENV", None)
        changed["CONDA_PREFIX"] = changed["CONDA_DEFAULT_ENV"] = str(found.path)
    return changed


def _active(env: Mapping[str, str]) -> PythonEnv | None:
    folders = env.get("PATH", "").split(":")
    venv, conda = env.get("VIRTUAL_ENV", ""), env.get("CONDA_PREFIX", "")
    if venv and f"{venv}/bin" in folders:
        return PythonEnv(path=Path(venv), kind="venv", active=True)
    if conda and f"{conda}/bin" in folders and env.get("CONDA_DEFAULT_ENV") != "base":
        return PythonEnv(path=Path(conda), kind="conda", active=True)
    return None


def _kind(folder: Path) -> str | None:
    if not (folder / "bin" / "python").exists():
        return None
    if (folder / "pyvenv.cfg").is_file():
        return "venv"
    return "conda" if (folder / "conda-meta").is_dir() else None


def _shadows(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(_SYSTEM.intersection(os.listdir(folder))))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return ()

"""Which layers of the operating system hold here, each tried by running something in it."""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from workbench.sandbox import bubblewrap, landlock
from workbench.sandbox.connections import Listening
from workbench.sandbox.landlocked import Landlocked
from workbench.sandbox.tree import Tree
from workbench.sandbox.types import Layer, Profile

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")
_MOST = Path("/proc/sys/user/max_user_namespaces")
_TIMEOUT_S = 5
_INSTALL = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap)"


@functools.cache
def probe() -> tuple[Layer, ...]:
    """The layers, the better one first, each tried once in a process. Never raises."""
    return (_bubblewrap(), _landlock())


def choose(mode: str = "auto") -> Layer | None:
    """The layer for the setting `sandbox.mode`: auto, bubblewrap, landlock, off. None: none is wanted, or holds."""
    if mode == "off":
        return None
    return next((layer for layer in probe() if layer.ok and mode in ("auto", layer.name)), None)


def _bubblewrap() -> Layer:
    if not sys.platform.startswith("linux"):
        return Layer(
            name="bubblewrap", ok=False, detail="only Linux has it", fix="run mlwb on Linux, or in a container"
        )
    if bubblewrap.executable() is None:
        return Layer(name="bubblewrap", ok=False, detail="bwrap was not found", fix=_INSTALL)
    try:
        problem = _run_in_bubblewrap()
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    if not problem:
        how = "as root" if os.geteuid() == 0 else "in a user namespace"
        return Layer(name="bubblewrap", ok=True, detail=f"works {how}", auto_allow=True)
    return Layer(name="bubblewrap", ok=False, detail=problem, fix=_mend(problem))


def _run_in_bubblewrap() -> str:
    """Empty where a command ran in the real profile and could not write outside of it; else why not."""
    with tempfile.TemporaryDirectory(prefix="mlwb-") as folder:
        root = Path(os.path.realpath(folder))
        profile = Profile(roots=(root,), temp=root, home=Path.home(), read_only=(root / "kept",))
        (root / "kept").mkdir()
        script = 'touch made && ! touch "$0" kept/made /etc/made 2>/dev/null'
        ready = bubblewrap.prepare(profile, cwd=root, scratch=None)
        try:
            done = subprocess.run(
                [*ready.words, "/bin/sh", "-c", script, str(root.parent / "made")],
                pass_fds=ready.descriptors,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_S,
                env={"PATH": os.defpath},
            )
        finally:
            ready.close()
        if done.returncode == 0 and (root / "made").exists():
            return ""
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return said[-1].removeprefix("bwrap: ") if said else "a command in it wrote outside of its folder"


def _landlock() -> Layer:
    if not sys.platform.startswith("linux"):
        return Layer(name="landlock", ok=False, detail="only Linux has it", fix="run mlwb in a Linux container")
    abi = landlock.abi()
    if abi == 0:
        fix = "use Linux 5.13 or later, with landlock in the list that the boot parameter `lsm=` gives"
        return Layer(name="landlock", ok=False, detail="the kernel has no Landlock, or it is off", fix=fix)
    try:
        problem = _run_in_landlock(abi)
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    if problem:
        fix = (
            "its system calls are supervised, in a thread with a umask of its own: allow seccomp with a listener, and "
            "unshare (docker run --security-opt seccomp=unconfined), in this container"
        )
        return Layer(name="landlock", ok=False, detail=problem, fix=fix, abi=abi)
    detail = f"works, ABI {abi}, with supervised system calls"
    return Layer(name="landlock", ok=True, detail=detail, abi=abi, auto_allow=True)


def _run_in_landlock(abi: int) -> str:
    """The same for Landlock and its supervisor, which has to let one file be made and refuse another."""
    with tempfile.TemporaryDirectory(prefix="mlwb-") as folder:
        root = Path(os.path.realpath(folder))
        (root / "temp").mkdir()
        (root / "work").mkdir()
        work = root / "work"
        profile = Profile(roots=(work,), temp=root / "temp", home=Path.home(), read_only=(work / "kept",))
        reading = landlock.Reading(profile, abi)
        held = Landlocked(profile, abi, reading, Listening(), Tree())
        script = "touch made && ! touch kept ../made"

        def run() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(
                ["/bin/sh", "-c", script],
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath},
            )

        try:
            code = held.start(run).wait(_TIMEOUT_S)
        finally:
            held.close()
            reading.close()
        if code == 0 and (work / "made").exists():
            return ""
        return "a command in it wrote outside of its folder, or could not write within"


def _mend(problem: str) -> str:
    """What to do about PROBLEM, by what the system is known to refuse."""
    if _number(_APPARMOR) == 1:
        return (
            "AppArmor keeps ordinary users from user namespaces: install the profile bwrap-userns-restrict of the "
            "package apparmor-profiles, or run: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if _number(_CLONE) == 0:
        return "user namespaces are off; run: sudo sysctl kernel.unprivileged_userns_clone=1"
    if _number(_MOST) == 0:
        return "user namespaces are off; run: sudo sysctl user.max_user_namespaces=10000"
    if "proc" in problem:
        return (
            "this container masks /proc: start it with --security-opt systempaths=unconfined, or rely on Landlock "
            "where that works"
        )
    if "namespace" in problem or "ermitted" in problem:
        return (
            "user namespaces are refused here: start the container with --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined, or rely on Landlock where that works"
        )
    return "see `bwrap --version`; version 0.5 or later is needed"


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None

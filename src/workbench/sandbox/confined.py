"""Starts commands within what a layer of the operating system holds them to."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from workbench.sandbox import bridge, bubblewrap, hints, landlock
from workbench.sandbox.connections import Listening
from workbench.sandbox.landlocked import Landlocked
from workbench.sandbox.launcher import PlainLauncher, PlainRunning, at_once, bash, shell, spawn
from workbench.sandbox.loopback import Loopback
from workbench.sandbox.proxy import Allowed, Proxy
from workbench.sandbox.secret_places import Seen, in_workspace, outermost, places
from workbench.sandbox.small import text
from workbench.sandbox.tree import Tree
from workbench.sandbox.types import Ended, Layer, Limits, Profile, Running, Spec

# What a user has not set goes to the session's folder: variable -> folder there, and the place in the home that the
# program takes otherwise, which stays where the user made it writable.
_CACHES = {
    "TRITON_CACHE_DIR": ("triton", ".triton/cache"),
    "CUDA_CACHE_PATH": ("cuda", ".nv/ComputeCache"),
    "MPLCONFIGDIR": ("matplotlib", ".cache/matplotlib"),
    "NUMBA_CACHE_DIR": ("numba", ""),
    "TORCHINDUCTOR_CACHE_DIR": ("inductor", ""),
    "TORCH_EXTENSIONS_DIR": ("torch_extensions", ".cache/torch_extensions"),
    "CCACHE_DIR": ("ccache", ".cache/ccache"),
    "RUFF_CACHE_DIR": ("ruff", ""),
    "UV_CACHE_DIR": ("uv", ".cache/uv"),  # `uv run` ends where it cannot write there
}
# Git as a path of its own: no program that the repository names runs in it.
_GIT = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "safe.bareRepository": "explicit",
    "gc.auto": "0",
    "maintenance.auto": "false",
}


class ConfinedLauncher:
    """Starts each command in LAYER, held to PROFILE; what shall run outside goes to PLAIN.

    ENV is the user's own environment, where the places of secrets may be named. Secrets are hidden besides what
    PROFILE hides. PYTHON is an interpreter that commands can run. Raises OSError where a folder of the profile cannot
    be made, ValueError for a domain that is none.
    """

    def __init__(
        self,
        plain: PlainLauncher,
        layer: Layer,
        profile: Profile,
        env: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.layer = layer
        self._plain = plain
        self._seen: Seen = {}
        self._listening = Listening()
        self._python = python
        self._reading: landlock.Reading | None = None
        self._hosts: list[tuple[str, int]] = []  # that the proxy refused, the oldest first
        self._proxy: Proxy | None = None
        self._at = ""  # where the proxy listens: a path, or a port
        self._token = ""
        self._network: Loopback | None = None
        self._alone = False  # no network can be shared here
        self._profile = _settled(profile, os.environ if env is None else env)
        Allowed.read(profile.domains)

    @property
    def profile(self) -> Profile:
        """The profile as it holds: links followed, secrets hidden."""
        return self._profile

    def environment(self) -> dict[str, str]:
        """The scrubbed environment that confined commands get, with the session's temporary folder in it."""
        env = self._plain.environment()
        temp = str(self._profile.temp)
        caches = {
            name: f"{temp}/{folder}"
            for name, (folder, usual) in _CACHES.items()
            if name not in env and not (usual and self._is_cache(self._profile.home / usual))
        }
        if os.geteuid() == 0 and "TAR_OPTIONS" not in env:
            caches["TAR_OPTIONS"] = "--no-same-owner"  # root here has no right to give files away
        return env | caches | {"TMPDIR": temp, "TMP": temp, "TEMP": temp}

    def _is_cache(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(folder) for folder in self._profile.caches)

    def withheld(self) -> tuple[str, ...]:
        """Names of the variables that were taken out because they look like secrets, sorted."""
        return self._plain.withheld()

    async def start(self, spec: Spec) -> Running:
        """Starts the command as its `reach` says. Raises OSError, ValueError."""
        if spec.reach == "outside":
            return await self._plain.start(spec)
        profile = self._profile
        git = git_folders(profile.roots) if spec.reach == "git" else ()
        if spec.reach == "git":
            spec = msgspec.structs.replace(spec, env={**spec.env, **git_environment(spec.env)})
            profile = _for_git(profile, git)
        argv = [*limited(profile.limits), *shell(spec.command)]
        if profile.network == "allowlist":
            spec = msgspec.structs.replace(spec, env={**spec.env, **await self._proxied()})
        if self.layer.name == "landlock":
            return self._in_landlock(spec, profile, argv, git)
        return self._in_bubblewrap(spec, profile, argv, git)

    async def close(self) -> None:
        """Ends the proxy, if there is one, and lets go of rules. Commands that still run lose the network."""
        if self._reading is not None:
            self._reading.close()
        if self._network is not None:
            self._network.close()
            self._network = None
        if self._proxy is not None:
            await self._proxy.close()
            self._proxy = None
            if self.layer.name == "bubblewrap":
                shutil.rmtree(Path(self._at).parent, ignore_errors=True)

    async def _proxied(self) -> dict[str, str]:
        """The variables by which programs find the proxy, which runs from the first such command on."""
        if self._proxy is None:
            proxy = Proxy(self._profile.domains, lambda host, port: self._hosts.append((host, port)))
            if self.layer.name == "bubblewrap":
                self._at = f"{tempfile.mkdtemp(prefix='mlwb-proxy-')}/s"
                await proxy.at_path(self._at)
            else:
                port, self._token = await proxy.at_port()
                self._at = str(port)
            self._proxy = proxy
        found = {"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1"}
        if self.layer.name == "bubblewrap":
            return found  # the bridge says where it is
        return found | bridge.variables(f"{self._token}@127.0.0.1:{self._at}")

    def _shared_network(self) -> Loopback | None:
        """The network of this session's commands; None where each has one of its own, or the machine's."""
        if self._network is not None and not self._network.lasts:
            self._network.close()
            self._network = None
        if self._network is None and self._profile.network != "full" and not self._alone:
            try:
                self._network = Loopback()
            except OSError:
                self._alone = True
        return self._network

    def _refused_since(self, seen: int) -> list[str]:
        return [hints.refused_host(host, port) for host, port in self._hosts[seen:]]

    def _in_landlock(self, spec: Spec, profile: Profile, argv: list[str], git: tuple[Path, ...]) -> Running:
        spec.output.touch(mode=0o600)  # a rule needs something to hold to
        tree = Tree()
        told: list[str] = []
        seen = len(self._hosts)
        held = Landlocked(
            profile,
            self.layer.abi,
            self._reading_with(spec.scratch),
            self._listening,
            tree,
            writable_too=(*git, *([Path(os.path.realpath(spec.scratch))] if spec.scratch else [])),
            outputs=(spec.output, *(Path(os.ttyname(one)) for one in (spec.terminal,) if one is not None)),
            proxy=("127.0.0.1", int(self._at)) if profile.network == "allowlist" else None,
            refused=lambda host, port: told.append(hints.refused_address(host, port, profile)),
        )
        try:
            running = spawn(spec, argv, within=held.start, tree=tree)
        except BaseException:
            held.close()
            raise
        return ConfinedRunning(
            running,
            lambda: self._refused_since(seen) + told + hints.from_output(spec.output, profile, spec.cwd, denied=True),
            held.close,
        )

    def _reading_with(self, scratch: Path | None) -> landlock.Reading:
        """The rules for reading; the folder that holds a command's scratch folder, the session's, is readable."""
        readable = (Path(os.path.realpath(scratch.parent)),) if scratch else ()
        if self._reading is None or self._reading.readable != readable:
            if self._reading is not None:
                self._reading.close()
            self._reading = landlock.Reading(self._profile, self.layer.abi, readable)
        return self._reading

    def _in_bubblewrap(self, spec: Spec, profile: Profile, argv: list[str], git: tuple[Path, ...]) -> Running:
        secret = [path for root in profile.roots for path in in_workspace(root, self._seen)]
        if secret:
            profile = msgspec.structs.replace(profile, hidden=(*profile.hidden, *secret))
        seen = len(self._hosts)
        bound: tuple[Path, ...] = ()
        if profile.network == "allowlist":
            script = Path(bridge.__file__)
            argv = [self._python, "-I", "-S", str(script), self._at, *argv]
            bound = (Path(self._at).parent, script)
        shared = self._shared_network()
        ready = bubblewrap.prepare(
            profile,
            cwd=spec.cwd,
            scratch=spec.scratch,
            writable_too=git,
            bound=bound,
            shared_network=bool(shared),
            cards=spec.env.get("CUDA_VISIBLE_DEVICES"),
            env={name: value for name, value in spec.env.items() if bubblewrap.is_obeyed(name)},
        )
        plain = {name: value for name, value in spec.env.items() if not bubblewrap.is_obeyed(name)}
        try:
            running = spawn(
                msgspec.structs.replace(spec, env=plain),
                [*(shared.words if shared else ()), *ready.words, *argv],
                pass_fds=ready.descriptors,
                around=bubblewrap.executable() or "",
                within=shared.within if shared else at_once,
            )
        finally:
            ready.close()
        return ConfinedRunning(
            running,
            lambda: self._refused_since(seen) + hints.from_output(spec.output, profile, spec.cwd, denied=False),
        )


class ConfinedRunning:
    """A confined command that runs. `told` says what was kept from it, once it has failed; `close` lets go."""

    def __init__(
        self,
        running: PlainRunning,
        told: Callable[[], list[str]],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.pid = running.pid
        self.tree = running.tree
        self._running = running
        self._told = told
        self._close = close

    async def wait(self) -> Ended:
        """Until the command itself has ended. Cancelling does not end it."""
        return await self._running.wait()

    async def end(self, grace_s: float = 2.0) -> Ended:
        """Ends the whole tree, and says what the confinement kept from a command that failed."""
        ended = await self._running.end(grace_s)
        self._close()
        if ended.exit_code == 0:
            return ended
        return msgspec.structs.replace(ended, refused=tuple(dict.fromkeys(self._told())))


def _settled(profile: Profile, env: Mapping[str, str]) -> Profile:
    """PROFILE with links followed, its folders made, and secrets hidden."""
    for folder in profile.caches:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    profile.temp.mkdir(mode=0o700, parents=True, exist_ok=True)
    real = bubblewrap.real
    hidden = outermost({*real(profile.hidden), *places(profile.home, env)})
    return msgspec.structs.replace(
        profile,
        roots=real(profile.roots),
        caches=real(profile.caches),
        temp=real([profile.temp])[0],
        home=real([profile.home])[0],
        hidden=hidden,
        shown=real(profile.shown),
        read_only=tuple(real([path.parent])[0] / path.name for path in profile.read_only),
    )


def limited(limits: Limits) -> list[str]:
    """Words that hold what follows to LIMITS, hard: a shell sets them on itself and becomes it. None: no words."""
    set_ = []
    if limits.processes is not None:
        set_.append(f"-u {limits.processes}")
    if limits.memory is not None:
        set_.append(f"-v {limits.memory // 1024}")
    if limits.file_size is not None:
        set_.append(f"-f {limits.file_size // 1024}")
    if not set_:
        return []
    script = " && ".join(f"ulimit {one}" for one in set_)
    return [bash(), "--noprofile", "--norc", "-p", "-c", f'{script} && exec "$0" "$@"']


def git_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The variables by which git runs nothing that a repository configures."""
    at = int(env.get("GIT_CONFIG_COUNT", "0") or 0) if env.get("GIT_CONFIG_COUNT", "0").isdigit() else 0
    found = {"GIT_CONFIG_COUNT": str(at + len(_GIT)), "GIT_OPTIONAL_LOCKS": "1"}
    for index, (key, value) in enumerate(_GIT.items(), at):
        found |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return found


def git_folders(roots: tuple[Path, ...]) -> tuple[Path, ...]:
    """Git's own folders of these workspaces; a worktree's lie elsewhere, and its file says where."""
    found: list[Path] = []
    for root in roots:
        folder = root / ".git"
        if folder.is_symlink():
            continue
        if folder.is_dir():
            found.append(folder)
        elif folder.is_file():
            found += _of_worktree(root, folder)
    return tuple(found)


def _of_worktree(root: Path, file: Path) -> list[Path]:
    """Where a worktree's `.git` file leads, if that is a git folder and names this worktree in turn."""
    word, _, where = (text(file) or "").strip().partition(": ")
    if word != "gitdir" or "\0" in where:
        return []
    own = Path(os.path.realpath(root / where))
    back, shared = text(own / "gitdir"), text(own / "commondir")
    if back is None or shared is None or "\0" in back + shared or Path(os.path.realpath(back.strip())) != file:
        return []
    common = Path(os.path.realpath(own / shared.strip()))
    whole = all((common / name).exists() for name in ("HEAD", "objects", "refs"))
    return [common] if whole and own.is_relative_to(common) else []


def _for_git(profile: Profile, folders: tuple[Path, ...]) -> Profile:
    """PROFILE with git's folders open, but for what configures git or runs in it."""
    kept = [path for path in profile.read_only if path not in folders]
    kept += [folder / name for folder in folders for name in ("hooks", "config", "config.worktree")]
    return msgspec.structs.replace(profile, read_only=tuple(kept))

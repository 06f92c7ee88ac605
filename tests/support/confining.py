"""Confined commands in tests: as root and as an ordinary user, in each layer, in a world with things to protect.

What runs as another user runs in a helper process: the tests' own Python may lie where that user cannot read, so the
helper imports all it needs first and changes its user then.
"""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from workbench.sandbox import landlock
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Layer, Limits, Profile, Spec

NOBODY = 65533  # a user that no machine has
# Every layer there is, Landlock as older kernels have it as well; an identity is whoever may run the tests.
ABIS = [version for version in (1, 3, 4, 6) if version < landlock.abi()] + [landlock.abi()]
LAYERS = ["bubblewrap", *(f"landlock-{version}" for version in ABIS)]
USERS = ["root", "user"] if os.geteuid() == 0 else ["user"]
CELLS = [f"{user}-{layer}" for user in USERS for layer in LAYERS]


class Result(msgspec.Struct):
    """How a confined command ended."""

    exit_code: int | None
    output: str
    refused: list[str] = []
    swept: int = 0
    signal: int | None = None


class World:
    """A home, a workspace, and what lies outside of them, with programs of the same user that listen.

    `heard` is what they were told. All of it lies in FOLDER, which is not below /tmp.
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.python = python
        self.folder = folder
        self.home, self.work, self.temp = folder / "home", folder / "home/work", folder / "t"
        self.outside, self.state, self.sockets = folder / "outside", folder / "state", folder / "sockets"
        self.outputs = folder / "state/outputs"
        self.heard: list[str] = []
        self._closing = contextlib.ExitStack()

    def build(self) -> None:
        """Makes everything that is protected, and what may be used."""
        for path in (self.work / ".git/hooks", self.home / ".ssh", self.home / ".aws", self.home / ".local/bin"):
            path.mkdir(parents=True)
        for path in (self.outside, self.outputs, self.sockets, self.temp, self.home / ".cache/tool"):
            path.mkdir(parents=True)
        texts = {
            self.home / ".bashrc": "# mine\n", self.home / ".ssh/id_rsa": "SECRET-key\n",
            self.home / ".aws/credentials": "SECRET-aws\n", self.home / ".netrc": "SECRET-netrc\n",
            self.home / ".config/gh/hosts.yml": "SECRET-gh\n", self.home / ".cache/huggingface/token": "SECRET-hf\n",
            self.home / ".bash_history": "SECRET-typed\n", self.home / "data.txt": "readable\n",
            self.work / ".env": "KEY=SECRET-env\n", self.work / "train.py": "print(1)\n",
            self.work / ".git/HEAD": "ref: refs/heads/main\n", self.work / ".git/config": "[core]\n",
            self.outside / "file": "untouched\n", self.outside / "hard": "untouched\n",
            self.state / "token": "SECRET-token\n",
        }  # fmt: skip
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.work / "way-out").symlink_to(self.outside)
        (self.home / ".ssh/id_rsa").chmod(0o600)

    def listen(self) -> dict[str, Any]:
        """Programs of the user outside: by path, abstract, on loopback. Where they are."""
        control = self._serve(socket.AF_UNIX, str(self.sockets / "control.sock"))
        agent = self._serve(socket.AF_UNIX, str(self.home / "agent.sock"))
        os.utime(agent.getsockname(), (1, 1))  # it has been there for long
        self._serve(socket.AF_UNIX, f"\0mlwb-test-{os.getpid()}")
        tcp = self._serve(socket.AF_INET, ("127.0.0.1", 0))
        udp = self._closing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.05)
        self.udp = udp
        terminal = os.openpty()
        for end in terminal:
            self._closing.callback(os.close, end)
        victim = subprocess.Popen(["sleep", "600"], env={"KEY": "SECRET-victim"})
        self._closing.callback(victim.wait)
        self._closing.callback(victim.kill)
        self.victim = victim
        return {
            "control": control.getsockname(), "agent": agent.getsockname(), "tcp": tcp.getsockname()[1],
            "abstract": f"mlwb-test-{os.getpid()}", "udp": udp.getsockname()[1], "victim": victim.pid,
            "terminal": os.ttyname(terminal[1]), "terminals": os.fstat(terminal[1]).st_dev,
            "host": os.getpid(), "home": str(self.home), "work": str(self.work), "outside": str(self.outside),
            "state": str(self.state), "sockets": str(self.sockets), "temp": str(self.temp),
        }  # fmt: skip

    def close(self) -> None:
        """Ends what listens."""
        self._closing.close()

    def _serve(self, family: int, address: Any) -> socket.socket:
        server = self._closing.enter_context(socket.socket(family, socket.SOCK_STREAM))
        server.bind(address)
        server.listen(8)

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    self.heard.append(str(address))
                    peer.close()

        threading.Thread(target=run, daemon=True).start()
        return server

    def profile(self, **changed: Any) -> Profile:
        """What a session would hold commands to here."""
        given: dict[str, Any] = {
            "roots": (self.work,), "temp": self.temp, "home": self.home, "hidden": (self.state, self.sockets),
            "shown": (self.outputs,), "read_only": (self.work / ".git", self.work / ".mlwb", self.work / ".claude"),
            "caches": (self.home / ".cache/tool",),
        }  # fmt: skip
        return Profile(**(given | changed))

    def launcher(self, layer: str, **changed: Any) -> ConfinedLauncher:
        """Starts commands in LAYER: `bubblewrap`, `landlock-4`."""
        name, _, version = layer.partition("-")
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        made = Layer(name=name, ok=True, detail="", abi=int(version or 0))  # type: ignore[arg-type]
        return ConfinedLauncher(PlainLauncher(env), made, self.profile(**changed), env, self.python)


async def run_in(launcher: ConfinedLauncher, world: World, command: str, close: bool = True, **given: Any) -> Result:
    """COMMAND, run to its end. CLOSE: the launcher is done with, too."""
    output = Path(tempfile.mkstemp(dir=world.outputs)[1])
    scratch = Path(tempfile.mkdtemp(dir=world.outputs, prefix=".shell-"))
    spec = Spec(command=command, cwd=world.work, output=output, env=launcher.environment(), scratch=scratch, **given)
    try:
        running = await launcher.start(spec)
        try:
            await asyncio.wait_for(running.wait(), 100)
        finally:
            ended = await running.end()
    finally:
        if close:
            await launcher.close()
    text = output.read_text(errors="replace")
    return Result(ended.exit_code, text, list(ended.refused), ended.swept, ended.signal)


class Confining:
    """A helper process of one user, asked over pipes. `world` is that user's."""

    def __init__(self, user: str, python: str) -> None:
        self.python = python
        parent = next(path for path in (Path("/var/lib"), Path.home()) if os.access(path, os.W_OK))
        folder = Path(tempfile.mkdtemp(prefix="mlwb-test-", dir=parent))
        uid = NOBODY if user == "user" and os.geteuid() == 0 else os.geteuid()
        os.chown(folder, uid, uid if uid == NOBODY else -1)
        self.world = World(folder, python)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(uid), str(folder), python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.where: dict[str, Any] = self._read()

    def run(self, layer: str, command: str, **given: Any) -> Result:
        """COMMAND in LAYER. GIVEN: `reach`, and what of the profile is different."""
        return msgspec.convert(self.ask("run", layer=layer, command=command, **given), Result)

    def ask(self, what: str, **given: Any) -> Any:
        """Another question to the helper."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"what": what, **given}) + "\n")
        self._process.stdin.flush()
        return self._read()

    @contextlib.contextmanager
    def stopped_now_and_then(self) -> Iterator[None]:
        """While it holds the helper is stopped and goes on, a thousand times a second: as under ctrl+z or a freezer."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(0.0005):
                self._process.send_signal(signal.SIGSTOP)
                time.sleep(0.0005)
                self._process.send_signal(signal.SIGCONT)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the helper ended: {self._process.wait()}"
        found = json.loads(line)
        assert not (isinstance(found, dict) and "error" in found), found["error"]
        return found

    def close(self) -> None:
        """Ends the helper, removes its world."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        shutil.rmtree(self.world.folder, ignore_errors=True)


_helpers: dict[str, Confining] = {}


def confining(user: str) -> Confining:
    """The helper of that user, one for all tests of a run."""
    if user not in _helpers:
        _helpers[user] = Confining(user, python_of(user))
    return _helpers[user]


def close_helpers() -> None:
    """Ends all of them."""
    while _helpers:
        _helpers.popitem()[1].close()


def python_of(user: str) -> str:
    """An interpreter that this user can run."""
    if user == "root" or os.geteuid() != 0:
        return sys.executable
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            done = subprocess.run([path, "-c", ""], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True)
            if done.returncode == 0:
                return path
    raise FileNotFoundError("no Python that an ordinary user can run: install python3")


# --- the helper ---


def _serve(uid: int, folder: Path, python: str) -> None:
    import workbench.sandbox.layers

    with contextlib.suppress(Exception):
        asyncio.run(asyncio.sleep(0))
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.umask(0o022)
    world = World(folder, python)
    os.environ["HOME"] = str(world.home)
    world.build()
    print(json.dumps(world.listen()), flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        try:
            answer = _answers(world, workbench.sandbox.layers, given.pop("what"), given)
        except Exception as error:
            answer = {"error": "".join(traceback.format_exception(error))}
        print(json.dumps(answer), flush=True)
    world.close()


def _answers(world: World, layers: Any, what: str, given: dict[str, Any]) -> Any:
    if what == "probe":
        return [msgspec.to_builtins(layer) for layer in layers.probe()]
    if what == "heard":
        heard, world.heard = world.heard, []
        with contextlib.suppress(OSError):
            heard.append("udp " + world.udp.recv(100).decode())
        return {"heard": heard, "victim": world.victim.poll() is None}
    layer, command = given.pop("layer"), given.pop("command")
    reach = given.pop("reach", "confined")
    if "limits" in given:
        given["limits"] = Limits(**given["limits"])
    for key in ("roots", "read_only", "hidden", "caches", "shown", "domains"):
        if key in given:
            given[key] = tuple(given[key] if key == "domains" else map(Path, given[key]))
    if what == "planted":
        return asyncio.run(_planted(world, world.launcher(layer, **given), command))
    if what == "beside":
        others, until = given.pop("others"), world.work / given.pop("until")
        launchers = [world.launcher(layer, **given) for _ in range(2)]
        return asyncio.run(_beside(world, launchers, command, others, until))
    return msgspec.to_builtins(asyncio.run(run_in(world.launcher(layer, **given), world, command, reach=reach)))


async def _planted(world: World, launcher: ConfinedLauncher, command: str) -> dict[str, str | None]:
    """What COMMAND says, to which $0 is the folder that its shell writes in, and the folder that is believed."""
    from workbench.sandbox import prologue

    scratch = Path(tempfile.mkdtemp(dir=world.outputs, prefix=".shell-"))
    env = launcher.environment() | prologue.write(scratch, setup="", workspace=world.work, cwd=world.work)
    output = Path(tempfile.mkstemp(dir=world.outputs)[1])
    told = command.replace("$0", shlex.quote(str(scratch)))
    running = await launcher.start(Spec(command=told, cwd=world.work, output=output, env=env, scratch=scratch))
    await running.wait()
    await running.end()
    await launcher.close()
    cwd = prologue.read(scratch).cwd
    return {"output": output.read_text(errors="replace"), "cwd": None if cwd is None else str(cwd)}


async def _beside(
    world: World, launchers: list[ConfinedLauncher], command: str, others: list[str], until: Path
) -> dict[str, str]:
    """What OTHERS say, one of the same session and one of another, while COMMAND runs and UNTIL is there."""
    running = asyncio.ensure_future(run_in(launchers[0], world, command, close=False))
    try:
        for _ in range(1000):
            if until.exists() or running.done():
                break
            await asyncio.sleep(0.01)
        said = [
            (await run_in(one, world, other, close=False)).output for one, other in zip(launchers, others, strict=True)
        ]
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        for one in launchers:
            await one.close()
    return dict(zip(("same", "other"), said, strict=True))


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

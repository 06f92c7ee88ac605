"""Commands that the agent runs find no way to be a client of their own session."""

import json
import sys
from collections.abc import Iterator

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.hosts import Fold, Hosts, Seat, number, resting
from support.mlwb import Place
from support.running import Exp, until
from workbench.protocol import events as e
from workbench.protocol.commands import SubmitPrompt
from workbench.sandbox import layers

# What a command would do that read mlwb's source: find token and socket, say hello, approve, prompt.
CLIENT = """\
import glob, json, os, socket, sys, time

DO = b'{"type":"do","command":{"type":"submit_prompt","id":"evil","text":"evil","by":"x"}}\\n'

def tries():
    said = {"tokens": [], "sockets": glob.glob(os.path.expanduser("~/sock/*.sock")), "answers": []}
    for path in glob.glob(os.path.expanduser("~/.local/state/mlwb/sessions/*/token")):
        try:
            said["tokens"].append(open(path).read())
        except OSError:
            pass
    for path in said["sockets"]:
        try:
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(60)
            raw.connect(path)
            hello = {"type": "hello", "token": (said["tokens"] or [""])[0], "protocol": "1.0"}
            raw.sendall(json.dumps(hello).encode() + b"\\n" + DO)
            said["answers"].append(raw.makefile().readline())
            time.sleep(0.5)  # its words may be taken meanwhile
        except OSError as error:
            said["answers"].append(f"OSError {error.errno}")
    with open("said.tmp", "w") as file:
        json.dump(said, file)
    os.rename("said.tmp", "said.json")

how = sys.argv[1]
while how == "later" and not os.path.exists("now"):
    time.sleep(0.05)
if how == "orphan":  # away from the session: a daemon, in a process session of its own
    if os.fork():
        os._exit(0)
    os.setsid()
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == parent:
        time.sleep(0.01)
if how == "orphan":  # and without a variable to know it by
    os.execve(sys.executable, [sys.executable, "client.py", "again"], {"HOME": os.environ["HOME"]})
tries()
"""


@pytest.fixture
def kept(place: Place) -> Iterator[Place]:
    """A workspace with that program in it."""
    (place.repo / "client.py").write_text(CLIENT)
    yield place


def tried(place: Place, how: str) -> tuple[dict[str, list[str]], list[str], str]:
    """What the program told that the agent ran, the texts that the agent was given, and the command's result."""
    command = (
        f"{sys.executable} client.py {how} $PPID; for i in $(seq 1000); do [ -e said.json ] && break; sleep 0.05; done"
    )
    turns = [turn(use("Bash", call_id="toolu_1", command=command)), say("Tried.")]
    with Endpoint(turns) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as seat:
        assert seat.send(SubmitPrompt(id=number(), text="try it", by="x")).ok
        seat.until(lambda state: state.turns >= 2 and resting(state), 60)
        fold = Fold(seat.folder)
        prompts = [one.text for one in fold.events(e.PromptQueued)]
        (done,) = fold.events(e.CallFinished)
        fold.close()
    path = place.repo / "said.json"
    said = json.loads(path.read_text()) if path.exists() else {}
    return said, prompts, str(done.content)


@pytest.mark.parametrize("how", ["plain", "orphan"])
def test_a_command_that_has_token_and_socket_is_refused(kept: Place, how: str) -> None:
    said, prompts, text = tried(kept, how)
    assert said, text
    assert len(said["tokens"]) == 1 and len(said["sockets"]) == 1, "nothing confines it: it finds them"
    (answer,) = said["answers"]
    assert json.loads(answer)["type"] == "refused" and "a command of the session" in answer
    assert prompts == ["try it"]


@pytest.mark.parametrize("layer", ["bubblewrap", "landlock"])
def test_a_confined_command_does_not_even_see_them(kept: Place, layer: str) -> None:
    held = {one.name: one for one in layers.probe()}.get(layer)
    if held is None or not held.ok:
        pytest.skip(f"{layer} does not hold here")
    config = kept.home / ".config/mlwb/config.yaml"
    config.write_text(config.read_text().replace("mode: off", f"mode: {layer}"))
    said, prompts, text = tried(kept, "plain")
    assert said, text
    assert said["tokens"] == []
    assert all("refused" in one or one.startswith("OSError") for one in said["answers"])
    assert prompts == ["try it"]
    if layer == "bubblewrap":
        assert said["sockets"] == []


def test_the_program_of_this_test_does_come_in_from_elsewhere(kept: Place) -> None:
    """Else the tests above would show nothing."""
    import subprocess

    with Endpoint(after=say("Hello.")) as endpoint, Hosts(kept, endpoint.url) as hosts, Seat(hosts) as seat:
        subprocess.run([sys.executable, "client.py", "plain"], cwd=kept.repo, check=True, timeout=60)
        said = json.loads((kept.repo / "said.json").read_text())
        assert json.loads(said["answers"][0])["type"] == "welcome"
        seat.until(lambda state: any(item.text == "evil" for item in state.items))


def test_a_run_is_no_client_of_the_session_that_takes_up_the_one_it_began_in(kept: Place) -> None:
    command = f"mlwb exp run --detach -- {sys.executable} client.py later"
    turns = [turn(use("Bash", call_id="toolu_1", command=command)), say("It runs.")]
    with Endpoint(turns) as endpoint, Hosts(kept, endpoint.url) as hosts:
        try:
            with Seat(hosts) as seat:
                assert seat.send(SubmitPrompt(id=number(), text="run it", by="x")).ok
                seat.until(lambda state: state.turns >= 2 and resting(state), 60)
                hosts.kill(seat.pid)
            with Seat(hosts, resume=seat.client.session) as seat:
                (kept.repo / "now").touch()
                said = until(lambda: (kept.repo / "said.json").exists() and (kept.repo / "said.json").read_text())
                (answer,) = json.loads(said)["answers"]
                assert json.loads(answer)["type"] == "refused" and "a command of the session" in answer
        finally:
            Exp(kept.repo).stop_all()

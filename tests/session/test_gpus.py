"""A session's cards, over made-up ones: what its commands see, what its runs may take, what they cost."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cards import environment, python
from support.endpoint import Endpoint, say, turn, use
from support.mlwb import MLWB
from support.running import Exp, until
from workbench.experiments.ledger import Ledger
from workbench.sandbox import bubblewrap

FREE = "util=0 used=0 total=80 power=100"
UUIDS = [f"GPU-{number:08}-0000-0000-0000-000000000000" for number in range(4)]
SEE = "echo cards=$CUDA_VISIBLE_DEVICES."
# Is on the card 0 by the made-up driver's word, for as long as the file `go` is not there.
ON_A_CARD = """\
import os, pathlib, sys, time
cards = pathlib.Path(os.environ["STUB_CARDS"])
cards.write_text(f"util=90 used=61 total=80 power=400 pids={os.getpid()}:61\\n")
try:
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
finally:
    cards.write_text("util=0 used=0 total=80 power=100\\n")
"""

Machine = Callable[..., "Place"]


class Place:
    """A workspace on a machine with cards; the sessions there are `mlwb run`."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        self.ledger = Ledger(folder)

    def __call__(
        self, *commands: Any, flags: tuple[str, ...] = (), settings: str = ""
    ) -> tuple[list[str], dict[str, Any]]:
        """What the model got back for COMMANDS, one call each, and the result object."""
        home = Path(self.env["HOME"])
        (home / ".config/mlwb").mkdir(parents=True, exist_ok=True)
        (home / ".config/mlwb/config.yaml").write_text(f"sandbox: {{mode: off}}\n{settings}")
        (self.folder / "task.md").write_text("Go.\n")
        calls = [turn(use("Bash", **({"command": one} if isinstance(one, str) else one))) for one in commands]
        with Endpoint([*calls, say("done")]) as endpoint:
            env = self.env | {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-test"}
            words = [*MLWB, "run", "task.md", "--allow", "Bash(*)", "--output-format", "stream-json", *flags]
            done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, timeout=100, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        events = [line["event"] for line in lines if "event" in line]
        texts = [one["content"][0]["text"] for one in events if one["type"] == "call_finished"]
        return texts, lines[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A workspace on a machine with those cards; each call is another user's on the same host."""
    made: list[Place] = []

    def make(*lines: str, **more: str) -> Place:
        if lines:
            (tmp_path / "cards").write_text("".join(f"{line}\n" for line in lines))
        env = {
            name: text
            for name, text in environment(tmp_path / "cards").items()
            if not name.startswith(("CUDA_", "MLWB_", "XDG_"))
        }
        home = tmp_path / f"home{len(made)}"
        (home / "work").mkdir(parents=True)
        env |= {"HOME": str(home), "MLWB_GPU_CLAIMS": str(tmp_path / "claims"), "MLWB_GPU_IDLE": "0"}
        made.append(Place(home / "work", env | more))
        return made[-1]

    yield make
    for one in made:
        Exp(one.folder, one.env).stop_all()


def seen(text: str) -> list[str]:
    return text.partition("cards=")[2].partition(".")[0].split(",")


def test_every_command_sees_one_free_card(machine: Machine, tmp_path: Path) -> None:
    place = machine(f"util=37 used=61 total=80 pids={os.getpid()}:61", FREE, FREE)
    texts, _ = place(SEE, {"command": SEE})
    assert [seen(text) for text in texts] == [[UUIDS[1]], [UUIDS[1]]]
    claim = json.loads((tmp_path / "claims" / UUIDS[1]).read_bytes())
    assert claim["folder"] == "…/home0/work", "who waits for it is told where"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (("--gpus", "none"), [""]),
        (("--gpus", "2,0"), [UUIDS[2], UUIDS[0]]),
        (("--gpus", UUIDS[1][:14]), [UUIDS[1]]),
        (("--gpus", "all"), UUIDS[:3]),
        (("--gpus", "auto", "--max-gpus", "2"), UUIDS[:2]),
        (("--gpus", "ask"), [""]),
    ],
)
def test_the_task_says_which(machine: Machine, flags: tuple[str, ...], wanted: list[str]) -> None:
    [text], _ = machine(FREE, FREE, FREE)(SEE, flags=flags)
    assert seen(text) == wanted


def test_settings_say_it_where_the_task_does_not(machine: Machine) -> None:
    [text], _ = machine(FREE, FREE, FREE)(SEE, settings="gpus: [1, 2]\n")
    assert seen(text) == UUIDS[1:3]


def test_within_what_the_user_or_slurm_left(machine: Machine) -> None:
    [text], _ = machine(FREE, FREE, FREE, CUDA_VISIBLE_DEVICES="2")(SEE)
    assert seen(text) == [UUIDS[2]]
    [text], _ = machine(SLURM_JOB_GPUS="1")(SEE, flags=("--gpus", "all"))
    assert seen(text) == [UUIDS[1]]


def test_without_a_driver_nothing_is_set(machine: Machine) -> None:
    [text], _ = machine("driver=9")(SEE.replace("$CUDA", "${CUDA").replace("DEVICES", "DEVICES-unset}"))
    assert seen(text) == ["unset"]


def test_two_users_sessions_never_take_one_card(machine: Machine) -> None:
    first, second = machine(FREE, FREE), machine()
    theirs: list[str] = []

    def run_second() -> None:
        until(lambda: (first.folder / "began").exists())
        theirs.extend(second(SEE)[0])
        (first.folder / "go").touch()

    thread = threading.Thread(target=run_second)
    thread.start()
    mine, _ = first(f"{SEE}; touch began; while [ ! -e go ]; do sleep 0.05; done")
    thread.join()
    assert {*seen(mine[0]), *seen(theirs[0])} == set(UUIDS[:2])


def test_a_run_takes_from_the_sessions_cards_and_no_more_than_it_may(machine: Machine) -> None:
    place = machine(FREE, FREE, FREE)
    show = f"mlwb exp run --gpus 1 -- bash -c '{SEE}'"
    texts, _ = place(SEE, show, show.replace("--gpus 1", "--gpus 2"), flags=("--gpus", "auto"))
    assert seen(texts[0]) == seen(texts[1]) == [UUIDS[0]], "the session gave its claim to the run"
    assert texts[2] == "This session may take 1 GPU at a time (maxGpus)."
    texts, _ = place(show, show.replace("--gpus 1", "--gpus 2"), flags=("--gpus", "1,2"))
    assert [seen(text) for text in texts] == [[UUIDS[1]], UUIDS[1:3]]
    texts, _ = place(show, flags=("--gpus", "none"))
    assert texts == ["This session has no GPUs (gpus: none)."]


def test_ask_is_denied_with_words_where_nobody_can_be_asked(machine: Machine) -> None:
    place = machine(f"util=0 used=61 total=80 pids={os.getpid()}:61", FREE)
    [text], _ = place("mlwb exp run --gpus 1 -- true", flags=("--gpus", "ask"))
    assert text.startswith("Denied: it takes 1 GPU (GPU 0: ") and "GPU 1: free" in text and "decision" in text
    assert f"(process {os.getpid()}), 61.0 GB, 0% busy" in text
    assert place.ledger.ids() == []


ASKED = """\
import asyncio, os, sys
from support.endpoint import Endpoint, say, turn, use
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, Stop, SubmitPrompt
from workbench.protocol.task import Rules, Task

async def whole(url, decision):
    task = Task(prompt="", workspace=os.getcwd(), interactive=True, gpus="ask", rules=Rules(allow=("Bash(*)",)))
    env = {**os.environ, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"}
    client = await local.start(task, local.Options(env=env))
    async for envelope in client.events():
        event = envelope.event
        if isinstance(event, e.SessionStarted):
            await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
        if isinstance(event, e.ApprovalRequested):
            print("ASKED", event.reason)
            await client.send(
                Approve(id="a", request_id=event.request_id, digest=event.digest, decision=decision, by="ana")
            )
        if isinstance(event, e.CallFinished):
            print("TOLD", event.content[0]["text"])
        if isinstance(event, e.Idle):
            await client.send(Stop(id="s", reason="signal", by="ana"))
    await client.close()

see = "echo cards=$CUDA_VISIBLE_DEVICES."
commands = [see, f"mlwb exp run --gpus 1 -- bash -c '{see}'", f"mlwb exp run --gpus 1 -- bash -c '{see}'"]
with Endpoint([*(turn(use("Bash", command=one)) for one in commands), say("done")]) as endpoint:
    asyncio.run(asyncio.wait_for(whole(endpoint.url, sys.argv[1]), 80))
"""


@pytest.mark.parametrize(("decision", "asked"), [("once", 2), ("no", 2)])
def test_ask_puts_it_to_the_person(machine: Machine, decision: str, asked: int) -> None:
    place = machine(FREE)
    (Path(place.env["HOME"]) / ".config/mlwb").mkdir(parents=True)
    (Path(place.env["HOME"]) / ".config/mlwb/config.yaml").write_text("sandbox: {mode: off}\n")
    env = place.env | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", ASKED, decision], cwd=place.folder, env=env, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines.count("ASKED it takes 1 GPU (GPU 0: free)") == asked, done.stderr
    assert "TOLD cards=." in lines, "no card before somebody said so"
    if decision == "no":
        assert lines.count("TOLD Refused by ana: no GPUs for this run.") == 2
    else:
        assert lines.count(f"TOLD cards={UUIDS[0]}.") == 2


def test_a_program_on_a_card_is_a_run_that_costs_gpu_hours(machine: Machine) -> None:
    place = machine(FREE)
    (place.folder / "serve.py").write_text(ON_A_CARD)
    watched = subprocess.Popen(
        ["bash", "-c", "until grep -qs gpu_hours.:.*[1-9] .mlwb/runs/r-1/run.json; do sleep 0.1; done; touch go"],
        cwd=place.folder,
    )
    _, result = place("python3 serve.py")
    assert watched.wait(20) == 0
    record = place.ledger.get("r-1")
    assert record.origin == "bash" and [card.uuid for card in record.gpus] == [UUIDS[0]]
    assert record.usage.peak_gpu_memory == 61 << 30 and record.usage.gpu_hours
    assert result["usage"]["gpu_hours"] == pytest.approx(record.usage.gpu_hours)
    assert result["runs"] == ["r-1"] and result["exit_code"] == 0, result["errors"]


def test_gpu_hours_are_counted_and_end_the_session(machine: Machine) -> None:
    place = machine(FREE)
    (place.folder / "serve.py").write_text(ON_A_CARD)
    _, result = place("python3 serve.py", flags=("--max-gpu-hours", "0.0005"))
    record = place.ledger.get("r-1")
    assert (record.status, record.why.partition(" (")[0]) == (
        "stopped",
        "the 0.0005 GPU-hours of the session are used up",
    )
    assert result["exit_code"] == 7 and "GPU-hours are used (maxGpuHours)" in result["errors"][0]


def test_a_run_that_takes_its_time_to_end_is_told_of_once(machine: Machine) -> None:
    place = machine(FREE)
    slow = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: (time.sleep(5), exit(0)))\n"
    (place.folder / "serve.py").write_text(slow + ON_A_CARD)
    place("python3 serve.py", flags=("--max-gpu-hours", "0.0005"))
    journal = next(Path(place.env["HOME"]).glob(".local/state/mlwb/sessions/*/events.jsonl")).read_text()
    assert journal.count("r-1 stopped: the 0.0005 GPU-hours") == 1


@pytest.mark.parametrize(
    ("cards", "kept"),
    [
        (None, "nvidia-uvm nvidia0 nvidia1 nvidiactl"),
        (UUIDS[1], "nvidia-uvm nvidia1 nvidiactl"),
        ("", "nvidia-uvm nvidiactl"),
        ("MIG-1,0", "nvidia-uvm nvidia0 nvidia1 nvidiactl"),
    ],
)
def test_a_confined_command_has_the_devices_of_its_cards_alone(cards: str | None, kept: str) -> None:
    found = tuple(f"/dev/{name}" for name in ("nvidia-uvm", "nvidia0", "nvidia1", "nvidiactl"))
    minors = {UUIDS[0]: "0", UUIDS[1]: "1"}
    assert bubblewrap.of_cards(found, cards, minors) == tuple(f"/dev/{name}" for name in kept.split())


def test_check_tells_the_cards(machine: Machine) -> None:
    place = machine(f"util=0 used=61 total=80 pids={os.getpid()}:61", FREE)
    (place.folder / "task.md").write_text("Go.\n")
    done = subprocess.run(
        [*MLWB, "run", "--check", "task.md", "--output-format", "json", "--replay", "task.md"],
        cwd=place.folder, env=place.env, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    [found] = [one for one in json.loads(done.stdout) if one["name"] == "gpus"]
    assert found["ok"] and found["detail"].startswith("auto: GPU 0: ") and "61.0 GB" in found["detail"]
    assert found["detail"].endswith("GPU 1: free")


def test_a_process_on_a_card_names_its_run(machine: Machine) -> None:
    place = machine(FREE)
    (place.folder / "serve.py").write_text(ON_A_CARD)
    exp = Exp(place.folder, place.env)
    run = exp.detached("--", "bash", "-c", "setsid python3 serve.py; true")

    def told() -> list[dict[str, Any]]:
        done = subprocess.run(
            [*MLWB, "gpu", "--json"], cwd=place.folder, env=place.env, capture_output=True, check=True
        )
        return json.loads(done.stdout)["processes"]

    [process] = until(told)
    assert process["run"] == run
    (place.folder / "go").touch()
    exp.ended(run)


RAISED = """\
import asyncio, os, sys
from support.endpoint import Endpoint, say, turn, use
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol.commands import RaiseGpuHours, Stop, SubmitPrompt
from workbench.protocol.task import Caps, Rules, Task

async def whole(url):
    rules, caps = Rules(allow=("Bash(*)",)), Caps(max_gpu_hours=0.002)  # 7.2 s
    task = Task(prompt="", workspace=os.getcwd(), interactive=True, rules=rules, caps=caps)
    env = {**os.environ, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"}
    client = await local.start(task, local.Options(env=env))
    async for envelope in client.events():
        event = envelope.event
        if isinstance(event, e.SessionStarted):
            await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
        if isinstance(event, e.Notice) and event.about == "gpus":
            print("NOTICE", event.text)
            if "will be stopped" in event.text:
                print("RAISED", (await client.send(RaiseGpuHours(id="r", hours=0.003, by="ana"))).ok)
        if isinstance(event, e.Idle):
            print("IDLE", event.reason)
            await client.send(Stop(id="s", reason="person", by="ana"))
    await client.close()

with Endpoint([turn(use("Bash", command="python3 serve.py")), say("done")]) as endpoint:
    asyncio.run(asyncio.wait_for(whole(endpoint.url), 80))
"""


def test_a_person_is_told_before_the_gpu_hours_are_used_up_and_may_allow_more(machine: Machine) -> None:
    place = machine(FREE)
    (place.folder / "serve.py").write_text(ON_A_CARD)
    (Path(place.env["HOME"]) / ".config/mlwb").mkdir(parents=True)
    (Path(place.env["HOME"]) / ".config/mlwb/config.yaml").write_text("sandbox: {mode: off}\n")
    env = place.env | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", RAISED], cwd=place.folder, env=env, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert any("r-1 will be stopped; `/hours N` allows more" in line for line in said), (said, done.stderr)
    assert "RAISED True" in said and said[-1] == "IDLE error_max_budget"
    [stopped] = [line for line in said if " stopped: " in line]
    assert "the 0.003 GPU-hours" in stopped, "it went on beyond the first limit"


# A run that asks for no cards of its own sees the session's: these are given up once it is over, and not before.
HELD = """
import asyncio, sys, time
from pathlib import Path
from types import SimpleNamespace as Some
from workbench.experiments.launch.alive import hold
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Run
from workbench.session.gpus import Cards

def make(name):
    return Run(id=name, name="a", status="running", argv=("x",), cwd="/", workspace="/", created=1.0)

async def main(folder):
    ledger = Ledger(folder)
    session = Some(id="s", context=Some(workspace=folder), state=Some(runs=[]), caps=Some(max_gpu_hours=None))
    session.notice = print
    cards = Cards(session, "auto", 1, {}, kept_s=0.05)
    await cards.for_run(None, {}, None, ())
    print(len(cards.cards))
    session.state.runs.append(ledger.begin(make).id)
    lock = hold(ledger.path("r-1"))
    await asyncio.sleep(0.5)
    print(len(cards.cards))
    import os
    os.close(lock)
    until = time.monotonic() + 20
    while cards.cards and time.monotonic() < until:
        await asyncio.sleep(0.02)
    print(len(cards.cards))
    await cards.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_card_that_a_run_saw_is_given_up_once_the_run_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLWB_GPU_CLAIMS", str(tmp_path / "claims"))
    (tmp_path / "cards").write_text(f"{FREE}\n")
    done = python(HELD, tmp_path / "cards", str(tmp_path))
    assert done.stdout.split() == ["1", "1", "0"], done.stderr


SEVERAL = """\
import asyncio, os, sys, time
from pathlib import Path
from types import SimpleNamespace as Some
from workbench.experiments.gpus import Claims
from workbench.session.gpus import Cards
from workbench.telemetry.nvml import Nvml

def free():
    return sum(not why for why in Claims(0, {}, "", "", Nvml(), idle_s=0.0).look().values())

async def main(folder):
    session = Some(id="s", context=Some(workspace=folder), state=Some(runs=[]), caps=Some(max_gpu_hours=None))
    session.notice = print
    cards = Cards(session, "auto", 1, {}, kept_s=1.5)
    one, other = await asyncio.gather(cards.variables(), cards.variables())
    print(one == other, free())
    until = time.monotonic() + 20  # neither command began: the card is not kept for them
    while cards.cards and time.monotonic() < until:
        await asyncio.sleep(0.02)
    print(free())
    await cards.variables()
    cards.began()
    cards.ended()
    await asyncio.sleep(0.9)
    await cards.variables()
    await asyncio.sleep(0.9)  # a command takes a moment to begin
    cards.began()
    print(len(cards.cards))
    await cards.close()
    print(free())

asyncio.run(main(Path(sys.argv[1])))
"""


def test_commands_that_begin_at_once_or_late_or_never_have_the_sessions_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLWB_GPU_CLAIMS", str(tmp_path / "claims"))
    (tmp_path / "cards").write_text(f"{FREE}\n{FREE}\n")
    done = python(SEVERAL, tmp_path / "cards", str(tmp_path))
    assert done.stdout.split() == ["True", "1", "2", "1", "2"], done.stderr

"""What a repository, a command or a doctored ledger tries by way of the runs that the program itself looks after."""

import asyncio
import contextlib
import json
import os
import sqlite3
import struct
import subprocess
import sys
import time
import tracemalloc
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import confined, run, works, workspace
from support.running import Exp
from workbench.experiments import data
from workbench.experiments.ledger import Ledger
from workbench.experiments.numbers import Numbers
from workbench.experiments.readers.mlflow import MlflowReader
from workbench.experiments.readers.wandb import WandbReader
from workbench.experiments.rerun import RerunError, rebuilt
from workbench.experiments.types import Code, Run, Service
from workbench.host.client import Client
from workbench.host.spawn import Spawned
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.session.run_pages import RunPages
from workbench.verbs import exp

__all__ = ["confined", "workspace"]

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4"


@pytest.fixture(autouse=True)
def nothing_stays(workspace: Path) -> Iterator[None]:
    """Runs outlive their sessions, but not the tests."""
    yield
    Exp(workspace).stop_all()


def git(place: Path, *words: str) -> str:
    name = ("-c", "user.name=t", "-c", "user.email=t@t")
    done = subprocess.run(["git", *name, *words], cwd=place, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def brought(place: Path, **fields: Any) -> Run:
    """A run of a ledger that a repository brought, or somebody doctored."""
    told = {"id": "r-1", "name": "base", "status": "finished", "argv": ("true",), "cwd": str(place)}
    made = Run(**{**told, "workspace": str(place), "created": 1.0, **fields})
    folder = Ledger(place).path(made.id)
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(msgspec.json.encode(made))
    return made


def test_code_is_rebuilt_through_no_link_of_its_own(workspace: Path, tmp_path: Path) -> None:
    """A commit in which a folder of today was a link: what git does not hold would be linked at its other end."""
    outside = tmp_path / "autostart"
    outside.mkdir()
    git(workspace, "init", "-q")
    (workspace / "x").symlink_to(outside)
    git(workspace, "add", "x")
    git(workspace, "commit", "-qm", "a link")
    old = git(workspace, "rev-parse", "HEAD")
    (workspace / "x").unlink()
    (workspace / "x").mkdir()
    (workspace / "x" / "kept").write_text("")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "a folder")
    (workspace / "x" / "evil.desktop").write_text("Exec=evil")
    (workspace / "plain.txt").write_text("data")
    doctored = brought(workspace, code=Code(commit=old))
    place = tmp_path / "above" / "temp"
    place.mkdir(parents=True)
    with rebuilt(Ledger(workspace), doctored, place) as (folder, _):
        assert folder is not None and folder.parent == place and (folder / "plain.txt").read_text() == "data"
        assert git(folder, "rev-parse", "HEAD") == old, "git knows it where it lies"
        git(workspace, "worktree", "prune")
        assert git(folder, "rev-parse", "HEAD") == old
    assert os.listdir(outside) == [] and os.listdir(place) == [] and os.listdir(place.parent) == ["temp"]
    assert git(workspace, "worktree", "list").count("\n") == 0


def test_code_is_rebuilt_where_no_command_can_put_a_link_in_its_way(workspace: Path, tmp_path: Path) -> None:
    """What a command that still lives sees of it is whole: git does not write while it can swap folders."""
    git(workspace, "init", "-q")
    (workspace / "train.py").write_text("print(1)\n")
    (workspace / "late.txt").write_text("x")
    git(workspace, "add", "-A")
    # git itself says, by a filter of the user's own, what there is to be seen while it writes.
    seen = tmp_path / "seen"
    place = tmp_path / "above" / "temp"
    place.mkdir(parents=True)
    (workspace / ".gitattributes").write_text("*.txt filter=look\n")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "one")
    (Path.home() / ".gitconfig").write_text(
        f'[filter "look"]\n\tsmudge = "ls -A {place} >> {seen}; echo looked >> {seen}; cat"\n\tclean = cat\n'
    )
    doctored = brought(workspace, code=Code(commit=git(workspace, "rev-parse", "HEAD")))
    with rebuilt(Ledger(workspace), doctored, place) as (folder, _):
        assert folder is not None and (folder / "late.txt").read_text() == "x"
    assert seen.read_text() == "looked\n"


def test_a_record_names_commits_and_no_options(workspace: Path) -> None:
    git(workspace, "init", "-q")
    doctored = brought(workspace, code=Code(commit="--orphan"))
    with pytest.raises(RerunError, match="names no commit"), rebuilt(Ledger(workspace), doctored):
        pass


def test_a_load_that_a_ledger_brings_is_judged(workspace: Path) -> None:
    load = f"touch {workspace}/loaded"
    brought(workspace, argv=("sleep", "2"), service=Service(ready="tcp://127.0.0.1:1", ready_s=0.2, load=load))
    _, [text] = works(workspace, "mlwb exp rerun r-1", allow=("Bash(sleep *)",), permission_mode="default")
    assert text.startswith("Denied: "), text
    assert Ledger(workspace).ids() == ["r-1"] and not (workspace / "loaded").exists()


def test_a_run_is_done_again_where_its_record_says_only_where_commands_may_go(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "go.sh").write_text("touch ran\n")
    brought(workspace, argv=("bash", "go.sh"), cwd=str(tmp_path / "other"))
    _, [text] = works(workspace, "mlwb exp rerun r-1", allow=("Bash(bash go.sh)",))
    assert text.startswith("Denied: "), text
    assert not (tmp_path / "other" / "ran").exists()


@pytest.mark.parametrize("variable", ["PYTHONPATH=.", "LD_PRELOAD=./evil.so"])
def test_no_variable_of_a_call_reaches_the_program_itself(workspace: Path, variable: str) -> None:
    """A look at the ledger is allowed in every mode: nothing of the workspace may run by it."""
    (workspace / "yaml.py").write_text("raise SystemExit(7)\n")
    _, [text] = works(workspace, f"{variable} mlwb exp list")
    assert text.startswith("Denied: "), text


def test_a_look_at_the_ledger_imports_nothing_of_the_workspace(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`PYTHONPATH=.` is common; a session's commands have it, this program does not obey it."""
    (workspace / "sitecustomize.py").write_text("open('ran', 'w')\n")
    monkeypatch.setenv("PYTHONPATH", str(workspace))
    brought(workspace)
    _, [text] = works(workspace, "mlwb exp show r-1")
    assert "base" in text and not (workspace / "ran").exists(), text


STEPS = "for step in range(4): print(f'step {step} loss {step}', flush=True)\n"
# At the end of a program: a plain command is a run once it was looked at.
UNTIL_FOUND = "while not pathlib.Path('.mlwb/runs/r-1/run.json').exists():\n    time.sleep(0.02)\n"


@pytest.mark.parametrize("module", ["host", "experiments.launch", "experiments.found_watch"])
def test_no_process_of_the_program_imports_what_pythonpath_names(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """What an agent writes there would run beside it, unconfined."""
    planted = workspace / "workbench"
    planted.mkdir()
    for path in (planted / "__init__.py", workspace / "sitecustomize.py"):
        path.write_text(f"open({str(workspace / 'ran')!r}, 'a').write('x')\n")
    monkeypatch.setenv("PYTHONPATH", f"{workspace}:.")
    monkeypatch.setenv("XDG_STATE_HOME", str(workspace.parent / "state"))
    if module == "host":
        spawned = Spawned(workspace, os.environ)
        spawned.give_up()
        assert spawned._process.wait(60) == 2
    else:
        # A plain command that prints its steps is found, one of `exp run` is supervised: each has such a process.
        found = module.endswith("found_watch")
        (workspace / "train.py").write_text(f"import pathlib, time\n{STEPS}{UNTIL_FOUND}")
        _, [text] = works(
            workspace, f"{'' if found else 'mlwb exp run -- '}{sys.executable} -E train.py", allow=("Bash(*)",)
        )
        assert "loss 3" in text and Ledger(workspace).ids() == ["r-1"], text
    assert not (workspace / "ran").exists()


# What a run's own program puts where its numbers are looked for: links to what it may not read itself.
PLANTS = """\
import json, os, pathlib, time
home = pathlib.Path(os.environ["HOME"])
folder = pathlib.Path("mlruns/0/abc")
(folder / "params").mkdir(parents=True)
(folder / "metrics").mkdir()
for number, secret in enumerate((home / ".netrc", home / ".ssh/id_rsa", "/proc/self/environ", home / ".kube/config")):
    (folder / "params" / f"p{number}").symlink_to(secret)
(folder / "params" / "lr").write_text("0.1")
(folder / "meta.yaml").write_text("run_id: abc\\n")
for there, secret in ((".hydra/config.yaml", ".kube/config"), ("result.json", ".docker/config.json")):
    os.unlink(there)
    os.symlink(home / secret, there)
os.mkfifo("metrics.jsonl")
for step in range(3):
    print(f"step {step} loss {1 / (step + 1):.3f}", flush=True)
    (folder / "metrics" / "loss").open("a").write(f"{int(time.time() * 1000)} {step} {step}\\n")
"""


@pytest.mark.parametrize("how", ["mlwb exp run -- ", ""], ids=["carried", "found"])
def test_what_a_command_may_not_read_is_not_read_for_it(confined: Path, how: str) -> None:
    """The readers of a run's numbers are not confined, and what they find stands where commands and the model look."""
    home = Path.home()
    secrets = {".netrc": "hush1", ".ssh/id_rsa": "hush2", ".kube/config": "hush: hush3", ".docker/config.json": ""}
    secrets[".docker/config.json"] = '{"step": 1, "config": {"auths": "hush4"}}'
    for name, text in secrets.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(f"{text}\n")
    (confined / ".hydra").mkdir()
    (confined / ".hydra" / "config.yaml").write_text("lr: 1\n")
    (confined / "result.json").write_text('{"step": 0}\n')
    (confined / "train.py").write_text(PLANTS + UNTIL_FOUND)
    _, texts = works(confined, f"{how}python3 train.py", "mlwb exp wait r-1", "mlwb exp show r-1 --json")
    record = (Ledger(confined).path("r-1") / "run.json").read_text()
    assert '"lr"' in record and '"loss"' in record, "the plain ones are read"
    assert "hush" not in record + "".join(texts) and "ANTHROPIC" not in record


# --- files that are made to take all there is ----------------------------------------------------------------------


def test_a_database_whose_rows_never_end_is_given_up(tmp_path: Path) -> None:
    """What passed for MLflow's store is another one by the time that it is read."""
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
        database.execute("CREATE TABLE metrics (run_uuid, key, step, timestamp, value, is_nan)")
        database.execute("CREATE TABLE params (run_uuid, key, value)")
        database.execute(f"CREATE VIEW runs AS {endless} -i rowid, 'a' run_uuid, 'a' name, 0 start_time FROM n")
        database.commit()
    reader, begun = MlflowReader(path), time.thread_time()
    assert "cannot be read" in " ".join(reader.poll().notes)
    assert not reader.poll(), "not again, as long as it stays as it is"
    assert time.thread_time() - begun < 20


def test_values_that_many_rows_share_are_not_all_held(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT, start_time INT)")
        database.execute("INSERT INTO runs VALUES ('a', 'a', 1)")
        database.execute("CREATE TABLE metrics (run_uuid, key, step, timestamp, value, is_nan)")
        database.execute("CREATE TABLE long (text)")
        database.execute("INSERT INTO long VALUES (?)", ("x" * (1 << 20),))
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT"
        database.execute(f"CREATE VIEW params AS {many} i rowid, 'a' run_uuid, 'k' || i key, text value FROM n, long")
        database.commit()
    tracemalloc.start()
    try:
        batch = MlflowReader(path).poll()
        assert 1 <= len(batch.config) < 100 and tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()


def test_a_line_without_an_end_is_not_held(tmp_path: Path) -> None:
    """A file of nothing but zeros takes no room on the disk, and is one line."""
    for name in ("train.jsonl", "test.jsonl"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
    seen = data.seen(["python3", "x.py", "--train", "train.jsonl", "--test", "test.jsonl"], {}, tmp_path)
    assert [one.role for one in seen] == ["train", "test"]
    tracemalloc.start()
    try:
        data.overlaps(seen, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


def test_a_record_without_an_end_is_not_held(tmp_path: Path) -> None:
    """W&B's pieces: a first one, and middle ones for ever."""
    piece = struct.pack("<IHB", 0, (32 << 10) - 7, 3) + bytes((32 << 10) - 7)
    path = tmp_path / "run-a.wandb"
    with path.open("wb") as file:
        file.write(b":W&B\xe1\xbe\x00" + struct.pack("<IHB", 0, (32 << 10) - 14, 2) + bytes((32 << 10) - 14))
        for _ in range((160 << 20) >> 15):
            file.write(piece)
    reader = WandbReader(path)
    tracemalloc.start()
    try:
        while reader.poll().more:
            pass
        assert tracemalloc.get_traced_memory()[0] < 100 << 20
    finally:
        tracemalloc.stop()


def test_a_configuration_that_names_itself_again_and_again_stays_small(tmp_path: Path) -> None:
    """YAML's billion laughs: a few hundred bytes that are a hundred million words."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 9)]
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("\n".join(lines))
    numbers = Numbers(tmp_path / "output.log", tmp_path)
    assert numbers.add(tmp_path / ".hydra" / "config.yaml")
    numbers.read_all()
    assert len(msgspec.json.encode(numbers.config)) < 1 << 20


# --- what runs say -------------------------------------------------------------------------------------------------

LEAKS = f"""\
print("step 0 loss 1.0\\nthe token is {TOKEN}\\nbetween")
key = ("b3BlbnNzaC1rZXktdjEAAAAABG5vbm" * 2 + "\\n") * 3
print(f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{{key}}-----END OPENSSH PRIVATE KEY-----")
print("the end, step 1 loss 0.5")
raise SystemExit("failed with {TOKEN}")
"""


def test_what_runs_say_reaches_no_client_no_journal_and_no_model_with_its_secrets(workspace: Path) -> None:
    """A guest who watches the pane of runs is another user; the files of the run are as the command wrote them."""
    (workspace / "train.py").write_text(LEAKS)
    asked: list[Any] = []

    async def steer(client: Client, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.CallFinished):
            asked.extend([await client.query(query) for query in (q.RunLogPage(run="r-1", n=100), q.ListRuns())])

    command = "mlwb exp run --note 'with TOKEN' -- python3 train.py".replace("TOKEN", TOKEN)
    with Endpoint([turn(use("Bash", command=command)), say("done")]) as endpoint:
        ran = run(workspace, endpoint, steer=steer, allow=("Bash(python3 *)",))
        sent = json.dumps([request.body for request in endpoint.requests[1:]])
    log, rows = asked[-2:]
    assert log.total == len(log.lines) and "the end, step 1 loss 0.5" in log.lines
    assert log.lines[1] == "the token is [redacted: github token]" and log.lines[2] == "between"
    folder = Ledger(workspace).path("r-1")
    assert TOKEN in (folder / "output.log").read_text(), "as it was written"
    journal = b"".join(path.read_bytes() for path in Path.home().rglob("events.jsonl")).decode()
    for told in (repr(log), repr(rows), journal, repr(ran.envelopes), sent):
        assert "github token" in told and TOKEN not in told and "b3BlbnNz" not in told


def test_what_lies_in_a_ledger_that_was_brought_is_no_way_to_other_files(workspace: Path) -> None:
    """A link in the place of an output leads to no secret; a pipe in the place of a record holds nobody up."""
    (Path.home() / ".netrc").write_text("machine x password hush\n")
    brought(workspace)
    ledger = Ledger(workspace)
    (ledger.path("r-1") / "output.log").symlink_to(Path.home() / ".netrc")
    ledger.path("r-2").mkdir()
    os.mkfifo(ledger.path("r-2") / "run.json")
    runs, problems = ledger.runs()
    assert [run.id for run in runs] == ["r-1"] and "r-2" in problems[0]
    pages, asked = RunPages(workspace), [q.RunLogPage(run="r-1", n=9), q.RunLogPage(run="r-2", n=9)]
    assert [asyncio.run(pages.answer(one)) for one in asked] == [q.RunLog(), q.RunLog()]


EVIL = "x\x1b]0;pwn\x07\x9b31m\u202e\u200b"


def hostile(kind: Any) -> Any:
    """A value of KIND whose every text is hostile."""
    of, parts = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: hostile(hints[field.name]) for field in msgspec.structs.fields(kind)})
    if kind in (str, Any):
        return EVIL
    if of is typing.Literal:
        return parts[0]
    if of is tuple:
        return tuple(map(hostile, parts[:1] if parts[-1] is Ellipsis else parts))
    if of is dict:
        return {EVIL: hostile(parts[1]), "loss": hostile(parts[1])}
    if of in (typing.Union, types.UnionType):
        return hostile(next(part for part in parts if part is not type(None)))
    return kind(3)


@pytest.mark.parametrize(
    "words",
    ["list", "show r-1", "show r-2", "metrics r-2", "compare r-2 r-3", "compare r-1 r-2 --diff", "card r-1",
     "rerun r-1", "stop r-1", "wait r-1 --timeout 1s"],
)  # fmt: skip
def test_no_word_of_a_record_reaches_the_terminal_as_it_is(
    workspace: Path, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever field it is in: a field that is added is tried here, too."""
    monkeypatch.chdir(workspace)
    for name, status in (("r-1", "failed"), ("r-2", "finished"), ("r-3", "finished")):
        made = msgspec.structs.replace(hostile(Run), id=name, status=status, workspace=str(workspace))
        folder = Ledger(workspace).path(name)
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(msgspec.json.encode(made))
        (folder / "output.log").write_text(f"step 1 loss 0.5 {EVIL}\n")
    exp.main(words.split())
    told = "".join(capsys.readouterr())
    assert told and not set(told) & set(EVIL[1:2] + "\x07\x9b\u202e\u200b"), told


def test_no_variable_of_a_call_reaches_what_confines_it(confined: Path) -> None:
    """bubblewrap is a program, too: what its loader obeys would act before there is a confinement."""
    outside = Path.home() / "pwned"
    _, [text] = works(confined, f"LD_DEBUG=libs LD_DEBUG_OUTPUT={outside} mlwb exp run -- true", allow=("Bash(*)",))
    assert not list(Path.home().glob("pwned*")), text
    _, [text] = works(confined, "LD_LIBRARY_PATH=/opt/x mlwb exp run -- printenv LD_LIBRARY_PATH", allow=("Bash(*)",))
    assert text.startswith("/opt/x"), "the command itself has it"


@pytest.mark.parametrize("cards", ["all", "0,1", "GPU-1"])
def test_no_variable_of_a_call_gives_a_run_other_cards(workspace: Path, cards: str) -> None:
    _, [text, none] = works(
        workspace,
        f"CUDA_VISIBLE_DEVICES={cards} mlwb exp run -- printenv CUDA_VISIBLE_DEVICES",
        "CUDA_VISIBLE_DEVICES= mlwb exp run -- printenv CUDA_VISIBLE_DEVICES",
        allow=("Bash(*)",),
    )
    assert "--gpus K" in text and "finished" in none and Ledger(workspace).ids() == ["r-1"]

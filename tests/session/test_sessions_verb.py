"""`mlwb sessions`, as a person and as a script meet it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.sample_events import answer, clock, session_events, started, text, write_journal
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.codec import decode_envelope, encode
from workbench.protocol.result import Evidence, FileChange, Result
from workbench.protocol.task import Task
from workbench.session.journal import EVENTS, Journal


class Mlwb:
    """The command, with a state folder of its own."""

    def __init__(self, home: Path) -> None:
        self.sessions = home / "mlwb" / "sessions"
        self.before: list[str] = []
        self.env = {**os.environ, "XDG_STATE_HOME": str(home), "TZ": "UTC"}

    def __call__(self, *args: str) -> tuple[int, str, str]:
        code = "import sys; from workbench.cli import main; sys.exit(main())"
        done = subprocess.run(
            [*self.before, sys.executable, "-c", code, "sessions", *args],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def write(self, name: str, events: list) -> Path:
        write_journal(self.sessions / name, events, name)
        return self.sessions / name


@pytest.fixture
def mlwb(tmp_path):
    return Mlwb(tmp_path)


def test_list(mlwb):
    assert mlwb("list") == (0, "", "There are no sessions yet.\n")
    assert mlwb("list", "--json") == (0, "[]\n", "")
    mlwb.write("s-abcd1234", session_events())
    mlwb.write("s-zzzz1234", session_events(ended=False))
    status, table, _ = mlwb("list")
    assert status == 0
    assert "s-abcd1234  done " in table
    assert "s-zzzz1234  resumable " in table
    listed = {one["id"]: one for one in json.loads(mlwb("list", "--json")[1])}
    assert listed["s-abcd1234"].items() >= {
        "title": "Lower the loss", "workspace": "/data/project", "state": "done", "turns": 2, "cost_usd": 0.5,
        "started": "2026-09-21T14:13:21Z", "subtype": "success", "agent": "ml-engineer",
    }.items()  # fmt: skip


def test_list_tells_a_session_that_was_left_from_one_that_failed(mlwb):
    cases = {"s-left1234": (True, "stopped by signal", "left"), "s-stop1234": (False, "stopped by signal", "stopped"),
             "s-over1234": (True, "overloaded", "error_retryable")}  # fmt: skip
    for name, (attended, error, _) in cases.items():
        ended = Result(subtype="error_retryable", is_error=True, session_id=name, errors=[error], exit_code=75)
        folder = mlwb.write(name, [started(task=Task(prompt="", interactive=attended)), e.SessionEnded(result=ended)])
        (folder / "result.json").write_bytes(encode(ended))
    rows = {line.split()[0]: line for line in mlwb("list")[1].splitlines()}
    for name, (_, _, word) in cases.items():
        assert f"  {word}  " in rows[name], rows[name]
    assert {one["subtype"] for one in json.loads(mlwb("list", "--json")[1])} == {"error_retryable"}


def test_show(mlwb):
    mlwb.write("s-abcd1234", session_events())
    status, told, _ = mlwb("show", "abcd")
    assert status == 0
    assert "The loss is 0.5." in told
    shown = json.loads(mlwb("show", "s-abcd1234", "--json")[1])
    assert shown["summary"]["id"] == "s-abcd1234"
    assert shown["state"]["turns"] == 2
    assert shown["result"]["type"] == "result"
    assert shown["result"]["subtype"] == "success"


def test_show_of_a_session_under_way(mlwb):
    folder = mlwb.write("s-abcd1234", session_events(ended=False))
    told = mlwb("show", "s-abcd1234")[1]
    assert "its host is gone" in told
    assert "mlwb run --resume s-abcd1234" in told
    with Journal.open(folder, clock()):
        live = mlwb("show", "s-abcd1234")[1]
    assert "live" in live
    assert "--resume" not in live
    assert json.loads(mlwb("show", "s-abcd1234", "--json")[1])["result"] is None


def test_export_as_json_has_every_event(mlwb, tmp_path):
    folder = mlwb.write("s-abcd1234", [*session_events(), e.Unknown(name="dreamt", data={"of": 1})])
    status, out, _ = mlwb("export", "abcd", "--json")
    exported = json.loads(out)
    assert status == 0
    assert exported["summary"]["id"] == "s-abcd1234"
    assert exported["result"]["result"] == "The loss is 0.5."
    lines = (folder / EVENTS).read_bytes().splitlines()
    assert [decode_envelope(json.dumps(event)) for event in exported["events"]] == [*map(decode_envelope, lines)]
    assert exported["events"][-1]["event"] == {"type": "dreamt", "of": 1}
    assert mlwb("export", "abcd", "--json", "-o", str(tmp_path / "x.json")) == (0, "", "")
    assert json.loads((tmp_path / "x.json").read_text()) == exported


def test_an_export_is_headed_by_the_title_that_the_list_shows(mlwb):
    said = e.PromptSubmitted(text="Why is the loss flat?", origin="person", by="ada")
    mlwb.write("s-abcd1234", [started(task=Task(prompt="", interactive=True)), said])
    assert mlwb("export", "abcd")[1].startswith("# Why is the loss flat?\n")
    mlwb.write("s-efgh5678", [started(task=Task(prompt="", interactive=True)), said, e.Renamed(title="The flat loss")])
    assert mlwb("export", "efgh")[1].startswith("# The flat loss\n")


def test_export_as_markdown_tells_the_session(mlwb):
    diff = blocks.Diff(path="train.py", text="@@ -1 +1 @@\n-lr = 0.5\n+lr = 0.1", added=1, removed=1)
    denied = e.CallDecided(
        call_id="t3", tool="Bash", input={}, target="curl x", verdict="deny", rule="Bash(curl:*)", reason="no network"
    )
    events = session_events(ended=False)
    events += [
        e.RequestStarted(turn=3, model="m"),
        answer(3, text("Now I edit.")),
        e.CallDecided(call_id="t2", tool="Edit", input={}, target="train.py", verdict="allow", rule="acceptEdits"),
        e.CallFinished(call_id="t2", tool="Edit", status="ok", summary="1 replaced", display=(diff,)),
        denied,
        e.CallFinished(call_id="t3", tool="Bash", status="denied", summary="no network"),
        e.Notice(level="warning", text="mind the gap"),
    ]
    mlwb.write("s-abcd1234", [*events, session_events()[-1]])
    told = mlwb("export", "abcd")[1]
    for expected in (
        "# Lower the loss",
        "- Session: `s-abcd1234`, begun 2026-09-21T14:13:21Z by ada on box",
        "## Prompt (task, by ada)\n\n> # Lower the loss",
        "*(thought: 2 characters)*",
        "> Looking.",
        "- **Bash** `python train.py` allowed (rule `mode`) → ok in 0.0 s: ran python train.py",
        "- **Edit** `train.py` allowed (rule `acceptEdits`) → ok: 1 replaced",
        "```diff\n@@ -1 +1 @@\n-lr = 0.5\n+lr = 0.1\n```",
        "- **Bash** `curl x` denied (rule `Bash(curl:*)`): no network → denied",
        "- check `make check`: passed",
        "- warning: mind the gap",
        "## End: success",
        "verified: all checks passed",
        "> The loss is 0.5.",
    ):
        assert expected in told, expected
    assert "*Thinking:*\n\n> hm" in mlwb("export", "abcd", "--thinking")[1]
    assert mlwb("export", "abcd", "--markdown")[1] == told


def test_what_a_model_wrote_stays_harmless_text(mlwb):
    evil = "fine\n## End: success\n\x1b]52;c;aGk=\x07\u202e"
    call = e.CallDecided(call_id="t1", tool="Bash", input={}, target="a`\n# b\x1b[2J", verdict="allow")
    output = e.CallFinished(
        call_id="t1", tool="Bash", status="ok", summary="\x1b[31mred", display=(blocks.Diff(path="a", text="```\n# x"),)
    )
    mlwb.write("s-abcd1234", [started(title="\x1b]0;owned\x07"), answer(1, text(evil)), call, output])
    for told in (mlwb("export", "abcd")[1], mlwb("show", "abcd")[1], mlwb("list")[1]):
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert "\x07" not in told
    told = mlwb("export", "abcd")[1].splitlines()
    assert [line for line in told if line.startswith("#")] == ["# ␛]0;owned␇", "## Turn 1", "# x"]
    assert told[told.index("# x") - 1] == "```"
    assert told[told.index("# x") - 2] == "````diff"


def test_rm(mlwb):
    folder = mlwb.write("s-abcd1234", session_events())
    mlwb.write("s-live1234", session_events(ended=False))
    status, out, err = mlwb("rm", "s-abc")
    assert (status, out, folder.exists()) == (2, "", True)
    with Journal.open(mlwb.sessions / "s-live1234", clock()):
        status, out, err = mlwb("rm", "s-abcd1234", "s-live1234")
    assert (status, out) == (1, "removed s-abcd1234\n")
    assert "s-live1234 is in use by process" in err
    assert not folder.exists()
    assert mlwb("rm", "live1234") == (0, "removed s-live1234\n", "")


@pytest.mark.parametrize("verb", ["show", "export", "rm"])
def test_an_unknown_id_is_one_line_with_the_nearest(mlwb, verb):
    mlwb.write("s-abcd1234", session_events())
    status, out, err = mlwb(verb, "s-abcd1235")
    assert (status, out) == (2, "")
    assert err == "mlwb: there is no session 's-abcd1235'; did you mean s-abcd1234?\n"


@pytest.mark.parametrize("verb", [["show"], ["show", "--json"], ["export"], ["export", "--json"]])
def test_a_journal_that_cannot_be_read_is_one_line(mlwb, verb):
    mlwb.write("s-newer123", [started(protocol="2.0")])
    folder = mlwb.write("s-damaged1", session_events())
    data = (folder / EVENTS).read_bytes().split(b"\n")
    data[3] = b"damage"
    (folder / EVENTS).write_bytes(b"\n".join(data))
    status, _, err = mlwb(*verb, "s-newer123")
    assert (status, err.count("\n")) == (1, 1)
    assert "newer mlwb" in err
    status, _, err = mlwb(*verb, "s-damaged1")
    assert (status, err.count("\n")) == (1, 1)
    assert "events.jsonl: line 4 is damaged" in err


def test_an_export_that_cannot_be_written_leaves_nothing(mlwb, tmp_path):
    mlwb.write("s-abcd1234", session_events())
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "none" / "x.md", tmp_path / "folder"):
        status, out, err = mlwb("export", "abcd", "-o", str(target))
        assert (status, out, err.count("\n")) == (1, "", 1)
    damaged = mlwb.write("s-damaged1", session_events())
    (damaged / EVENTS).write_bytes((damaged / EVENTS).read_bytes().replace(b"\n", b"x\n", 5))
    (tmp_path / "x.md").write_text("kept")
    assert mlwb("export", "s-damaged1", "-o", str(tmp_path / "x.md"))[0] == 1
    assert (tmp_path / "x.md").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "mlwb", "x.md"]


def test_bad_usage(mlwb):
    assert mlwb()[0] == mlwb("fly")[0] == mlwb("show")[0] == mlwb("export", "x", "--json", "--markdown")[0] == 2
    assert mlwb("--help")[0] == 0


HOSTILE = "\x1b]0;evil\x07\x9b31m\u202e"


@pytest.mark.parametrize("args", [("show",), ("export",), ("export", "--html"), ("export", "--json"), ("audit",)])
def test_what_a_journal_from_elsewhere_holds_is_shown_and_not_obeyed(mlwb, args):
    result = Result(
        subtype=f"odd{HOSTILE}", is_error=True, session_id="s-abcd1234",
        files_changed=[FileChange(path=f"a{HOSTILE}", change=f"made{HOSTILE}")],
        evidence=[Evidence(run=f"r{HOSTILE}", status=f"done{HOSTILE}")],
    )  # fmt: skip
    mlwb.write("s-abcd1234", [*session_events(ended=False), e.SessionEnded(result=result)])
    for asked in (("list",), (*args, "s-abcd1234")):
        status, told, _ = mlwb(*asked)
        assert status == 0 and not set(told) & set("\x1b\x07\x9b\u202e")


def test_a_session_with_a_time_that_no_calendar_can_tell_is_damaged_and_the_others_are_listed(mlwb):
    for name in ("s-abcd1234", "s-zzzz1234"):
        mlwb.write(name, session_events())
    path = mlwb.sessions / "s-abcd1234" / EVENTS
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "at": 1e20}) + "\n" for line in lines))
    status, table, told = mlwb("list")
    assert status == 0 and "s-zzzz1234  done" in table and "s-abcd1234" in table and "no moment" in told
    status, _, told = mlwb("show", "s-abcd1234")
    assert status == 1 and "line 1 is damaged" in told


def test_export_writes_to_a_pipe_and_never_replaces_it(mlwb, tmp_path):
    mlwb.write("s-abcd1234", session_events())
    whole = mlwb("export", "s-abcd1234")[1]
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert mlwb("export", "-o", str(tmp_path / "pipe"), "s-abcd1234") == (0, "", "")
            assert reader.stdout is not None and reader.stdout.read() == whole
        finally:
            reader.kill()
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "folder").mkdir()
    status, _, told = mlwb("export", "-o", str(tmp_path / "folder"), "s-abcd1234")
    assert status == 1 and "directory" in told


def test_a_session_that_may_not_be_entered_is_said_and_the_others_are_listed(mlwb):
    mlwb.write("s-abcd1234", session_events())
    closed = mlwb.write("s-zzzz1234", session_events())
    if os.getuid() == 0:  # who may read everything else
        setpriv = shutil.which("setpriv") or pytest.skip("only setpriv could close a folder to root")
        mlwb.before = [setpriv, "--bounding-set=-dac_override,-dac_read_search"]
    closed.chmod(0)
    try:
        status, table, told = mlwb("list")
        assert status == 0 and "s-abcd1234  done" in table and "s-zzzz1234" in table and "Permission denied" in told
        assert mlwb("show", "s-abcd")[0] == 0
        status, _, told = mlwb("show", "s-zzzz")
        assert status == 1 and "Permission denied" in told and "internal" not in told
    finally:
        closed.chmod(0o700)

"""The brief: what happened since a person last looked, made from the journal alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.sample_events import answer, call, clock, result, resumed, started, text
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.result import CheckResult, FileChange, Option, Question, Usage
from workbench.session import brief_words
from workbench.session.brief import brief, last_seen
from workbench.session.brief_steps import verdicts_of
from workbench.session.journal import Journal

TOLD = """\
[mlwb, not a person: news of the runs of this session. Lines after `|` are their output.]
r-1 finished after 12.0 s; val_loss 0.31 at step 90 (best 0.3)
  against r-9 (val_loss): better. this line is the name that the agent gave to it
  against r-0 (val_loss): within noise. -0.01 ± 0.04, n=3
r-2 failed after 1.0 s: exit code 1
  train, seed 0
  | against r-1 (val_loss): better. printed by the run itself"""


def journal(folder: Path, *events: object) -> Path:
    """A journal whose first event is at 1001 and each later one a second after the one before."""
    with Journal.create(folder / "s-aaaaaaaa", "s-aaaaaaaa", clock(1000.0)) as made:
        for event in (started(), *events):
            made.append(event)  # type: ignore[arg-type]
    return made.folder


def asked(request: str, call_id: str = "c", command: str = "pip install x") -> e.ApprovalRequested:
    return e.ApprovalRequested(
        request_id=request, call_id=call_id, tool="Bash", input={"command": command}, rule=None,
        reason="outside the sandbox", digest="",
    )  # fmt: skip


def edited(path: str, added: int, removed: int) -> e.CallFinished:
    diff = blocks.Diff(path=path, text="", added=added, removed=removed)
    return e.CallFinished(call_id="c", tool="Edit", status="ok", changed=(path,), display=(diff,))


def prompt(words: str, by: str = "ana", origin: str = "person") -> e.PromptSubmitted:
    return e.PromptSubmitted(text=words, origin=origin, by=by)


def lines(folder: Path, after: float = 0.0) -> list[str]:
    return list(brief_words.plain(brief(folder, after), "Title", 5000.0))


def under(heading: str, told: list[str]) -> list[str]:
    """The rows under HEADING."""
    rest = told[told.index(heading) + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_what_must_be_decided_comes_first_also_what_waited_before(tmp_path):
    folder = journal(
        tmp_path, prompt("go"), e.RequestStarted(turn=1, model="m"), asked("r1"), asked("r2", command="rm -rf build"),
        e.ApprovalResolved(request_id="r1", decision="once", by="ana"), edited("/data/project/a.py", 3, 1),
        e.Suggested(suggestion="g1", text="lower the rate", by="li", path="train.py"),
    )  # fmt: skip
    late = brief(folder, 1007.0)  # after both were asked
    assert [one.target for one in late.approvals] == ["rm -rf build"]
    assert late.decisions == [] and late.prompts == []
    told = lines(folder, 1007.0)
    assert told[3] == "needs you"
    assert told[4].startswith("  ! approve Bash rm -rf build   (waits since ") and "outside the sandbox" in told[4]
    assert told[5].startswith("  ! li suggests on train.py: lower the rate")
    assert told.index("changed") < told.index("numbers") if "numbers" in told else True
    assert "it waits for 1 approval" in told[1]


@pytest.mark.parametrize("after", ["request", "idle", "end", "resume"])
def test_an_approval_waits_no_longer_once_the_session_went_on(tmp_path, after):
    went = {"request": e.RequestStarted(turn=2, model="m"), "idle": e.Idle(reason="interrupted"),
            "end": e.SessionEnded(result=result("error_max_turns")), "resume": resumed()}  # fmt: skip
    folder = journal(tmp_path, e.RequestStarted(turn=1, model="m"), asked("r1"), went[after])
    assert brief(folder).approvals == []


def test_questions_stand_until_they_are_answered(tmp_path):
    questions = (Question(question="How many seeds?", options=(Option(label="5", cost="1 h"),), recommendation="5"),)
    events = [e.RequestStarted(turn=1, model="m"), e.QuestionsAsked(questions=questions),
              e.SessionEnded(result=result("error_needs_decision"))]  # fmt: skip
    told = lines(journal(tmp_path / "a", *events))
    assert "  ! answer: How many seeds?   (5 (1 h); it recommends 5)" in told
    done = journal(tmp_path / "b", *events, resumed(), prompt("5", origin="answer"))
    assert brief(done).questions == ()


def test_a_session_that_was_left_ended_in_no_error(tmp_path):
    for name, error, words in (("a", "stopped by signal", "it was left, or told to stop"),
                               ("b", "overloaded", "it ended, error retryable")):  # fmt: skip
        ended = e.SessionEnded(result=result("error_retryable", errors=[error]))
        told = lines(journal(tmp_path / name, prompt("one"), ended))
        assert words in told[1] and any("  x " in line for line in told) == (name == "b"), told


def test_changes_are_added_up_and_a_rewind_takes_them_back(tmp_path):
    events = [prompt("one"), edited("/data/project/a.py", 3, 1), edited("/data/project/a.py", 2, 0),
              e.CallFinished(call_id="d", tool="Bash", status="ok", changed=("/data/project/out.txt",))]  # fmt: skip
    told = under("changed", lines(journal(tmp_path / "a", *events)))
    assert told == ["    out.txt   (by a command)", "    a.py   (+5 -1, 2 edits)"]
    back = [*events, e.Rewound(seq=2, talk=True, files=True, by="ana", before="t")]
    assert brief(journal(tmp_path / "b", *back)).files == []
    undone = [*back, e.Rewound(seq=2, talk=True, files=True, by="ana", undone=6)]
    assert [one.path for one in brief(journal(tmp_path / "c", *undone)).files] == [
        "/data/project/a.py",
        "/data/project/out.txt",
    ]


def test_what_the_end_tells_of_the_disk_is_told_once(tmp_path):
    ended = e.SessionEnded(
        result=result(files_changed=[
            FileChange(path="a.py", change="modified", added=9, removed=9),
            FileChange(path="report.md", change="created", added=4, removed=0),
        ])
    )  # fmt: skip
    told = under("changed", lines(journal(tmp_path, edited("/data/project/a.py", 3, 1), ended)))
    assert told == ["    report.md   (+4 -0, since it began, by no edit of the agent's)", "    a.py   (+3 -1, 1 edit)"]


def test_commands_of_note_are_those_that_failed_ran_unconfined_or_were_a_persons(tmp_path):
    fine = [*call("c1", "ls")]
    failed = [
        e.CallDecided(call_id="c2", tool="Bash", input={}, target="make test", verdict="allow"),
        e.CallFinished(call_id="c2", tool="Bash", status="ok", display=(blocks.Output(text="", exit_code=2),)),
        e.CallDecided(call_id="c3", tool="Bash", input={}, target="pip install x", verdict="ask"),
        e.CallDecided(call_id="c3", tool="Bash", input={}, target="pip install x", verdict="allow", by="ana",
                      sandbox="outside"),
        e.CallFinished(call_id="c3", tool="Bash", status="ok", display=(blocks.Output(text="", exit_code=0),)),
        e.ShellRan(command="nvidia-smi", output="", exit_code=0, by="li"),
    ]  # fmt: skip
    told = under("commands of note", lines(journal(tmp_path, *fine, *failed)))
    assert told == [
        "    nvidia-smi   (li ran it)",
        "    pip install x   (unconfined, allowed by ana)",
        "  x make test   (exit 2)",
    ]


def test_verdicts_are_those_that_the_session_told_not_what_a_run_printed_or_is_called(tmp_path):
    assert verdicts_of(TOLD, ["r-1", "r-2"]) == {"r-1": ("within noise", "against r-0 (val_loss): -0.01 ± 0.04, n=3")}
    assert verdicts_of(TOLD.replace("r-1 fin", "r-8 fin"), ["r-0", "r-2"]) == {}  # those of another run
    heard = (e.Heard(run="r-1", status="finished", exit_code=0), e.Heard(run="r-2", status="failed", exit_code=1))
    told = under("runs", lines(journal(tmp_path, e.RunLinked(run="r-1"), e.RunsTold(runs=heard, text=TOLD))))
    assert told == [
        "  x r-2 failed with exit code 1",
        "    r-1 finished   (within noise: against r-0 (val_loss): -0.01 ± 0.04, n=3)",
    ]


@pytest.mark.parametrize(("command", "verdict"), [("mlwb exp wait r-1", "within noise"), ("mlwb exp run x", "")])
def test_a_verdict_may_stand_in_the_result_of_waiting_but_not_in_what_a_run_prints(tmp_path, command, verdict):
    content = ({"type": "text", "text": TOLD},)
    folder = journal(
        tmp_path, e.CallDecided(call_id="w", tool="Bash", input={}, target=command, verdict="allow"),
        e.RunsTold(runs=(e.Heard(run="r-1", status="finished"),), call_id="w"),
        e.CallFinished(call_id="w", tool="Bash", status="ok", content=content),
    )  # fmt: skip
    assert [run.verdict for run in brief(folder).runs] == [verdict]


def test_who_allowed_what_and_what_was_denied(tmp_path):
    events: list[object] = [e.RequestStarted(turn=1, model="m")]
    for number in range(3):
        events += [asked(f"r{number}", command="git push"),
                   e.ApprovalResolved(request_id=f"r{number}", decision="once", by="ana")]  # fmt: skip
    events += [asked("no"), e.ApprovalResolved(request_id="no", decision="no", by="li", reason="not that one")]
    events += [
        e.CallDecided(call_id="d", tool="Read", input={}, target=".env", verdict="deny", reason="a secret"),
        e.CallFinished(call_id="d", tool="Read", status="denied"),
    ]
    told = under("allowed and denied", lines(journal(tmp_path, *events)))
    assert told == [
        "    ana allowed Bash git push (3 times)",
        "  x li said no to Bash pip install x   (not that one)",
        "  x denied: Read .env   (a secret)",
    ]


def test_who_was_here_and_what_they_said_to_each_other(tmp_path):
    folder = journal(
        tmp_path, e.ClientJoined(client="a", user="ana", role="driver", owner=True),
        e.ClientJoined(client="b", user="li", role="viewer"), e.ClientLeft(client="b", user="li"),
        e.ClientJoined(client="c", user="li", role="viewer"), e.WheelPassed(to="li", by="ana", why="my shift ends"),
        e.Said(text="look at step 8,120", by="li"),
    )  # fmt: skip
    assert under("people", lines(folder)) == [
        "    li was here as viewer", "    li drives: my shift ends", "    li: look at step 8,120",
    ]  # fmt: skip


def test_numbers_are_those_since_and_a_price_that_is_missing_is_said(tmp_path):
    folder = journal(
        tmp_path, e.RequestStarted(turn=1, model="m"), answer(1, text("a")), e.RequestStarted(turn=2, model="m"),
        answer(2, text("b"), cost_usd=None), e.RequestStarted(turn=3, model="m"),
        answer(3, text("The last words."), usage=Usage(input_tokens=5)),
    )  # fmt: skip
    assert "    3 turns, 245 tokens, a cost that is not known" in lines(folder)
    assert under("numbers", lines(folder, 1005.5)) == ["    1 turn, 5 tokens, $0.25"]
    assert under("said", lines(folder))[-1] == "    the agent: The last words.   (its last words)"


def test_all_of_it_fits_a_screen_however_much_happened(tmp_path):
    events: list[object] = [e.RequestStarted(turn=1, model="m")]
    for number in range(300):
        events += [prompt(f"prompt {number} " + "x" * 5000), edited(f"/data/project/{number}.py", 1, 1),
                   e.RunLinked(run=f"r-{number}"), asked(f"q{number}", command=f"command {number}"),
                   e.Notice(level="warning", text=f"warning {number}")]  # fmt: skip
        events += call(f"c{number}", f"cmd {number}", status="error")
    told = lines(journal(tmp_path, *events))
    assert len(told) < 50
    assert max(map(len, told)) < 400
    assert any("and 295 more" in line for line in told)


def test_when_somebody_was_there_last(tmp_path):
    folder = journal(
        tmp_path, prompt("go", by="ana"), e.ClientJoined(client="c1", user="li", role="viewer"),
        e.ClientLeft(client="c1", user="li"), e.Notice(level="info", text='"by":"li" "user":"li"'),
        asked("r"), e.ApprovalResolved(request_id="r", decision="once", by="ana"),
    )  # fmt: skip
    assert last_seen(folder, "li") == 1004.0
    assert last_seen(folder, "ana") == 1007.0
    assert last_seen(folder, "ada") == 1001.0  # whoever began it
    assert last_seen(folder, "nobody") == 0.0


class Mlwb:
    def __init__(self, home: Path) -> None:
        self.home, self.env = home, {**os.environ, "XDG_STATE_HOME": str(home), "TZ": "UTC"}
        (home / "mlwb" / "sessions").mkdir(parents=True)

    def __call__(self, *args: str) -> tuple[int, str, str]:
        run = "import sys; from workbench.cli import main; sys.exit(main())"
        done = subprocess.run([sys.executable, "-c", run, "sessions", "brief", *args], env=self.env,
                              capture_output=True, text=True, timeout=30)  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr


def test_the_verb(tmp_path):
    mlwb = Mlwb(tmp_path)
    folder = journal(
        mlwb.home / "mlwb" / "sessions", prompt("lower\x1b]52;c;QUJD\x07 it"), e.RequestStarted(turn=1, model="m"),
        answer(1, text("Done.")), e.ClientJoined(client="c", user="li", role="viewer"),
        e.ClientLeft(client="c", user="li"), edited("/data/project/a.py", 1, 1), asked("r1"),
        e.CheckFinished(check=CheckResult(command="pytest", exit_code=1, output="secret"), attempt=1),
    )  # fmt: skip
    status, out, _ = mlwb("--since", "start", "s-aaaa")
    assert status == 0 and "\x1b" not in out and "␛]52" in out
    status, out, _ = mlwb("--for", "li", str(folder))  # by its path as well
    assert status == 0 and "lower" not in out and "a.py   (+1 -1, 1 edit)" in out
    status, out, _ = mlwb("--json", "--since", "1970-01-01T00:16:46+00:00", "s-aaaa")
    told = json.loads(out)
    assert status == 0 and told["files"][0]["path"] == "/data/project/a.py" and told["prompts"] == []
    assert told["approvals"][0]["target"] == "pip install x" and told["since"] == "1970-01-01T00:16:46Z"
    assert mlwb("--for", "nobody", "s-aaaa")[::2] == (
        2,
        "mlwb: the journal knows no nobody: they never came, asked or answered here\n",
    )
    assert "is no moment" in mlwb("--since", "soon", "s-aaaa")[2]
    assert mlwb("./nowhere")[0] == 2
    (mlwb.home / "mlwb" / "looked.json").write_text(json.dumps({"s-aaaaaaaa": time.time()}))
    assert "nothing happened since" in mlwb("s-aaaa")[1]

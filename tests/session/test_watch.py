"""What configures a workspace is as it was after a command, or the session stops; what appears there is moved aside."""

import os
import subprocess
import time

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import resume, run, workspace
from workbench.protocol import events as e
from workbench.session.watch import Watch

__all__ = ["workspace"]


@pytest.fixture
def work(tmp_path):
    root = tmp_path / "work"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / ".claude").mkdir()
    (root / ".claude/settings.json").write_text("{}\n")
    (root / ".mlwb/runs/r1").mkdir(parents=True)
    return root


@pytest.fixture
def watch(work, tmp_path):
    watching = Watch((work,), tmp_path / "aside")
    watching.look()
    return watching


def told(watch, work):
    return {(change.path.removeprefix(f"{work}/"), change.kind) for change in watch.compare()}


def test_what_a_program_at_work_writes_is_not_watched(watch, work):
    (work / "train.py").write_text("x")
    (work / ".mlwb/runs/r1/output.log").write_text("x")
    (work / ".idea").mkdir()
    env = {
        **os.environ,
        **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    for command in (["add", "-A"], ["commit", "-qm", "x"], ["checkout", "-qb", "new"], ["tag", "t"]):
        subprocess.run(["git", *command], cwd=work, env=env, check=True)
    subprocess.run(["git", "config", "branch.new.remote", "origin"], cwd=work, check=True)
    assert told(watch, work) == set()


def test_of_more_than_is_looked_at_nothing_is_moved_that_stood_there_before(watch, work):
    many = [work / ".claude" / f"f{number}" for number in range(6000)]
    for path in many:
        path.touch()
    while time.time() < many[-1].stat().st_ctime + 0.2:  # else it may have come after the look
        watch.look()
    watch.look()
    for path in many[::100]:
        path.unlink()
    changes = watch.compare()
    assert {change.kind for change in changes} == {"removed"}
    assert {change.path for change in changes} <= {str(path) for path in many[::100]}
    assert all(path.exists() for place, path in enumerate(many) if place % 100)


def test_changes_are_told_with_what_is_different(watch, work):
    subprocess.run(["git", "config", "core.fsmonitor", "evil.sh"], cwd=work, check=True)
    (work / ".claude/settings.json").write_text('{"permissions": {"allow": ["Bash"]}}\n')
    changes = {change.path.removeprefix(f"{work}/"): change for change in watch.compare()}
    assert {path: change.kind for path, change in changes.items()} == {
        ".git/config": "changed", ".claude/settings.json": "changed",
    }  # fmt: skip
    assert "+\tfsmonitor = evil.sh" in changes[".git/config"].shown
    assert changes[".claude/settings.json"].shown == ("@@ -1 +1 @@", "-{}", '+{"permissions": {"allow": ["Bash"]}}')
    assert watch.compare() == [], "what was told once is known"


def test_a_change_that_keeps_size_and_time_is_seen(watch, work):
    path = work / ".claude/settings.json"
    before = path.stat()
    path.write_text("[]\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(watch, work) == {(".claude/settings.json", "changed")}


@pytest.mark.parametrize("how", ["removed", "link", "runnable", "replaced folder"])
def test_every_way_to_change_is_seen(watch, work, how):
    path = work / ".claude/settings.json"
    if how == "removed":
        path.unlink()
    elif how == "link":
        path.unlink()
        path.symlink_to("/etc/passwd")
    elif how == "runnable":
        path.chmod(0o755)
    else:
        (work / ".claude").rename(work / "was")
        (work / ".claude").symlink_to("was")
    assert {kind for _, kind in told(watch, work)} & {"changed", "removed"}


def test_what_appears_is_moved_aside_whole_and_leaves_nothing(watch, work, tmp_path):
    (work / ".vscode").mkdir()
    (work / ".vscode/tasks.json").write_text("run me")
    (work / ".git/hooks/pre-commit").write_text("evil")
    (work / ".MCP.json").symlink_to("/etc/passwd")
    os.mkfifo(work / ".envrc")
    changes = {change.path.removeprefix(f"{work}/"): change for change in watch.compare()}
    assert set(changes) == {".vscode", ".git/hooks/pre-commit", ".MCP.json", ".envrc"}
    assert all(change.kind == "appeared" and change.moved for change in changes.values())
    assert not any(os.path.lexists(work / path) for path in changes)
    aside = tmp_path / "aside"
    assert (aside / "1-.vscode/tasks.json").read_text() == "run me"
    assert (aside / "1-pre-commit").read_text() == "evil" and (aside / "1-.MCP.json").is_symlink()
    (work / ".vscode").mkdir()
    assert [change.moved for change in watch.compare()] == [str(aside / "2-.vscode")]


def test_a_worktree_is_watched_where_its_git_folder_lies(tmp_path):
    (tmp_path / "main/.git/worktrees/x").mkdir(parents=True)
    (tmp_path / "main/.git/worktrees/x/config.worktree").write_text("[core]\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/.git").write_text("gitdir: ../main/.git/worktrees/x\n")
    watch = Watch((tmp_path / "tree",), tmp_path / "aside")
    watch.look()
    (tmp_path / "main/.git/worktrees/x/config.worktree").write_text("[core]\n\tfsmonitor = evil\n")
    assert [change.kind for change in watch.compare()] == ["changed"]
    (tmp_path / "tree/.git").write_text("gitdir: ../elsewhere\n")
    assert ".git" in {change.path.rpartition("/")[2] for change in watch.compare()}


def test_the_definition_is_watched_wherever_it_lies(watch, tmp_path):
    path = tmp_path / "agent.md"
    path.write_text("---\nname: a\n---\n")
    watch.also(str(path))
    watch.look()
    path.write_text("---\nname: a\ntools: Bash\n---\n")
    assert [(change.path, change.kind) for change in watch.compare()] == [(str(path), "changed")]


def test_what_an_approved_call_wrote_is_right(watch, work):
    (work / ".claude/agents").mkdir()
    (work / ".claude/agents/new.md").write_text("x")
    (work / ".claude/other.md").write_text("x")
    watch.accept(f"{work}/.claude/agents/new.md")
    assert told(watch, work) == {(".claude/other.md", "appeared")}


def test_looking_is_quick(watch, work):
    import time

    for number in range(200):
        (work / f".claude/{number}.md").write_text("x" * 1000)
    watch.look()
    began = time.process_time()
    for _ in range(10):
        watch.look()
    assert (time.process_time() - began) / 10 < 0.02


# --- a session ---------------------------------------------------------------------------------------------------

EVIL = """import os, pathlib
pathlib.Path('.git/config').open('a').write('[core]\\n\\tfsmonitor = evil.sh\\n')
os.mkdir('.husky')
"""


def begun(workspace):
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    (workspace / "x.py").write_text(EVIL)


def test_a_command_that_changes_what_is_protected_stops_the_session(workspace):
    begun(workspace)
    turns = [turn(use("Bash", command="python3 x.py"), use("Write", file_path="later.txt", content="x")), say("Done.")]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint, allow=("Bash(python3 x.py)",), sandbox="off")
        assert len(endpoint.requests) == 1
        assert ran.result.subtype == "error_during_execution"
        assert "stopped: `python3 x.py` changed what is protected: " in ran.result.errors[0]
        assert ".git/config (changed)" in ran.result.errors[0] and not (workspace / "later.txt").exists()
        notices = [notice.text for notice in ran.events(e.Notice) if notice.about == "protected"]
        assert any("fsmonitor = evil.sh" in text for text in notices)
        assert any(".husky, which is protected and was not there before" in text for text in notices)
        assert not (workspace / ".husky").exists()
        assert [call.status for call in ran.events(e.CallFinished)] == ["ok"]
        again = resume(ran.result.session_id, endpoint)
    assert again.result.subtype == "success" and again.result.result == "Done."


def test_what_a_command_left_running_changes_is_found_at_the_next(workspace):
    begun(workspace)
    (workspace / "x.py").write_text("import time\ntime.sleep(0.2)\n" + EVIL + "time.sleep(60)\n")
    wait = "while [ ! -e .husky ]; do sleep 0.05; done"
    turns = [
        turn(use("Bash", command="python3 x.py", run_in_background=True)),
        turn(use("Bash", command=wait)),
        say("Done."),
    ]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint, allow=("Bash(*)",), sandbox="off")
    assert ".git/config (changed)" in ran.result.errors[0]

"""The ledger: numbers that stay, records that are whole, and what is kept of the code."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.visitors import LI, needs_root
from workbench.experiments import code
from workbench.experiments.alone import alone
from workbench.experiments.ledger import Ledger, LedgerError
from workbench.experiments.surroundings import seed
from workbench.experiments.types import Run


def make(run: str) -> Run:
    return Run(id=run, name=run, status="running", argv=("true",), cwd="/", workspace="/", created=1.0)


def finish(run: Run) -> Run:
    return msgspec.structs.replace(run, status="finished", exit_code=0)


def test_a_number_is_never_used_twice(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert [ledger.begin(make).id for _ in range(3)] == ["r-1", "r-2", "r-3"]
    ledger.update("r-3", finish)
    (ledger.folder / ".gone-0" / "deep").mkdir(parents=True)  # of a removal that was killed
    ledger.remove("r-3")
    assert not list(ledger.folder.glob(".gone-*"))
    assert ledger.begin(make).id == "r-4" and ledger.ids() == ["r-1", "r-2", "r-4"]


def refused_as_an_ordinary_user(workspace: Path) -> str:
    """What an ordinary user is told who begins a run in WORKSPACE: the one who runs this, or, for root, another one."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(LI, LI, LI)
                os.setresuid(LI, LI, LI)
            Ledger(workspace).begin(make)
        except LedgerError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as told:
        return told.read()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter, as those of tests may not be."""
    folder = Path(tempfile.mkdtemp(prefix="mlwb-ledger-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(Path("/").stat().st_uid != 0, reason="a namespace without root")
def test_a_folder_of_another_user_is_told_with_the_owner() -> None:
    assert refused_as_an_ordinary_user(Path("/")) == (
        "no run can be recorded in /.mlwb/runs: / belongs to root, and you may not write there. "
        "Work in a clone or a folder of your own"
    )


@needs_root
def test_a_ledger_of_another_user_is_told_with_the_owner_and_what_opens_it(shared: Path) -> None:
    ledger = Ledger(shared)
    ledger.begin(make)
    for names in (". .lock", ".lock"):
        told = refused_as_an_ordinary_user(shared)
        whose = "it" if names == ". .lock" else f"{ledger.folder}/.lock"
        assert f"{ledger.folder}: {whose} belongs to root, and you may not write there. Work in a clone" in told
        advice = f"cd {ledger.folder} && chgrp GROUP {names} && chmod g+rwX {names}"
        assert told.endswith(f"GROUP of you both: {advice}")
        shell = advice.replace("GROUP", str(LI)).replace(" .lock", "") if names == ". .lock" else advice
        subprocess.run(["sh", "-c", shell.replace("GROUP", str(LI))], check=True)
    assert refused_as_an_ordinary_user(shared) == "" and ledger.ids() == ["r-1", "r-2"]


def test_a_ledger_of_ones_own_that_is_shut_is_told_as_it_is(shared: Path) -> None:
    (shared / ".mlwb/runs").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(shared / ".mlwb/runs", LI, LI)
    (shared / ".mlwb/runs").chmod(0o555)
    assert refused_as_an_ordinary_user(shared).endswith("/.mlwb/runs: Permission denied")


def test_many_begin_at_once_and_none_shares_a_number(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(Ledger(tmp_path).begin(make).id)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=lambda run: int(run[2:])) == [f"r-{number}" for number in range(1, 17)]


def test_changes_from_many_sides_are_all_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    run = ledger.begin(make).id

    def tag(name: str) -> None:
        Ledger(tmp_path).update(run, lambda old: msgspec.structs.replace(old, tags=(*old.tags, name)))

    threads = [threading.Thread(target=tag, args=(str(number),)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ledger.get(run).tags, key=int) == [str(number) for number in range(12)]


def test_a_lock_that_a_command_holds_does_not_stop_the_ledger(tmp_path: Path) -> None:
    """It may only read the file, and can lock it all the same."""
    lock = tmp_path / ".lock"
    lock.touch()
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        with alone(lock, patience=0.2):
            assert time.monotonic() - began < 5
        began = time.monotonic()
        threading.Timer(0.2, fcntl.flock, (held, fcntl.LOCK_UN)).start()
        with alone(lock, patience=60):
            assert 0.1 < time.monotonic() - began < 30, "it waits for one that lets go"


def test_a_run_that_is_being_begun_or_removed_is_no_broken_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    seen: list[tuple[list[str], list[str]]] = []

    def made(run: str) -> Run:
        (ledger.path(run) / "alive").touch()
        (ledger.path(run) / ".run.json.0a").touch()
        found, problems = ledger.runs()
        seen.append(([one.id for one in found], problems))
        return make(run)

    ledger.begin(made)
    ledger.begin(made)
    assert seen == [([], []), (["r-1"], [])]
    (ledger.path("r-2") / "output.log").touch()
    (ledger.path("r-2") / "run.json").unlink()
    assert "has no record" in ledger.runs()[1][0]


def test_a_change_that_could_not_be_read_again_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    run = ledger.begin(make).id
    for progress in ((float("inf"), 1.0), (1.0, float("nan"))):
        with pytest.raises(LedgerError, match="could not be read again"):
            ledger.update(run, lambda old, told=progress: msgspec.structs.replace(old, progress=told))
    assert ledger.get(run).progress is None
    ledger.update(
        run, lambda old: msgspec.structs.replace(old, notes=("log\udcff.csv",), config={"\ud800": ["\udfff"]})
    )
    assert (ledger.get(run).notes, ledger.get(run).config) == (("log?.csv",), {"?": ["?"]})


def test_a_broken_record_is_told_and_hides_no_other(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.begin(make), ledger.begin(make)
    (ledger.path("r-1") / "run.json").write_text('{"id": ')
    runs, problems = ledger.runs()
    assert [run.id for run in runs] == ["r-2"] and len(problems) == 1 and "r-1" in problems[0]


@pytest.mark.parametrize("name", ["../x", "r-0", "r-1/../r-2", "", "r-", "R-1", "r-1\n"])
def test_a_name_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(LedgerError, match="is no run"):
        Ledger(tmp_path).get(name)


def test_what_runs_is_not_removed_and_nothing_is_made_by_looking(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.runs() == ([], []) and not (tmp_path / ".mlwb").exists()
    ledger.begin(make)
    with pytest.raises(LedgerError, match="still runs"):
        ledger.remove("r-1")
    with pytest.raises(LedgerError, match="there is no run r-7"):
        ledger.update("r-7", finish)


# --- the code of a run ---


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    for args in (["init", "-q", "-b", "main"], ["config", "user.name", "t"], ["config", "user.email", "t@t"]):
        subprocess.run(["git", *args], cwd=folder, check=True)
    (folder / "train.py").write_text("lr = 1\n")
    (folder / ".gitignore").write_text("*.ckpt\n")
    subprocess.run("git add -A && git commit -qm one", cwd=folder, shell=True, check=True)
    return folder


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    found = code.taken(repository, "r-1")
    assert found.commit == git(repository, "rev-parse", "HEAD").strip()
    assert (found.branch, found.snapshot, found.dirty) == ("main", None, False)


def test_changes_are_kept_and_nothing_of_the_users_is_touched(repository: Path) -> None:
    (repository / "train.py").write_text("lr = 2\n")
    (repository / "new é\n.py").write_text("x\n")
    (repository / "big.bin").write_bytes(b"0" * (code.LARGEST + 1))
    (repository / "model.ckpt").write_text("ignored")
    (repository / "staged.py").write_text("1\n")
    subprocess.run(["git", "add", "staged.py"], cwd=repository, check=True)
    before = git(repository, "status", "--porcelain"), git(repository, "stash", "list"), git(repository, "branch")
    found = code.taken(repository, "r-7")
    assert found.dirty and found.snapshot == git(repository, "rev-parse", "refs/mlwb/runs/r-7").strip()
    names = git(repository, "ls-tree", "-rz", "--name-only", found.snapshot).split("\0")
    assert set(names) == {".gitignore", "train.py", "new é\n.py", "staged.py", ""}
    assert git(repository, "show", f"{found.snapshot}:train.py") == "lr = 2\n"
    after = git(repository, "status", "--porcelain"), git(repository, "stash", "list"), git(repository, "branch")
    assert after == before
    code.forget(repository, "r-7")
    assert "refs/mlwb" not in git(repository, "for-each-ref")


def test_runs_stay_out_of_git_also_from_a_folder_within_the_repository(repository: Path) -> None:
    inner = repository / "exp"
    inner.mkdir()
    (inner / "x.py").write_text("x\n")
    found = code.taken(inner, "r-1")
    Ledger(inner).begin(make)
    assert "exp/x.py" in git(repository, "ls-tree", "-r", "--name-only", str(found.snapshot))
    assert ".mlwb" not in git(repository, "status", "--porcelain", "-uall")
    code.taken(inner, "r-2")
    assert (repository / ".git/info/exclude").read_text().count(".mlwb/runs/") == 1


def test_without_a_commit_and_without_a_repository(tmp_path: Path) -> None:
    assert code.taken(tmp_path, "r-1") == code.Code()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tmp_path, check=True)
    (tmp_path / "a.py").write_text("a\n")
    found = code.taken(tmp_path, "r-1")
    assert found.commit is None and found.snapshot and found.branch == "main"


def test_a_repository_within_is_passed_over(repository: Path) -> None:
    inner = repository / "lib"
    inner.mkdir()
    subprocess.run("git init -q && touch a", cwd=inner, shell=True, check=True)
    (repository / "b.py").write_text("b\n")
    found = code.taken(repository, "r-1")
    assert "b.py" in git(repository, "ls-tree", "-r", "--name-only", str(found.snapshot))


def test_hooks_and_monitors_of_the_repository_do_not_run(repository: Path) -> None:
    marker = repository.parent / "ran"
    hook = repository / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", f"touch {marker}; true")
    marker.unlink(missing_ok=True)
    (repository / "train.py").write_text("lr = 3\n")
    assert code.taken(repository, "r-1").dirty and not marker.exists()


FILTERED = "* filter=evil\n*.b filter=e=v\n*.lfs filter=usual\n"


def trap(repository: Path) -> tuple[Path, Path]:
    """A program that passes on what it reads, and the file that says that it ran."""
    program, ran = repository.parent / "trap", repository.parent / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    return program, ran


@pytest.mark.parametrize("key", ["filter.evil.clean", "filter.evil.process", "filter.e=v.clean", "include.path"])
def test_filters_of_the_repository_do_not_run(repository: Path, key: str) -> None:
    program, ran = trap(repository)
    included = repository.parent / "included"
    included.write_text(f'[filter "evil"]\n\tclean = {program}\n')
    (repository / ".gitattributes").write_text(FILTERED)
    (repository / "new.b").write_text("b\n")
    (repository / "train.py").write_text("lr = 4\n")
    git(repository, "config", key, str(included if key == "include.path" else program))
    found = code.taken(repository, "r-1")
    assert not ran.exists()
    shown = ["cat-file", "blob", f"{found.snapshot}:train.py"]
    assert git(repository, *shown) == "lr = 4\n"
    code.Git(repository).must("worktree", "add", "--detach", str(repository.parent / "w"), str(found.snapshot))
    assert not ran.exists()


# As git is on systems of some years ago: without the scope of settings, and without settings by the environment.
OLD_GIT = """#!/bin/sh
unset GIT_CONFIG_COUNT
for word; do
    [ "$word" = --show-scope ] && exit 129
    [ "$word" = version ] && echo "git version 2.25.1" && exit
done
exec {git} "$@"
"""


@pytest.mark.parametrize("key", ["filter.evil.clean", "include.path", ""])
def test_an_older_git_runs_no_filter_of_the_repository(
    repository: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, ran = trap(repository)
    included = repository.parent / "included"
    included.write_text(f'[filter "evil"]\n\tclean = {program}\n')
    (repository / ".gitattributes").write_text(FILTERED)
    (repository / "train.py").write_text("lr = 4\n")
    if key:
        git(repository, "config", key, str(included if key == "include.path" else program))
    older = repository.parent / "older"
    older.mkdir()
    (older / "git").write_text(OLD_GIT.format(git=shutil.which("git")))
    (older / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{older}:{os.environ['PATH']}")
    if key:
        with pytest.raises(code.CodeError, match="names a program"):
            code.taken(repository, "r-1")
        code.forget(repository, "r-1")
    else:
        assert code.taken(repository, "r-1").dirty
    assert not ran.exists()


def test_a_filter_of_the_users_own_runs_unless_the_repository_names_a_program(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, ran = trap(repository)
    home = repository.parent / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "usual"]\n\tclean = "{program} >/dev/null; echo pointer"\n')
    monkeypatch.setenv("HOME", str(home))
    (repository / ".gitattributes").write_text("*.lfs filter=usual\n")
    (repository / "large.lfs").write_bytes(b"0" * (code.LARGEST + 1))
    (repository / "small.lfs").write_text("0\n")
    git(repository, "-c", "user.name=a", "-c", "user.email=b", "add", "-A")
    git(repository, "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "pointers")
    ran.unlink()
    assert not code.taken(repository, "r-1").dirty
    assert ran.exists()
    ran.unlink()
    git(repository, "config", "lfs.extension.x.clean", str(program))
    found = code.taken(repository, "r-2")
    assert not ran.exists()
    assert git(repository, "cat-file", "blob", f"{found.snapshot}:small.lfs") == "0\n"
    assert git(repository, "cat-file", "blob", f"{found.snapshot}:large.lfs") == "pointer\n"


def test_what_a_partial_clone_lacks_is_not_fetched_by_a_program_of_the_repository(repository: Path) -> None:
    program, ran = trap(repository)
    for key, value in (
        ("core.repositoryformatversion", "1"), ("extensions.partialClone", "o"), ("remote.o.promisor", "true"),
        ("remote.o.url", str(repository)), ("remote.o.uploadpack", str(program)), ("protocol.ext.allow", "always"),
    ):  # fmt: skip
        git(repository, "config", key, value)
    blob = git(repository, "rev-parse", "HEAD:train.py").strip()
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (repository / "train.py").write_text("lr = 5\n")
    with contextlib.suppress(code.CodeError):
        code.taken(repository, "r-1")
    with contextlib.suppress(code.CodeError):
        code.Git(repository).must("worktree", "add", "--detach", str(repository.parent / "w"), "HEAD")
    assert not ran.exists()


def test_a_submodule_s_own_configuration_runs_nothing(repository: Path) -> None:
    program, ran = trap(repository)
    inner = repository / "lib"
    inner.mkdir()
    who = ("-c", "user.name=a", "-c", "user.email=b")
    (inner / "a").write_text("a\n")
    (inner / ".gitattributes").write_text("* filter=evil\n")
    git(inner, "init", "-q")
    git(inner, *who, "add", "-A")
    git(inner, *who, "commit", "-qm", "one")
    git(repository, "-c", "advice.addEmbeddedRepo=false", "add", "lib")
    git(repository, *who, "commit", "-qm", "a submodule")
    for key in ("filter.evil.clean", "core.fsmonitor"):
        git(inner, "config", key, str(program))
    (inner / "a").write_text("b\n")
    (repository / "train.py").write_text("lr = 6\n")
    ran.unlink(missing_ok=True)
    found = code.taken(repository, "r-1")
    assert found.dirty and not ran.exists()
    assert "160000 commit" in git(repository, "ls-tree", str(found.snapshot), "lib")


@pytest.mark.parametrize(
    ("argv", "found"),
    [("train.py --seed 3", 3), ("train.py --seed=4", 4), ("train.py seed=5", 5), ("train.py trainer.seed=6", 6),
     ("train.py --random-seed 7", 7), ("train.py --seed x", None), ("train.py", None), ("--seed", None)],
)  # fmt: skip
def test_the_seed_that_a_command_names(argv: str, found: int | None) -> None:
    assert seed(argv.split(), {}) == found
    assert seed(["train.py"], {"SEED": "9"}) == 9

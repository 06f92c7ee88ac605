"""The real world: what it sees of files, and git's local settings as git itself tells them."""

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workbench.permissions.git import names_program
from workbench.permissions.world import RealWorld, parse_git_config


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout


def test_kinds_links_and_sizes(root: Path) -> None:
    world = RealWorld()
    kinds = {
        name: world.lstat(f"{root}/app/{name}") for name in ("a.txt", "src", "to_inside", "pipe", "second_name", "none")
    }
    assert [stat.kind if stat else None for stat in kinds.values()] == ["file", "dir", "link", "fifo", "file", None]
    assert kinds["second_name"] is not None and kinds["second_name"].links == 2
    assert world.readlink(f"{root}/app/to_inside") == "a.txt"
    assert world.readlink(f"{root}/app/a.txt") is None
    assert world.lstat("a\0b") is None
    assert set(world.listdir(f"{root}/app/src") or ()) == {"train.py", "model.py"}
    assert world.listdir(f"{root}/app/a.txt") is None


def test_git_settings_are_those_that_git_tells(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for key, value in {
        "user.name": 'A "B" C',
        "remote.Origin.url": "x",
        "branch.feature/X.merge": "refs/heads/x",
    }.items():
        git(tmp_path, "config", key, value)
    (tmp_path / "deep/er").mkdir(parents=True)
    listed = git(tmp_path, "config", "--local", "--list", "--name-only").split()
    found = RealWorld().git_config(str(tmp_path / "deep/er"))
    assert set(found) == {key.lower() for key in listed}


def test_git_settings_follow_the_files(tmp_path: Path) -> None:
    world = RealWorld()
    assert world.git_config(str(tmp_path)) == {}
    git(tmp_path, "init", "-q")
    assert "alias.x" not in world.git_config(str(tmp_path))
    git(tmp_path, "config", "alias.x", "!y")
    assert world.git_config(str(tmp_path))["alias.x"]


def test_git_settings_of_a_worktree_and_of_a_bare_repository(tmp_path: Path) -> None:
    main = tmp_path / "main"
    git(tmp_path, "init", "-q", "main")
    git(main, "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "x")
    git(main, "worktree", "add", "-q", "../other")
    git(main, "config", "core.pager", "x")
    git(tmp_path, "init", "-q", "--bare", "store")
    world = RealWorld()
    assert "core.pager" in world.git_config(str(tmp_path / "other"))
    assert world.git_config(str(tmp_path / "store/refs"))["core.bare"] == "true"


def test_a_configuration_that_cannot_be_read_is_not_harmless(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".git/config").write_bytes(b"[core]\n\xff\xfe = 1\n")
    assert any("cannot be read" in key for key in RealWorld().git_config(str(tmp_path)))


@given(st.text(alphabet='[]"\\=#; \n\tabcA.', max_size=80))
def test_settings_that_git_would_see_are_never_missed(text: str) -> None:
    # Every key that git reads out of the text is a key here too, or the text holds a line that is not understood.
    done = subprocess.run(
        ["git", "config", "--file", "-", "--list", "--name-only"], input=text.encode(), capture_output=True
    )
    found = parse_git_config(text)
    if done.returncode == 0 and not any("not understood" in key for key in found):
        assert {key.lower() for key in done.stdout.decode().split("\n") if key} <= set(found)


def test_settings_of_submodules_are_seen(tmp_path: Path) -> None:
    """git goes into submodules to tell whether they changed, and runs what their own settings name."""
    top, inner = tmp_path / "top", tmp_path / "top/lib"
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for folder in (top, inner):
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(inner), *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run(["git", "-C", str(top), *identity, "add", "lib"], check=True, capture_output=True)
    assert names_program(RealWorld().git_config(str(top))) is None
    subprocess.run(["git", "-C", str(inner), "config", "core.fsmonitor", "./x"], check=True)
    assert names_program(RealWorld().git_config(str(top))) == "core.fsmonitor"


def test_a_worktree_has_the_settings_of_its_repository(tmp_path: Path) -> None:
    main, other = tmp_path / "main", tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(main)], check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", "-C", str(main), *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run(["git", "-C", str(main), "worktree", "add", "-q", str(other)], check=True, capture_output=True)
    assert names_program(RealWorld().git_config(str(other))) is None
    subprocess.run(["git", "-C", str(main), "config", "include.path", "/x"], check=True)
    assert names_program(RealWorld().git_config(str(other))) == "include.path"
    (other / ".git").write_text(f"gitdir: {tmp_path}/elsewhere\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/config").write_text('[filter "x"]\n\tclean = evil\n')
    assert names_program(RealWorld().git_config(str(other))) == "filter.x.clean"


def test_lfs_extensions_run_programs() -> None:
    assert names_program({"lfs.extension.x.clean": "evil"}) and names_program({"lfs.customtransfer.x.path": "evil"})
    assert (
        names_program({"lfs.repositoryformatversion": "0", "lfs.https://host/x.git/info/lfs.access": "basic"}) is None
    )

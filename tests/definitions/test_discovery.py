"""Where definitions are found, and which one a name means."""

import os
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from workbench.definitions.discovery import Found, discover, displaced, find, nearest, startable


class Places(msgspec.Struct, frozen=True):
    """A home, this user's settings folder in it, and a repository with a folder two levels down."""

    home: Path
    config: Path
    root: Path
    deep: Path

    def found(self, workspace: Path | None = None) -> list[Found]:
        return discover(workspace or self.deep, self.home, self.config)

    def path(self, name: str, workspace: Path | None = None) -> str | None:
        one = find(name, workspace or self.deep, self.home, self.config)
        return one.path if one else None


@pytest.fixture
def places(tmp_path: Path) -> Places:
    tmp_path = tmp_path.resolve()
    home, root = tmp_path / "home", tmp_path / "home" / "work" / "repo"
    deep = root / "src" / "deep"
    deep.mkdir(parents=True)
    (root / ".git").mkdir()
    return Places(home, home / ".config" / "mlwb", root, deep)


def put(folder: Path, name: str, file: str = "", **fields: str) -> str:
    """A definition of that name in FOLDER; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file or f"{name}.md")
    more = "".join(f"{key}: {value}\n" for key, value in fields.items())
    path.write_text(f"---\nname: {name}\ndescription: from {folder}\n{more}---\nWork.\n")
    return str(path)


def test_the_nearest_wins_in_the_documented_order(places: Places):
    paths = [
        put(places.deep / ".mlwb/agents", "scout"),
        put(places.deep / ".claude/agents", "scout"),
        put(places.root / "src/.claude/agents", "scout"),
        put(places.root / ".mlwb/agents", "scout"),
        put(places.root / ".claude/agents/team/inner", "scout"),
        put(places.config / "agents", "scout"),
        put(places.home / ".claude/agents", "scout"),
    ]
    rows = [row for row in places.found() if row.definition.name == "scout"]
    assert [row.definition.path for row in rows] == paths
    assert [row.definition.source for row in rows] == ["workspace"] * 5 + ["user"] * 2
    assert [row.shadowed_by for row in rows] == [None] + [paths[0]] * 6
    for at, path in enumerate(paths):
        assert places.path("scout") == path
        os.unlink(path)
        assert places.path("scout") == (paths[at + 1] if at + 1 < len(paths) else None)


def test_the_walk_up_ends_at_the_repository_and_outside_one_at_the_workspace(places: Places):
    put(places.root.parent / ".claude/agents", "above")
    assert places.path("above") is None
    assert places.path("above", places.root.parent) is not None
    (places.root / ".git").rmdir()
    put(places.root / ".claude/agents", "rooted")
    assert places.path("rooted") is None
    (places.root / ".git").write_text("gitdir: elsewhere\n")
    assert places.path("rooted") is not None


def test_the_shipped_ones_come_last_and_can_be_replaced(places: Places):
    shipped = find("ml-engineer", places.deep, places.home, places.config)
    assert shipped is not None
    assert shipped.source == "shipped"
    own = put(places.config / "agents", "ml-engineer")
    assert places.path("ml-engineer") == own
    shadowed = [row for row in places.found() if row.definition.path == shipped.path]
    assert shadowed[0].shadowed_by == own


def test_a_workspace_definition_that_takes_a_name_is_known_as_such(places: Places):
    theirs, own = put(places.root / ".mlwb/agents", "ml-engineer"), put(places.config / "agents", "scout")
    put(places.root / ".claude/agents", "scout")
    put(places.root / ".claude/agents", "only-here")

    def whose(name: str) -> str | None:
        one = find(name, places.deep, places.home, places.config)
        assert one is not None
        other = displaced(one, places.deep, places.home, places.config)
        return other.path if other else None

    assert places.path("ml-engineer") == theirs
    assert str(whose("ml-engineer")).endswith("agents/ml-engineer.md") and whose("scout") == own
    assert whose("only-here") is None


def test_a_file_is_found_by_the_name_in_it_not_by_its_own(places: Places):
    path = put(places.root / ".claude/agents", "scout", file="other.md")
    assert places.path("scout") == path
    assert places.path("other") is None
    assert places.path("../agents/other") is None


@pytest.mark.parametrize(
    "front",
    [
        'name: "sc\\u006fut"\ndescription: y',
        "name: >\n  scout\ndescription: y",
        "'name': scout\ndescription: y",
        "description: |\n  name: other\nname: scout # the one",
        "description: a: b\nname:   scout",
    ],
)
def test_a_name_is_found_however_it_is_written(places: Places, front: str):
    folder = places.root / ".claude/agents"
    folder.mkdir(parents=True)
    (folder / "x.md").write_text(f"---\n{front}\n---\nname: other\n\n")
    assert places.path("scout") == str(folder / "x.md")


def test_a_broken_nearer_file_of_that_name_is_refused_and_not_passed_over(places: Places):
    folder = places.root / ".claude/agents"
    folder.mkdir(parents=True)
    (folder / "x.md").write_text("---\nname: ml-engineer\ndescription: y\ntools: Read\ntools: Bash\n---\n")
    one = find("ml-engineer", places.deep, places.home, places.config)
    assert one is not None
    assert one.status == "rejected"
    assert "twice" in (startable(one) or "")


def test_rejected_files_and_unreadable_folders_are_told(places: Places):
    agents = places.root / ".claude/agents"
    put(agents, "good")
    (agents / "README.md").write_text("# About\n")
    (agents / "gone.md").symlink_to("nowhere")
    (places.root / ".mlwb").mkdir()
    (places.root / ".mlwb/agents").write_text("not a folder")
    rows = {
        Path(row.definition.path).name: row.definition for row in places.found() if row.definition.source != "shipped"
    }
    assert {name: row.status for name, row in rows.items()} == {
        "good.md": "ok",
        "README.md": "rejected",
        "gone.md": "rejected",
        "agents": "rejected",
    }
    assert "Not a directory" in rows["agents"].problems[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_without_the_right_to_read_it_is_told(places: Places):
    secret = places.root / ".claude/agents/secret"
    put(secret, "hidden")
    secret.chmod(0)
    try:
        row = next(row for row in places.found() if row.definition.path == str(secret))
        assert "Permission denied" in row.definition.problems[0].message
    finally:
        secret.chmod(0o755)


def test_links_are_followed_once(places: Places, tmp_path: Path):
    agents = places.root / ".claude/agents"
    put(tmp_path / "dotfiles", "linked")
    agents.mkdir(parents=True)
    (agents / "shared").symlink_to(tmp_path / "dotfiles")
    (agents / "again").symlink_to(agents)
    (agents / "self").symlink_to(agents / "self")
    (agents / "alias.md").symlink_to(tmp_path / "dotfiles/linked.md")
    rows = [row for row in places.found() if row.definition.name == "linked"]
    assert [Path(row.definition.path).name for row in rows] == ["alias.md"]


def test_a_tree_that_never_ends_is_cut_off_and_told(places: Places):
    put(places.root / ".claude/agents" / "/".join("abcdefghijkl"), "far")
    rows = [row.definition for row in places.found() if row.definition.source == "workspace"]
    assert [row.status for row in rows] == ["rejected"]
    assert "too much" in rows[0].problems[0].message


def test_the_home_folder_as_a_repository_has_no_definition_twice(places: Places):
    path = put(places.home / ".claude/agents", "scout")
    (places.home / ".git").mkdir()
    rows = [row.definition for row in places.found(places.home) if row.definition.name == "scout"]
    assert [(row.path, row.source) for row in rows] == [(path, "user")]


def test_a_near_name_is_suggested(places: Places):
    for meant in ("ml-enginer", "ML_Engineer", "ml engineer"):
        assert nearest(meant, places.deep, places.home, places.config) == "ml-engineer"
    assert nearest("zzz", places.deep, places.home, places.config) is None


def test_a_real_repository_and_worktree(places: Places, tmp_path: Path):
    repo = tmp_path / "real"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(repo)]
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    put(repo / ".claude/agents", "scout")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "agents"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "tree")], check=True)
    below = tmp_path / "tree" / "src"
    below.mkdir()
    assert places.path("scout", below) == str((tmp_path / "tree/.claude/agents/scout.md").resolve())


def test_five_hundred_definitions_take_less_than_a_second(places: Places):
    for number in range(500):
        put(places.root / ".claude/agents" / f"team{number % 10}", f"agent-{number:03}", tools="Read, Bash(git log:*)")
    start = time.process_time()
    assert len(places.found()) > 500
    all_of_them = time.process_time() - start
    start = time.process_time()
    assert places.path("ml-engineer") is not None
    one_of_them = time.process_time() - start
    assert all_of_them < 1.0
    assert one_of_them < 0.5

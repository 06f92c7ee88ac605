"""Every row of the tables holds what its own examples say."""

import pytest

from workbench.permissions.git import inspect_git
from workbench.permissions.options import Row
from workbench.permissions.paths import Places
from workbench.permissions.shell import read
from workbench.permissions.special import EXAMPLES
from workbench.permissions.survey import Survey
from workbench.permissions.tables import BY_NAME, ROWS, SAME_AS
from workbench.permissions.tables.git import ROWS as GIT_ROWS
from workbench.permissions.words import literal
from workbench.permissions.world import MemoryWorld

ALL = (*ROWS, *GIT_ROWS, *EXAMPLES)


def known(command: str) -> str:
    """Whether the tables know COMMAND: reads, edits or nothing."""
    survey = Survey(Places(MemoryWorld({"/w/a": _file()}), "/h"), "/w")
    survey.run(read(command))
    kinds = [piece.kind for piece in survey.pieces]
    assert len(kinds) == 1
    return kinds[0]


def _file():
    from workbench.permissions.world import Node

    return Node()


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_examples_of_a_row(row: Row) -> None:
    assert row.match and row.not_match, "each row shows what it takes and what it refuses"
    for command in row.match:
        assert known(command) == ("edits" if row.edits or row.name in ("cp", "mv") else "reads"), command
    for command in row.not_match:
        assert known(command) == "", command


def test_names_are_unique_and_aliases_resolve() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert all(BY_NAME[alias].name == name for alias, name in SAME_AS.items())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.fsmonitor", "./x"),
        ("core.pager", "touch p"),
        ("core.sshcommand", "x"),
        ("core.hookspath", "h"),
        ("diff.external", "x"),
        ("diff.py.textconv", "x"),
        ("filter.x.clean", "x"),
        ("filter.lfs.clean", "evil"),
        ("alias.status", "!x"),
        ("include.path", "../x"),
        ("includeif.gitdir:/x.path", "y"),
        ("core.worktree", "/"),
        ("core.bare", "true"),
        ("pager.log", "x"),
        ("log.showsignature", "true"),
        ("gpg.program", "x"),
        ("remote.origin.url", "ext::sh -c x"),
        ("a line that is not understood: x", ""),
    ],
)
def test_local_settings_that_may_run_a_program_ask(key: str, value: str) -> None:
    assert key in inspect_git([literal("status")], {key: value}).why


def test_usual_local_settings_do_not_ask() -> None:
    usual = {
        "core.repositoryformatversion": "0",
        "core.bare": "false",
        "user.name": "x",
        "remote.origin.url": "git@host:a/b.git",
        "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
        "branch.main.merge": "refs/heads/main",
        "filter.lfs.clean": "git-lfs clean -- %f",
    }
    assert inspect_git([literal("status")], usual).why == ""

"""Which Python environment commands get."""

import venv
from pathlib import Path

import pytest

from workbench.sandbox.pythonenv import activated, find


def make(folder: Path, kind: str = "venv", *programs: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    for name in ("python", *programs):
        (folder / "bin" / name).write_text("#!/bin/sh\n")
    if kind == "venv":
        (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    else:
        (folder / "conda-meta").mkdir()
    return folder


@pytest.mark.parametrize("name", [".venv", "venv", "env"])
def test_a_venv_in_the_workspace(tmp_path, name):
    folder = make(tmp_path / name)
    env = activated({"PATH": "/bin", "PYTHONHOME": "/x"}, find(tmp_path, {"PATH": "/bin"}))
    assert env == {"PATH": f"{folder}/bin:/bin", "VIRTUAL_ENV": str(folder)}


def test_a_conda_environment_in_the_workspace(tmp_path):
    folder = make(tmp_path / "env", "conda")
    before = {"PATH": "/opt/conda/bin:/bin", "CONDA_PREFIX": "/opt/conda", "CONDA_DEFAULT_ENV": "base"}
    found = find(tmp_path, before)
    assert found.kind == "conda"
    env = activated(before, found)
    assert env["PATH"] == f"{folder}/bin:/opt/conda/bin:/bin"
    assert env["CONDA_PREFIX"] == str(folder)


def test_a_real_venv(tmp_path):
    venv.create(tmp_path / ".venv", with_pip=False)
    found = find(tmp_path, {})
    assert found.path == tmp_path / ".venv"
    assert found.shadows == ()


def test_none(tmp_path):
    (tmp_path / "env").mkdir()  # a folder of that name is no environment
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/nowhere/python")  # brought from another machine
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    assert find(tmp_path, {"PATH": "/bin"}) is None
    assert activated({"PATH": "/bin"}, None) == {"PATH": "/bin"}


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_what_the_user_activated_goes_first(tmp_path, variable):
    make(tmp_path / ".venv")
    env = {"PATH": "/envs/torch/bin:/bin", variable: "/envs/torch", "CONDA_DEFAULT_ENV": "torch"}
    found = find(tmp_path, env)
    assert found.active
    assert found.path == Path("/envs/torch")
    assert activated(env, found) == env


def test_the_programs_own_environment_does_not_hide_the_workspaces(tmp_path):
    folder = make(tmp_path / ".venv")
    env = {"PATH": "/tools/mlwb/bin:/bin", "VIRTUAL_ENV": "/tools/mlwb"}
    assert find(tmp_path, env, own="/tools/mlwb").path == folder
    assert find(tmp_path / ".venv", env, own="/tools/mlwb").path == Path("/tools/mlwb")


def test_a_stale_variable_without_its_path_is_not_active(tmp_path):
    assert find(tmp_path, {"PATH": "/bin", "VIRTUAL_ENV": "/gone"}) is None


def test_an_environment_that_would_hide_the_systems_programs_is_not_used(tmp_path):
    """A repository may bring `venv/bin/ls`, and `ls` is a command that nobody is asked about."""
    make(tmp_path / ".venv", "venv", "ls", "git", "pytest")
    found = find(tmp_path, {"PATH": "/bin"})
    assert found.shadows == ("git", "ls")
    assert activated({"PATH": "/bin"}, found) == {"PATH": "/bin"}

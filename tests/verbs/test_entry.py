"""What holds before any verb runs."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("args", [[], ["agents", "list"], ["doctor"], ["exp", "list"], ["run", "x.md"]])
def test_a_folder_that_is_gone_is_said_in_a_line(tmp_path: Path, args: list[str]) -> None:
    code = f"import os, sys; os.rmdir(os.getcwd()); from workbench.cli import main; sys.exit(main({args!r}))"
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path / "gone", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.startswith("mlwb: the current folder is gone"), done.stderr

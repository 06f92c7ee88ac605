"""Made-up cards: the driver's library compiled from tests/telemetry/nvml_stub.c, and programs that run over it."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "telemetry" / "nvml_stub.c"
BUSY = "util=92 mem=40 used=61 total=80 power=655 limit=700 temp=71 sm=1755 why=4"


@functools.cache
def _library() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mlwb-nvml-"))
    library = folder / "libnvidia-ml.so.1"
    flags = ["-shared", "-fPIC", "-O1", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run(["gcc", *flags, "-o", library, SOURCE], check=True, capture_output=True)
    return folder


def environment(cards: Path) -> dict[str, str]:
    """Variables under which a program finds the cards that the file CARDS describes."""
    if shutil.which("gcc") is None or sys.platform != "linux":
        pytest.skip("the stub of the driver's library needs gcc on Linux")
    return os.environ | {"LD_LIBRARY_PATH": str(_library()), "STUB_CARDS": str(cards)}


def python(program: str, cards: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs PROGRAM, the text of a Python program, over CARDS; the loader reads its path only at a program's start."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment(cards), text=True, capture_output=True, timeout=60)

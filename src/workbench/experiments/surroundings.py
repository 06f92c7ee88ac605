"""What a run ran in: interpreter, packages, host, and the seed that its command names."""

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from workbench.experiments.types import Environment

PACKAGES = "packages.txt"
_PATIENCE_S = 20.0
_SEED = re.compile(r"^(?:--?)?(?:[\w.-]*[._-])?seed(?:=(\d+))?$", re.IGNORECASE)
# Asked of the run's own interpreter: its version, and each installed package with its version.
ASK = (
    "import importlib.metadata as m, json, sys; print(json.dumps([sys.version.split()[0], sorted({"
    "f\"{d.metadata['Name']}=={d.version}\" for d in m.distributions() if d.metadata['Name']}, key=str.lower)]))"
)


def interpreter(argv: Sequence[str], path: str) -> str | None:
    """The Python that the command ARGV runs, or that PATH finds; None where there is none."""
    import shutil

    first = argv[0] if argv else ""
    if re.fullmatch(r"python[\d.]*", Path(first).name):
        return shutil.which(first, path=path)
    return shutil.which("python", path=path) or shutil.which("python3", path=path)


def taken(python: str | None, env: Mapping[str, str], folder: Path) -> Environment:
    """The environment of a run; the list of its packages is kept in FOLDER. Nothing is known where PYTHON fails."""
    if python is None:
        return told("", env, folder)
    try:
        done = subprocess.run(
            [python, "-I", "-c", ASK], env=dict(env), capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return told("", env, folder)
    return told(done.stdout, env, folder)


def told(answer: str, env: Mapping[str, str], folder: Path) -> Environment:
    """The environment of a run whose interpreter gave ANSWER to ASK; the list of its packages is kept in FOLDER."""
    variables = tuple(sorted(name for name in env if not name.startswith("MLWB_")))
    try:
        version, packages = msgspec.json.decode(answer, type=tuple[str, list[str]])
        text = "".join(f"{package}\n" for package in packages)
        (folder / PACKAGES).write_text(text, encoding="utf-8")
    except (OSError, ValueError, msgspec.DecodeError):
        return Environment(variables=variables)
    return Environment(
        python=version[:40], packages=hashlib.sha256(text.encode()).hexdigest()[:16], variables=variables
    )


def seed(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> int | None:
    """The seed that the command names (`--seed 3`, `seed=3`, `train.seed=3`), else the variable SEED; None without."""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if found := _SEED.match(word):
            if found[1]:
                return int(found[1])
            if word.startswith("-") and following.isdigit():
                return int(following)
    value = env.get("SEED", "")
    return int(value) if value.isdigit() and len(value) < 20 else None

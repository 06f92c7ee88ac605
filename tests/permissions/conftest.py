"""The world of these tests: a workspace with links, special files and repositories, a sibling, a home."""

import os
import subprocess
from pathlib import Path

import pytest

from support.gate import Gate

TREE = {
    "app/a.txt": "one\n",
    "app/b.txt": "two\n",
    "app/data.csv": "x,y\n1,2\n",
    "app/src/train.py": "print(1)\n",
    "app/src/model.py": "print(2)\n",
    "app/.env": "KEY=SECRET\n",
    "app/.env.example": "KEY=\n",
    "app/build/out.o": "o\n",
    "app/conf/app.json": "{}\n",
    "app-private/key": "k\n",
    "home/.ssh/id_rsa": "PRIVATE\n",
    "home/.bashrc": "\n",
    "home/notes.txt": "n\n",
}
LINKS = {
    "app/to_inside": "a.txt",
    "app/to_outside": "../home/notes.txt",
    "app/to_link": "to_outside",
    "app/to_folder": "../app-private",
    "app/to_nothing": "../home/nothing",
    "app/to_key": "../home/.ssh/id_rsa",
    "app/to_env": ".env",
    "app/circle": "circle",
}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world").resolve()
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    os.link(root / "home/notes.txt", root / "app/second_name")
    os.mkfifo(root / "app/pipe")
    quiet = {"check": True, "capture_output": True}
    for folder in ("app", "app/nested"):
        subprocess.run(["git", "init", "-q", "-b", "main", root / folder], **quiet)
    subprocess.run(["git", "init", "-q", "--bare", root / "app/store"], **quiet)
    return root


@pytest.fixture(scope="session")
def gate(root: Path) -> Gate:
    return Gate(root / "app", root / "home")

"""Real training in each layer, by an interpreter that uv installed in the home: a slow tier, `make test-training`.

`MLWB_TORCH_PYTHON` names an interpreter that has what tests/sandbox/training.txt lists (CPU PyTorch, pytest-xdist, uv).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.confining import LAYERS, NOBODY, USERS, Confining, close_helpers, confining

NAMED = os.environ.get("MLWB_TORCH_PYTHON", "")
PYTHON = NAMED or sys.executable
_LOOK = """
import json, os, sys, sysconfig, torch, xdist
paths = sysconfig.get_paths()
print(json.dumps({"site": os.path.dirname(os.path.dirname(torch.__file__)), "prefix": sys.prefix,
    "program": os.path.realpath(sys.executable), "stdlib": paths["stdlib"],
    "include": sysconfig.get_config_var("INCLUDEPY"), "version": "%d.%d.%d" % sys.version_info[:3]}))
"""
_FOUND = subprocess.run([PYTHON, "-c", _LOOK], capture_output=True, check=False, text=True)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        _FOUND.returncode != 0 and not NAMED, reason="PyTorch and pytest-xdist are needed: make test-training"
    ),
]


class Given(msgspec.Struct):
    """Where the interpreter with PyTorch has its parts."""

    site: str
    prefix: str
    program: str
    stdlib: str
    include: str
    version: str


LOADER = """
import torch
from torch.utils.data import DataLoader, TensorDataset
if __name__ == "__main__":
    data = TensorDataset(torch.arange(4000.0).view(-1, 4))
    kinds = [("file_descriptor", "fork"), ("file_descriptor", "spawn"), ("file_system", "forkserver")]
    for strategy, context in kinds:
        torch.multiprocessing.set_sharing_strategy(strategy)
        loader = DataLoader(data, batch_size=100, num_workers=4, multiprocessing_context=context)
        print(sum(batch[0].sum().item() for batch in loader))
"""
RANK = """
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
one = torch.ones(1)
dist.all_reduce(one)
os.write(1, f"sum {one.item()}\\n".encode())  # one write: the ranks share a stream
dist.destroy_process_group()
"""
COMPILED = """
import torch
from torch._dynamo.utils import counters
print(torch.compile(lambda x: (x.sin() + x.cos()).sum())(torch.zeros(100)).item())
print("from the cache:", counters["inductor"]["fxgraph_cache_hit"])
"""
CHECKPOINT = """
import os, torch
weights = torch.zeros(5 << 30, dtype=torch.uint8)
weights[-1] = 7
torch.save({"weights": weights, "step": 3}, "last.pt.part")
os.replace("last.pt.part", "last.pt")
found = torch.load("last.pt", mmap=True)
print(os.path.getsize("last.pt") > 5 << 30, found["weights"][-1].item(), found["step"])
os.remove("last.pt")
"""
TESTS = """
import os, time, pytest
@pytest.mark.parametrize("number", range(4))
def test_one(number, tmp_path):
    (tmp_path / "made").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""
PROJECT = """
[project]
name = "trained"
version = "0"
requires-python = ">=3.11"
"""
_TRAIN = "~/envs/train/bin"
PROGRAMS = {
    "interpreter": (
        "import sys, torch\nprint('.local/share/uv/python' in sys.base_prefix, torch.ones(2).sum().item())",
        f"{_TRAIN}/python program.py",
        "True 2.0\n",
    ),
    "uv": (
        "import sys\nprint(sys.prefix.endswith('/proj/.venv'))",
        f"mkdir proj && cd proj && echo '{PROJECT}' >pyproject.toml && "
        "~/.local/bin/uv run -q --offline python ../program.py; cd .. && rm -r proj",
        "True\n",
    ),
    "loader": (LOADER, f"{_TRAIN}/python program.py 2>/dev/null", "7998000.0\n" * 3),
    "ranks": (
        RANK,
        f"for how in --standalone --master-addr=127.0.0.1; do "
        f"{_TRAIN}/python -m torch.distributed.run $how --nproc-per-node 2 program.py 2>&1 | grep -o 'sum 2.0'; done",
        "sum 2.0\n" * 4,
    ),
    "compiled": (
        COMPILED,
        f"rm -rf $TORCHINDUCTOR_CACHE_DIR; for i in 1 2; do {_TRAIN}/python program.py 2>/dev/null; done",
        "100.0\nfrom the cache: 0\n100.0\nfrom the cache: 1\n",
    ),
    "checkpoint": (CHECKPOINT, f"{_TRAIN}/python program.py 2>&1", "True 7 3\n"),
    "xdist": (TESTS, f"{_TRAIN}/python -m pytest -q -n 2 program.py | grep -o '^4 passed'", "4 passed\n"),
}


@pytest.fixture(scope="module")
def given() -> Given:
    assert _FOUND.returncode == 0, f"{PYTHON} lacks what tests/sandbox/training.txt lists:\n{_FOUND.stderr}"
    return msgspec.convert(json.loads(_FOUND.stdout), Given)


@pytest.fixture(scope="module", params=USERS)
def helper(request: pytest.FixtureRequest, given: Given) -> Iterator[Confining]:
    made = confining(request.param)
    _install(given, made)
    yield made
    close_helpers()


def _install(given: Given, helper: Confining) -> None:
    """Lets uv install an interpreter into the home, and make an environment with it, as a user of uv does.

    uv would fetch its archive from afar, which tests do not: the same kind of archive, packed here, is named to it.
    """
    home, minor = helper.world.home, given.version.rpartition(".")[0]
    uv = next((path for path in (f"{given.prefix}/bin/uv", shutil.which("uv")) if path and Path(path).exists()), None)
    assert uv, "uv is needed: pip install uv"
    (home / ".local/bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(uv, home / ".local/bin/uv")
    offered = helper.world.folder / "offered"
    _pack(given, offered, minor)
    if os.geteuid() == 0 and helper.world.folder.stat().st_uid == NOBODY:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", home / ".local", offered], check=True)
    done = helper.run(
        "bubblewrap",
        f"~/.local/bin/uv python install --python-downloads-json-url file://{offered}/index.json {given.version} && "
        f"~/.local/bin/uv venv -q --offline --managed-python --python {given.version} ~/envs/train",
        reach="outside",
    )
    assert done.exit_code == 0, done
    shutil.rmtree(offered)
    packages = home / f"envs/train/lib/python{minor}/site-packages"
    shutil.copytree(given.site, packages, dirs_exist_ok=True, symlinks=True, copy_function=_linked)


def _pack(given: Given, offered: Path, minor: str) -> None:
    """The interpreter as an archive of the shape that uv installs, and the index (uv's download metadata) naming it."""
    base = offered / "python"
    (base / "bin").mkdir(parents=True)
    shutil.copy(given.program, base / f"bin/python{minor}")
    for name in ("python3", "python"):
        (base / "bin" / name).symlink_to(f"python{minor}")
    left_out = ("site-packages", "dist-packages", "sitecustomize.py", "test", "__pycache__", "config-*")
    without = shutil.ignore_patterns(*left_out)
    shutil.copytree(given.stdlib, base / f"lib/python{minor}", ignore=without)
    shutil.copytree(given.include, base / f"include/python{minor}")
    for library in (Path(given.program).parents[1] / "lib").glob("libpython*.so*"):
        shutil.copy(library, base / "lib")
    archive = Path(shutil.make_archive(str(offered / "cpython-install_only"), "gztar", offered, "python"))
    shutil.rmtree(base)
    major, middle, patch = map(int, given.version.split("."))
    machine = os.uname().machine
    entry = {
        "name": "cpython",
        "arch": {"family": machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": major,
        "minor": middle,
        "patch": patch,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": None,
    }
    index = {f"cpython-{given.version}-linux-{machine}-gnu": entry}
    (offered / "index.json").write_text(json.dumps(index))


def _linked(source: str, target: str) -> None:
    """A gigabyte of packages is linked where that can be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("layer", LAYERS)
def test_training_simply_works(helper: Confining, layer: str, name: str) -> None:
    text, command, expected = PROGRAMS[name]
    (helper.world.work / "program.py").write_text(textwrap.dedent(text))
    done = helper.run(layer, f"export OMP_NUM_THREADS=1; {command}")
    assert done.output == expected, done

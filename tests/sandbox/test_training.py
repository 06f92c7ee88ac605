"""Real training in each layer: a slow tier, for which PyTorch (CPU is enough) must be installed.

`MLWB_TORCH_PYTHON` names an interpreter that has it, where the tests' own has not.
"""

import os
import subprocess
import sys

import pytest

from support.confining import CELLS, close_helpers, confining

PYTHON = os.environ.get("MLWB_TORCH_PYTHON", sys.executable)
_HAS = subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, check=False).returncode == 0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _HAS, reason="PyTorch is not installed: pip install torch, or set MLWB_TORCH_PYTHON"),
]
LOADER = """
import torch
from torch.utils.data import DataLoader, TensorDataset
if __name__ == "__main__":
    data = TensorDataset(torch.arange(4000.0).view(-1, 4))
    for context in ("fork", "spawn"):
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
print(torch.compile(lambda x: (x.sin() + x.cos()).sum())(torch.zeros(100)).item())
"""
PROGRAMS = {
    "loader": (LOADER, "$PY program.py 2>/dev/null", "7998000.0\n7998000.0\n"),
    "ranks": (
        RANK,
        "$PY -m torch.distributed.run --nproc-per-node 2 program.py 2>&1 | grep -o 'sum 2.0'",
        "sum 2.0\n" * 2,
    ),
    "compiled": (COMPILED, "$PY program.py 2>/dev/null", "100.0\n"),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_training_simply_works(cell, name):
    user, _, layer = cell.partition("-")
    helper = confining(user)
    text, command, expected = PROGRAMS[name]
    (helper.world.work / "program.py").write_text(text)
    # The interpreter may lie where an ordinary user cannot read; its packages are used from one that can.
    paths = subprocess.run(
        [PYTHON, "-c", "import torch, os; print(os.path.dirname(os.path.dirname(torch.__file__)))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    python = PYTHON if helper.python == sys.executable else helper.python
    done = helper.run(layer, f"export PY={python} PYTHONPATH={paths} OMP_NUM_THREADS=1; {command}")
    assert done.output == expected, done

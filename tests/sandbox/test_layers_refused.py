"""What containers refuse: a layer that does not hold there is said not to, at once."""

import subprocess
import sys

import pytest

# A filter as Docker's usual one has it, for this process and its children: unshare(2) is not permitted.
SCRIPT = """
import ctypes, struct
from workbench.sandbox import system
refused = system.NUMBERS[system.machine()]["unshare"]
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, refused), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(code)))
system.prctl(38, 1)
system.prctl(22, 2, ctypes.addressof(program))
from workbench.sandbox import layers
found = {layer.name: layer for layer in layers.probe()}["landlock"]
print(found.ok, found.detail, found.fix, sep="\\n")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="seccomp is Linux's")
def test_where_unshare_is_refused_landlock_is_no_layer_and_nothing_waits_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    ok, detail, fix = done.stdout.splitlines()
    assert ok == "False" and fix
    assert "unshare" in detail or "Landlock" in detail  # a kernel without Landlock

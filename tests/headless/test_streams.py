"""Standard error whose reader is slow, or gone."""

import os
import subprocess
import sys

SAID = "from workbench.headless.streams import Console; c = Console(); c.say('x' * 200_000); c.say('later')"


def test_a_long_line_that_nobody_reads_holds_nothing_up() -> None:
    read, write = os.pipe()
    try:
        subprocess.run([sys.executable, "-c", SAID], stderr=write, timeout=60, check=True)
        told = os.read(read, 1 << 20)
    finally:
        os.close(read)
        os.close(write)
    assert told.startswith(b"mlwb run: xxx") and len(told) > 4096

"""A process that ends while its model client is still being set up."""

import os
import subprocess
import sys
from pathlib import Path

# The certificates lie in a pipe, so that reading them lasts as long as it is held open: from before the program's end
# until a moment later. What is registered first is called last, when nothing but OpenSSL's own end is to come.
CODE = """
import atexit, os, sys, threading
given = threading.Event()
atexit.register(lambda: print("read" if given.is_set() else "still reading"))

from workbench.models.anthropic import AnthropicClient

def give():
    given.set()
    os.close(certificates)

client = AnthropicClient({"ANTHROPIC_API_KEY": "k"})
certificates = os.open(os.environ["SSL_CERT_FILE"], os.O_WRONLY)  # waits for whoever reads them
later = threading.Timer(0.3, give)
later.daemon = True
later.start()
"""


def test_no_certificates_are_read_while_the_process_takes_openssl_down(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "certificates.pem")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "SSL_CERT_FILE": str(pipe)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr

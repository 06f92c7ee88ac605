"""A service that an agent begins: confined, asked from within its confinement, its load judged like any command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.live import confined, works, workspace
from support.running import Exp, until
from workbench.experiments.ledger import Ledger
from workbench.protocol import events as e

__all__ = ["confined", "workspace"]

SERVER = """
import http.server, sys
class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""
URL = "http://127.0.0.1:{port}/"
SERVICE = f"mlwb exp run --service --ready {URL}"


@pytest.fixture(autouse=True)
def nothing_stays(workspace: Path) -> Iterator[None]:
    """Runs outlive their sessions, but not the tests."""
    (workspace / "server.py").write_text(SERVER)
    yield
    Exp(workspace).stop_all()


def test_it_is_ready_and_measured_within_its_confinement(confined: Path) -> None:
    load = f"--request {URL} --duration 0.5s --warm-up 0s"
    _, [text] = works(confined, f"{SERVICE} {load} -- python3 server.py {{port}}")
    run = until(lambda: "throughput_rps" in (one := Ledger(confined).get("r-1")).metrics and one)
    assert run.status == "finished", text
    assert (run.metrics["throughput_rps"].last or 0) > 0
    assert run.metrics["request_error_rate"].last == 0


def test_one_that_stays_outlives_the_session_and_is_ready(confined: Path) -> None:
    works(confined, f"{SERVICE.replace('exp run', 'exp run --detach')} -- python3 server.py {{port}}")
    until(lambda: Ledger(confined).get("r-1").standing == "ready")


def test_a_load_is_judged_like_the_command(workspace: Path) -> None:
    (Path.home() / ".config/mlwb/config.yaml").write_text(
        "sandbox: {mode: off}\npermissions: {allow: ['Bash(python3 *)'], deny: ['Bash(touch *)']}\n"
    )
    ran, [text] = works(workspace, f"{SERVICE} --load 'touch loaded' -- python3 server.py {{port}}")
    [decided] = ran.events(e.CallDecided)
    assert decided.verdict == "deny", text
    assert not Ledger(workspace).ids() and not (workspace / "loaded").exists()

"""`mlwb exp run --service`: when a server is ready, what a load on it shows, and how it ends."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.running import Exp, fixture, until
from workbench.experiments.launch.options import Usage, read
from workbench.experiments.launch.service_http import Client, RequestError, requests_of
from workbench.experiments.launch.service_load import Press
from workbench.experiments.types import READY, Service

exp = fixture
SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        loads = "LOADS" in os.environ and not os.path.exists("loaded")
        self.answer(503 if loads else 200, b"{}")
        if loads:
            open("asked", "w").close()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(asked.get("seconds", 0) + float((*sys.argv, 0, 0)[2]))
        self.answer(asked.get("status", 200), b'{"usage": {"completion_tokens": 5}}')

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers)
server.request_queue_size = 64
server.serve_forever()
"""
URL = "http://127.0.0.1:{port}/health"
SERVE = ("--", sys.executable, "server.py", "{port}")
SHORT = ("--duration", "1s", "--warm-up", "0.2s")


def settled(exp: Exp, run: str = "r-1") -> tuple[str, dict[str, float]]:
    """How RUN stands, and its metrics, once its last numbers are in."""
    exp.settled(run)
    told = exp.json("show", run)
    return told["status"], {key: one["last"] for key, one in told["metrics"].items()}


def post(**asked: float) -> str:
    return f"POST /v1/completions\nContent-Type: application/json\n\n{json.dumps(asked)}\n"


@pytest.fixture(autouse=True)
def _server(exp: Exp) -> None:
    (exp.folder / "server.py").write_text(SERVER)


# --- ready, and its end ------------------------------------------------------------------------------------


def test_a_service_is_ready_once_it_answers_without_an_error_and_ends_when_it_is_stopped(exp: Exp) -> None:
    exp.env["LOADS"] = "1"
    run = exp.detached("--service", "--ready", URL, *SERVE)
    until((exp.folder / "asked").exists)
    began = time.monotonic()
    assert not exp.json("list")[0]["ready"]
    loading = time.monotonic() - began
    (exp.folder / "loaded").touch()
    until(lambda: exp.json("list")[0]["ready"])
    [told] = exp.json("list")
    assert (told["status"], told["service"]) == ("running", URL)
    assert told["metrics"][READY]["last"] >= loading
    assert b" ready " in exp("list").stdout
    assert b"status       ready" in exp("show", run).stdout
    exp("stop", run)
    ended = exp.ended(run)
    assert (ended.status, ended.standing) == ("stopped", "stopped")


def test_a_service_that_ends_before_it_is_ready_has_failed_with_its_own_status(exp: Exp) -> None:
    done = exp("run", "--service", "--ready", URL, "--", "bash", "-c", "exit 7", code=7)
    assert b"ended before it was ready" in done.stdout
    assert exp.ledger.get("r-1").status == "failed"


def test_one_that_never_answers_is_given_up_and_ended(exp: Exp) -> None:
    done = exp("run", "--service", "--ready", URL, "--ready-timeout", "0.4s", "--", "sleep", "1000", code=1)
    assert b"not ready after 0.4 s" in done.stdout
    assert exp.ledger.get("r-1").status == "failed"


def test_another_server_at_the_address_is_not_taken_for_the_service(exp: Exp, other: int) -> None:
    url = f"http://127.0.0.1:{other}/"
    done = exp("run", "--service", "--ready", url, "--", "sleep", "1000", code=1)
    assert b"already" in done.stdout


def test_a_port_that_takes_connections_is_enough_where_that_is_asked_for(exp: Exp) -> None:
    exp("run", "--service", "--ready", "tcp://127.0.0.1:{port}", "--load", "echo METRIC seen=$PORT", *SERVE)
    assert settled(exp)[1]["seen"] > 1024


# --- loads -------------------------------------------------------------------------------------------------


def test_a_load_is_measured_and_the_service_is_ended_after_it(exp: Exp) -> None:
    (exp.folder / "asked.http").write_text(post(seconds=0.02))
    exp("run", "--service", "--ready", URL, "--request", "asked.http", "--concurrency", "4", *SHORT, *SERVE)
    status, found = settled(exp)
    assert status == "finished"
    assert (
        20 <= found["latency_p50_ms"] <= found["latency_p90_ms"] <= found["latency_p95_ms"] <= found["latency_p99_ms"]
    )
    assert 5 < found["throughput_rps"] <= 200  # four callers of 20 ms each
    assert found["tokens_per_second"] == pytest.approx(5 * found["throughput_rps"], rel=0.15)
    assert found["request_error_rate"] == 0
    assert "window/latency_p50_ms" in found


def test_errors_are_counted_and_are_no_latencies(exp: Exp) -> None:
    (exp.folder / "asked.http").write_text(f"{post(seconds=0.01)}###\n{post(status=500)}")
    done = exp("run", "--service", "--ready", URL, "--request", "asked.http", *SHORT, *SERVE)
    _, found = settled(exp)
    assert found["request_error_rate"] == pytest.approx(0.5, abs=0.2)
    assert found["latency_p50_ms"] >= 10
    assert b"failed: status 500" in done.stdout


def test_a_service_that_dies_under_its_load_has_failed(exp: Exp) -> None:
    (exp.folder / "asked.http").write_text("GET /die\n")
    exp("run", "--service", "--ready", URL, "--request", "asked.http", *SHORT, *SERVE, code=1)
    status, found = settled(exp)
    assert (status, "latency_p50_ms" in found) == ("failed", False)


def test_the_users_own_load_generator_is_read_and_its_status_counts(exp: Exp) -> None:
    load = "echo 'METRIC latency_p99_ms=12.5'; exit 4"
    exp("run", "--service", "--ready", URL, "--load", load, *SERVE, code=4)
    status, found = settled(exp)
    assert (status, found["latency_p99_ms"]) == ("failed", 12.5)


def test_it_stays_after_its_load_where_it_shall(exp: Exp) -> None:
    run = exp.detached("--service", "--ready", URL, "--load", "echo METRIC qps=3", "--stay", *SERVE)
    until(lambda: "qps" in exp.ledger.get(run).metrics)
    assert exp.json("list")[0]["ready"]
    exp("stop", run)


def test_services_compare_as_losses_do(exp: Exp) -> None:
    """Where the machine is so busy that it is all within noise, as is told then, they are measured again."""
    (exp.folder / "asked.http").write_text(post())
    verdicts = []
    for attempt in range(4):
        quick, slow = f"quick-{attempt}", f"slow-{attempt}"
        for name, seconds in ((quick, "0.01"), (slow, "0.12")):
            exp(
                "run", "--name", name, "--seeds", "0..2", "--service", "--ready", URL, "--request", "asked.http",
                "--duration", "0.6s", "--warm-up", "0s", *SERVE, seconds,
            )  # fmt: skip
        told = [exp.json("compare", quick, slow, "--metric", metric) for metric in ("latency_p50_ms", "throughput_rps")]
        assert [one["goal"] for one in told] == ["min", "max"]
        verdicts = [one["verdict"] for one in told]
        if "within_noise" not in verdicts:
            break
    assert verdicts == ["worse", "worse"]
    assert exp.json("compare", quick, slow)["metric"].startswith(("latency", "throughput"))


def test_how_a_service_was_asked_is_a_difference(exp: Exp) -> None:
    for callers in ("1", "3"):
        exp(
            "run", "--name", f"by-{callers}", "--service", "--ready", URL, "--request", URL, "--concurrency", callers,
            "--duration", "0.3s", "--warm-up", "0s", *SERVE,
        )  # fmt: skip
    changes = exp.json("compare", "by-1", "by-3")["changes"]
    assert changes["config"]["service.concurrency"] == [1, 3]


def test_a_load_with_a_rate_counts_from_when_a_request_was_due(other: int) -> None:
    slow = requests_of(f"http://127.0.0.1:{other}/slow", "")  # 50 ms each
    service = Service(ready="", rate=40.0, duration_s=1.0, warm_up_s=0.0)
    closed = Press(Service(ready="", duration_s=1.0, warm_up_s=0.0), slow, lambda _: None, lambda: False).run()
    due = Press(service, slow, lambda _: None, lambda: False).run()
    assert closed.load.percentiles[0].value < 0.3
    assert due.load.percentiles[-1].value > 0.5  # forty a second come, twenty are served: the last waits for a second


def test_what_is_warmed_up_does_not_count(other: int) -> None:
    quick = requests_of(f"http://127.0.0.1:{other}/", "")
    service = Service(ready="", duration_s=0.5, warm_up_s=0.5)
    shown = Press(service, quick, lambda _: None, lambda: False).run()
    assert shown.warmed > 0
    assert shown.load.rate > 0.7 * shown.load.requests / 0.5, "they are as many as the rate of that time tells"


def test_the_first_piece_of_a_stream_is_timed_apart(other: int) -> None:
    service = Service(ready="", duration_s=0.5, warm_up_s=0.0)
    asked = requests_of(f"http://127.0.0.1:{other}/stream", "")
    found = Press(service, asked, lambda _: None, lambda: False).run().metrics()
    assert found["ttft_p50_ms"] < 200 <= found["latency_p50_ms"]


def test_a_body_that_ends_early_is_an_error(other: int) -> None:
    asked = requests_of(f"http://127.0.0.1:{other}/torn", "")
    shown = Press(Service(ready="", duration_s=0.3, warm_up_s=0.0), asked, lambda _: None, lambda: False).run()
    assert shown.load.errors == shown.load.requests > 0


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(other: int) -> None:
    [asked] = requests_of(f"http://127.0.0.1:{other}/once", "")
    client = Client()
    assert [client.send(asked).status for _ in range(3)] == [200, 200, 200]
    client.close()


# --- what is said of the options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--service", "--ready URL"),
        ("--ready http://x/", "--service"),
        ("--service --ready health", "no address"),
        ("--service --ready http://x/ --load a --request b", "two loads"),
        ("--service --ready http://x/ --concurrency 4", "--request"),
        ("--service --ready http://x/ --stay", "--stay"),
        ("--service --ready http://x/ --request f --rate 0", "0"),
    ],
)
def test_options_that_make_no_service(words: str, said: str) -> None:
    with pytest.raises(Usage, match=said):
        read([*words.split(), "--", "true"])


def test_files_of_requests(tmp_path: Path) -> None:
    file = tmp_path / "a.http"
    file.write_text("# one\nGET /a?b=1\n\n###\npost http://h:81/c HTTP/1.1\nX: y: z\n\nbody\n\nmore\n")
    one, two = requests_of(str(file), "https://host:8443/health")
    assert (one.method, one.url.geturl(), one.body) == ("GET", "https://host:8443/a?b=1", b"")
    assert (two.method, two.url.netloc, two.headers, two.body) == ("POST", "h:81", {"X": "y: z"}, b"body\n\nmore")
    for wrong in ("", "hello\n", "GET /a\nno header\n"):
        file.write_text(wrong)
        with pytest.raises(RequestError):
            requests_of(str(file), "http://host/")
    with pytest.raises(RequestError):
        requests_of(str(tmp_path / "none"), "http://host/")


class _Other(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/stream":
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: a\n\n")
            threading.Event().wait(0.2)
            self.wfile.write(b"data: b\n\n")
            self.close_connection = True
            return
        if self.path == "/slow":
            threading.Event().wait(0.05)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"o" if self.path == "/torn" else b"ok")
        self.close_connection = self.path in ("/torn", "/once")  # without a word in the headers

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[int]:
    """The port of a server of the test's own process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Other)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_all_that_a_service_started_ends_with_it(exp: Exp) -> None:
    (exp.folder / "many.sh").write_text(f"setsid sleep 1000 & echo $! > child; exec {sys.executable} server.py $1")
    exp("run", "--service", "--ready", URL, "--load", "true", "--", "bash", "many.sh", "{port}")
    child = int((exp.folder / "child").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(child, signal.SIG_DFL)

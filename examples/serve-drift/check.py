"""Starts serve.py as a process of its own and uses it the way its clients and its operators would."""

import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import data

ACCURACY, P95_MS, CLIENTS, WINDOW = 0.93, 100, 8, 200


class Service:
    """The service on PORT, asked over one kept connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(self, method, path, body=None):
        """(status, decoded JSON)"""
        text = body if isinstance(body, (str, type(None))) else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def predict(self, images):
        status, answer = self.ask("POST", "/predict", {"instances": images.tolist()})
        assert status == 200, f"/predict answered {status}: {answer}"
        return answer["predictions"]

    def close(self):
        self.connection.close()


@contextmanager
def served():
    """A fresh service; yields its port, which `serve.py --port 0` prints as its first line, `port N`."""
    process = subprocess.Popen([sys.executable, "serve.py", "--port", "0"], stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(60, process.kill)  # one that never says its port
    try:
        timer.start()
        line = process.stdout.readline().split()
        timer.cancel()
        assert line[:1] == ["port"], f"serve.py --port 0 must print `port N` first; it printed {line}"
        yield int(line[1])
    finally:
        timer.cancel()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError("serve.py does not end on SIGTERM") from None


def answers(service):
    images, labels = data.traffic()
    status, health = service.ask("GET", "/healthz")
    assert status == 200 and health["status"] == "ok", f"/healthz answered {status}: {health}"
    right = (service.predict(images) == labels).mean()
    assert right >= ACCURACY, f"accuracy over HTTP {right:.3f}; at least {ACCURACY}"
    return f"accuracy over HTTP {right:.3f}"


def refuses(service):
    for body in ("", "{", "[]", '{"instances": [[1, 2]]}', '{"instances": [["a"]]}', '{"instances": []}'):
        status, answer = service.ask("POST", "/predict", body)
        assert 400 <= status < 500 and answer["error"], f"{body!r} was answered with {status}: {answer}"
    assert service.ask("GET", "/nowhere")[0] == 404, "an unknown path is no 404"
    service.predict(data.traffic()[0][:1])
    return "bad requests get a 4xx with an `error`, and the service goes on"


def tells_drift():
    """Healthy traffic raises no alarm; each kind of shift does, within one window; the alarm ends with its cause."""
    images, _ = data.traffic()
    for kind in data.SHIFTS:
        with served() as port, closing(Service(port)) as service:
            for wanted, batch in (
                (False, images[:WINDOW]),
                (False, images[WINDOW : 2 * WINDOW]),
                (True, data.shifted(images[2 * WINDOW : 3 * WINDOW], kind)),
                (False, images[:WINDOW]),
            ):
                for start in range(0, WINDOW, 20):
                    service.predict(batch[start : start + 20])
                status, drift = service.ask("GET", "/drift")
                assert status == 200 and drift["drifted"] is wanted, f"{kind}: wanted drifted={wanted}, got {drift}"
    return f"drift seen and forgotten again: {', '.join(data.SHIFTS)}"


def holds_load(port, seconds=3):
    """p95 of single predictions from CLIENTS at once, measured here, against what load_test.py says of it."""
    images, _ = data.traffic()
    times, until = [], time.monotonic() + seconds

    def client(offset):
        with closing(Service(port)) as service:
            while time.monotonic() < until:
                began = time.perf_counter()
                service.predict(images[offset : offset + 1])
                times.append(1000 * (time.perf_counter() - began))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) > 20 * CLIENTS, f"only {len(times)} answers in {seconds} s"
    p95 = statistics.quantiles(times, n=20)[-1]
    assert p95 <= P95_MS, f"p95 is {p95:.1f} ms with {CLIENTS} clients; at most {P95_MS}"

    command = ["load_test.py", f"http://127.0.0.1:{port}", "--clients", str(CLIENTS), "--seconds", str(seconds)]
    Path("load.json").unlink(missing_ok=True)
    subprocess.run([sys.executable, *command], check=True, timeout=60, capture_output=True)
    told = json.loads(Path("load.json").read_text())
    assert told["errors"] == 0 and told["requests"] > 20 * CLIENTS, f"load.json: {told}"
    assert told["p50_ms"] <= told["p95_ms"], f"load.json: {told}"
    assert p95 / 3 <= told["p95_ms"] <= 3 * p95, (
        f"load.json says p95 {told['p95_ms']:.1f} ms, measured here {p95:.1f} ms"
    )
    return f"p95 {p95:.1f} ms with {CLIENTS} clients; load_test.py agrees"


def main():
    try:
        with served() as port:
            with closing(Service(port)) as service:
                print("ok   ", answers(service))
                print("ok   ", refuses(service))
            print("ok   ", holds_load(port))
        print("ok   ", tells_drift())
    except (
        AssertionError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        subprocess.SubprocessError,
        http.client.HTTPException,
    ) as error:
        print(f"FAIL  {type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Serves model.pkl over HTTP and compares the last instances with the training data.

Drift: the mean image of the window against the reference. Each pixel's shift is measured in standard errors; the
root mean square of them is compared with what windows drawn from the training data itself give.
"""

import argparse
import collections
import json
import pickle
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import data
import numpy as np

WINDOW = 200


class Monitor:
    def __init__(self):
        images, _ = data.training()
        self.middle, self.noise = images.mean(0), images.std(0).mean()
        self.lock, self.window = threading.Lock(), collections.deque(maxlen=WINDOW)
        rng = np.random.default_rng(0)
        healthy = [self.statistics(images[rng.choice(len(images), WINDOW)]) for _ in range(500)]
        self.limits = 1.25 * np.max(healthy, axis=0)

    def statistics(self, images):
        """Shift of the mean image, and how rough the images are (noise leaves the mean nearly as it was)."""
        grid = images.reshape(-1, 8, 8)
        rough = np.abs(np.diff(grid, axis=2)).mean()
        return np.array([np.sqrt(np.mean((images.mean(0) - self.middle) ** 2)) / self.noise, rough])

    def add(self, images):
        with self.lock:
            self.window.extend(images)

    def report(self):
        with self.lock:
            images = np.array(self.window)
        if len(images) < WINDOW:
            return {"drifted": False, "instances": len(images)}
        values = self.statistics(images)
        return {"drifted": bool((values > self.limits).any()), "mean_shift": values[0], "roughness": values[1]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model = pickle.loads(Path("model.pkl").read_bytes())
    monitor = Monitor()

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        pages = {"/healthz": lambda: {"status": "ok"}, "/drift": self.monitor.report}
        if self.path in pages:
            self.answer(200, pages[self.path]())
        else:
            self.answer(404, {"error": f"nothing at {self.path}"})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/predict":
            self.answer(404, {"error": f"nothing at {self.path}"})
            return
        try:
            images = np.array(json.loads(text)["instances"], dtype=float)
            if images.ndim != 2 or images.shape[1] != 64 or not np.isfinite(images).all():
                raise ValueError("instances must be rows of 64 numbers")
        except (ValueError, TypeError, KeyError) as error:
            self.answer(400, {"error": str(error)})
            return
        self.monitor.add(images)
        self.answer(200, {"predictions": self.model.predict(images).tolist()})

    def log_message(self, *args):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

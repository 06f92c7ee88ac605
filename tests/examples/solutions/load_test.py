"""Single predictions from several clients at once; writes load.json."""

import argparse
import http.client
import json
import statistics
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    address = urlsplit(args.url).netloc
    images, _ = data.training()
    times, errors, until = [], [], time.monotonic() + args.seconds

    def client(number):
        connection = http.client.HTTPConnection(address, timeout=10)
        body = json.dumps({"instances": [images[number].tolist()]})
        while time.monotonic() < until:
            began = time.perf_counter()
            connection.request("POST", "/predict", body)
            answer = connection.getresponse()
            answer.read()
            times.append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                errors.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(args.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = {
        "requests": len(times),
        "errors": len(errors),
        "p50_ms": statistics.median(times),
        "p95_ms": statistics.quantiles(times, n=20)[-1],
    }
    Path("load.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()

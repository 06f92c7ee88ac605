"""Latency and accuracy of two ONNX files, side by side: python3 bench.py baseline.onnx fast.onnx [--check]

Both models run in turns, image by image, with the same session options on one thread, so that whatever else the
machine does meets both. With --check the exit status is 0 only if the second is fast enough and as accurate.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import onnxruntime

import data

ROUNDS, WARMUP = 200, 20
MOST_OF_LATENCY = 0.5  # of the baseline's, median against median
MOST_LOST = 0.005  # accuracy, absolute


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def accuracy(model, images, labels):
    scores = [model.run(["scores"], {"images": images[start : start + 50]})[0] for start in range(0, len(images), 50)]
    return float((np.concatenate(scores).argmax(1) == labels).mean())


def latencies(models, images):
    """Milliseconds for one image, ROUNDS for each model; the models take turns."""
    times = [[] for _ in models]
    for round_ in range(WARMUP + ROUNDS):
        image = images[round_ % len(images)][None]
        for model, its_times in zip(models, times):
            began = time.perf_counter()
            model.run(["scores"], {"images": image})
            if round_ >= WARMUP:
                its_times.append(1000 * (time.perf_counter() - began))
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("baseline")
    parser.add_argument("candidate")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()

    images, labels = data.held_out()
    names = [args.baseline, args.candidate]
    models = [session(name) for name in names]
    right = [accuracy(model, images, labels) for model in models]
    times = latencies(models, images)
    for name, share, its_times in zip(names, right, times):
        low, median, high = statistics.quantiles(its_times, n=4)
        print(f"{name}: accuracy {share:.4f}, median {median:.3f} ms, quartiles {low:.3f} to {high:.3f}")

    ratio = statistics.median(times[1]) / statistics.median(times[0])
    lost = right[0] - right[1]
    fast, accurate = ratio <= MOST_OF_LATENCY, lost <= MOST_LOST
    print(f"{'ok  ' if fast else 'FAIL'}  latency is {ratio:.2f} of the baseline's; at most {MOST_OF_LATENCY}")
    print(f"{'ok  ' if accurate else 'FAIL'}  accuracy lost {lost:.4f}; at most {MOST_LOST}")
    return 0 if not args.check or (fast and accurate) else 1


if __name__ == "__main__":
    sys.exit(main())

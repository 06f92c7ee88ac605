"""Handwritten digits, bundled with scikit-learn, enlarged to 32 x 32. Nothing is downloaded."""

import numpy as np
from sklearn.datasets import load_digits


def _split(start, end):
    digits = load_digits()
    order = np.random.default_rng(7).permutation(len(digits.target))[start:end]
    images = (digits.images[order] / 16).repeat(4, axis=1).repeat(4, axis=2)
    return images[:, None].astype(np.float32), digits.target[order]


def training():
    """1000 (images of 1 x 32 x 32, labels): to train, to calibrate and to validate on."""
    return _split(0, 1000)


def held_out():
    """For bench.py alone: nothing is trained, calibrated or chosen on these."""
    return _split(1000, None)

"""Handwritten digits, bundled with scikit-learn, in three parts that never mix. Nothing is downloaded."""

import numpy as np
from sklearn.datasets import load_digits


def _split(start, end):
    digits = load_digits()
    order = np.random.default_rng(7).permutation(len(digits.target))[start:end]
    return digits.data[order] / 16, digits.target[order]


def training():
    return _split(0, 900)


def validation():
    """To choose between trials."""
    return _split(900, 1300)


def held_out():
    """For check.py alone, and only for the model that was chosen."""
    return _split(1300, None)

"""Handwritten digits, bundled with scikit-learn, and three ways in which a camera goes wrong. Nothing is downloaded."""

import numpy as np
from sklearn.datasets import load_digits

SHIFTS = {
    "brighter": lambda images, rng: np.clip(images + 0.25, 0, 1),
    "noisy": lambda images, rng: np.clip(images + rng.normal(0, 0.3, images.shape), 0, 1),
    "upside down": lambda images, rng: images[:, ::-1],
}


def _split(start, end):
    digits = load_digits()
    order = np.random.default_rng(7).permutation(len(digits.target))[start:end]
    return digits.data[order] / 16, digits.target[order]


def training():
    """(1000 rows of 64 pixels from 0 to 1, labels): the model's training set and the reference for drift."""
    return _split(0, 1000)


def traffic():
    """For check.py alone: images as they arrive in production."""
    return _split(1000, None)


def shifted(images, kind, seed=0):
    """IMAGES as they arrive once the camera has gone wrong in the way KIND."""
    return SHIFTS[kind](images, np.random.default_rng(seed))

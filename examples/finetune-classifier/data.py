"""Handwritten digits (bundled with scikit-learn) as two scanners see them. Nothing is downloaded.

`source` is the old scanner: the digits as they are. `target` is the new one: turned by 90 degrees, dark on light
swapped, with sensor noise. Of the new scanner only 300 images have labels that may be trained on.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits

LABELLED = 300


def _scan(images):
    """IMAGES as the new scanner delivers them. The noise is the same in every run."""
    noise = np.random.default_rng(8).normal(0, 0.1, images.shape)
    return np.clip(1 - np.rot90(images, axes=(1, 2)) + noise, 0, 1)


def _tensors(images, labels):
    return torch.tensor(images[:, None].copy(), dtype=torch.float32), torch.tensor(labels)


def _split(domain):
    digits = load_digits()
    images = digits.images / 16
    order = np.random.default_rng(7).permutation(len(images))
    images = (images if domain == "source" else _scan(images))[order]
    return images, digits.target[order]


def training(domain):
    """(images of shape n x 1 x 8 x 8, labels) to train and validate on."""
    images, labels = _split(domain)
    end = 1000 if domain == "source" else LABELLED
    return _tensors(images[:end], labels[:end])


def held_out(domain):
    """For evaluate.py alone: nothing is trained, chosen or tuned on these."""
    images, labels = _split(domain)
    return _tensors(images[1000:], labels[1000:])

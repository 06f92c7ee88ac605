"""Trains the model to serve: python3 train.py writes model.pkl (a second)."""

import pickle
from pathlib import Path

from sklearn.linear_model import LogisticRegression

import data

if __name__ == "__main__":
    model = LogisticRegression(max_iter=2000).fit(*data.training())
    Path("model.pkl").write_bytes(pickle.dumps(model))
    print(f"model.pkl: training accuracy {model.score(*data.training()):.4f}")

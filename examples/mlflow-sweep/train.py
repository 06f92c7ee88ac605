"""One training run: python3 train.py --rate 0.001 --hidden 32 --alpha 0.0001 --seed 0

Prints the validation accuracy after each epoch. Nothing is tracked yet.
"""

import argparse

from sklearn.neural_network import MLPClassifier

import data


def train(rate, hidden, alpha, seed, epochs=12, on_epoch=None):
    """The trained model and its last validation accuracy; `on_epoch(epoch, loss, accuracy)` is told of every epoch."""
    model = MLPClassifier((hidden,), learning_rate_init=rate, alpha=alpha, random_state=seed, batch_size=50)
    images, labels = data.training()
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        model.partial_fit(images, labels, classes=range(10))
        accuracy = model.score(*data.validation())
        if on_epoch:
            on_epoch(epoch, model.loss_, accuracy)
    return model, accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--alpha", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train(
        args.rate,
        args.hidden,
        args.alpha,
        args.seed,
        on_epoch=lambda epoch, loss, accuracy: print(f"epoch {epoch}: loss {loss:.4f}, val accuracy {accuracy:.4f}"),
    )

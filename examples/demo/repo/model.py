"""A small multi-layer perceptron with its gradients written out by hand: plain lists, no libraries."""

import math
from operator import mul


class Net:
    """Fully connected layers with tanh between them and a softmax at the end."""

    def __init__(self, sizes, rng):
        self.sizes = sizes
        self.layers = []  # (weights: one row an output, biases)
        for inputs, outputs in zip(sizes, sizes[1:]):
            scale = 1 / math.sqrt(inputs)
            self.layers.append(
                ([[rng.gauss(0, scale) for _ in range(inputs)] for _ in range(outputs)], [0.0] * outputs)
            )
        self.zero_grad()

    def zero_grad(self):
        self.grads = [([[0.0] * len(row) for row in rows], [0.0] * len(biases)) for rows, biases in self.layers]

    def forward(self, inputs):
        """The activations of every layer; the last ones are log-probabilities of the classes."""
        values = [inputs]
        for index, (rows, biases) in enumerate(self.layers):
            sums = [sum(map(mul, row, values[-1])) + bias for row, bias in zip(rows, biases)]
            if index + 1 < len(self.layers):
                values.append([math.tanh(s) for s in sums])
            else:
                top = max(sums)
                log_total = top + math.log(sum(math.exp(s - top) for s in sums))
                values.append([s - log_total for s in sums])
        return values

    def backward(self, inputs, label, scale):
        """Adds SCALE times this sample's gradient to `grads`; returns its loss."""
        values = self.forward(inputs)
        deltas = [scale * (math.exp(v) - (k == label)) for k, v in enumerate(values[-1])]
        for index in range(len(self.layers) - 1, -1, -1):
            below = values[index]
            row_grads, bias_grads = self.grads[index]
            for k, delta in enumerate(deltas):
                row_grads[k] = [g + delta * b for g, b in zip(row_grads[k], below)]
                bias_grads[k] += delta
            if index:
                columns = zip(*self.layers[index][0])
                deltas = [sum(map(mul, column, deltas)) * (1 - b * b) for column, b in zip(columns, below)]
        return -values[-1][label]

    def loss(self, points):
        """Mean cross-entropy over POINTS, in nats."""
        return sum(-self.forward((x, y))[-1][label] for x, y, label in points) / len(points)

    def accuracy(self, points):
        right = 0
        for x, y, label in points:
            scores = self.forward((x, y))[-1]
            right += scores.index(max(scores)) == label
        return right / len(points)

    def state(self):
        return {"sizes": self.sizes, "layers": self.layers}

    @classmethod
    def from_state(cls, state):
        net = cls.__new__(cls)
        net.sizes, net.layers = state["sizes"], state["layers"]
        return net


class Momentum:
    """Gradient descent with momentum."""

    def __init__(self, net, momentum):
        self.net, self.momentum = net, momentum
        self.speed = [([[0.0] * len(row) for row in rows], [0.0] * len(biases)) for rows, biases in net.layers]

    def step(self, rate):
        """Moves the weights once, against the gradients that have been added up."""
        for layer, (rows, biases) in enumerate(self.net.layers):
            row_speeds, _ = self.speed[layer]
            row_grads, bias_grads = self.net.grads[layer]
            for k, row in enumerate(rows):
                row_speeds[k] = [self.momentum * v - rate * g for v, g in zip(row_speeds[k], row_grads[k])]
                rows[k] = [w + v for w, v in zip(row, row_speeds[k])]
            speeds = [self.momentum * v - rate * g for v, g in zip(self.speed[layer][1], bias_grads)]
            self.speed[layer][1][:] = speeds
            biases[:] = [b + v for b, v in zip(biases, speeds)]

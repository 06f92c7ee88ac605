"""Trains the classifier and exports it: python3 baseline.py writes baseline.pt and baseline.onnx (about a minute)."""

import torch
from torch import nn

import data


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def network():
    return nn.Sequential(
        block(1, 48), block(48, 48), nn.MaxPool2d(2),
        block(48, 96), block(96, 96), nn.MaxPool2d(2),
        block(96, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
    )


def export(net, path):
    """Writes NET as ONNX with one input `images` (n x 1 x 32 x 32) and one output `scores` (n x 10)."""
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        net.eval(), (torch.zeros(2, 1, 32, 32),), path, dynamo=True, external_data=False, verbose=False,
        input_names=["images"], output_names=["scores"], dynamic_shapes=({0: batch},),
    )


def main():
    torch.manual_seed(0)
    net = network()
    images, labels = map(torch.tensor, data.training())
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for epoch in range(6):
        for batch in torch.randperm(len(images)).split(50):
            loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    torch.save(net.state_dict(), "baseline.pt")
    export(net, "baseline.onnx")


if __name__ == "__main__":
    main()

"""Trains the production model on the old scanner's images: python3 pretrain.py writes base.pt (some seconds)."""

import torch
from torch import nn

import data
from model import Net


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = Net()
    images, labels = data.training("source")
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(15):
        for batch in torch.randperm(len(images)).split(50):
            loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(net.state_dict(), "base.pt")
    print(f"base.pt: last training loss {loss.item():.4f}")


if __name__ == "__main__":
    main()

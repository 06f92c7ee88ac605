"""Fine-tunes base.pt for the new scanner, replaying old images so that the old scanner is not forgotten."""

import argparse

import data
import torch
from model import Net
from torch import nn


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="tuned.pt")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--replay", type=int, default=50, help="old images in each batch")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    net = Net()
    net.load_state_dict(torch.load("base.pt", weights_only=True))
    new_images, new_labels = data.training("target")
    old_images, old_labels = data.training("source")
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(args.epochs):
        for batch in torch.randperm(len(new_images)).split(50):
            replay = torch.randperm(len(old_images))[: args.replay]
            noisy = (new_images[batch] + 0.1 * torch.randn(len(batch), 1, 8, 8)).clamp(0, 1)
            images = torch.cat([noisy, old_images[replay]])
            labels = torch.cat([new_labels[batch], old_labels[replay]])
            loss = nn.functional.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(net.state_dict(), args.out)


if __name__ == "__main__":
    main()

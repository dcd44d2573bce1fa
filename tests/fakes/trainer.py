"""What the trainer is tried on: a task that is easy to learn, small networks, recipes of little and of all."""

import hashlib

import torch
from torch import nn

from avhcurate.networks.models.own import DIGITS_MEAN, DIGITS_STD
from avhcurate.networks.training.digits import read_digits
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import Recipe


def stripes(n=40):
    """LabelledImages of a bright left or right half, one class each."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 4, 4, dtype=torch.uint8)
    images[labels == 0, :, :, :2] = 200
    images[labels == 1, :, :, 2:] = 200
    return LabelledImages(images, labels, (0.5,), (0.25,))


def first_digits(n):
    """LabelledImages of the first `n` digits."""
    digits = read_digits()
    images, labels = torch.from_numpy(digits.images)[:n, None], torch.from_numpy(digits.labels)[:n]
    return LabelledImages(images, labels, DIGITS_MEAN, DIGITS_STD)


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


class Wavering(nn.Module):
    """A small network with all that keeps state between steps: batch norm, and dropout from the global generator."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(6 * 64, 10)

    def forward(self, x):
        return self.head(self.drop(torch.relu(self.norm(self.conv(x))).flatten(1)))


def wavering():
    torch.manual_seed(0)
    return Wavering()


def bits(module):
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


PLAIN = Recipe(epochs=5, batch_size=8, crop_padding=0, flip=False)

#: Everything that a checkpoint must carry.
FULL = Recipe(
    epochs=3,
    batch_size=100,
    learning_rate=0.05,
    crop_padding=1,
    clip=1.0,
    loss="avh",
    precision="bfloat16",
    seed=5,
    fast=True,
)

"""A family of models: `average:SIDE` shrinks an image to SIDE x SIDE and has a linear layer on that, untrained."""

import torch
from torch import nn

from avhcurate.errors import CurateError


def average(rest: str) -> nn.Module:
    """The network of that side."""
    if not rest.isdecimal() or not 0 < int(rest) <= 32:
        raise CurateError(f"average:{rest}: give a side from 1 to 32, as average:8")
    side = int(rest)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(3 * side * side, 10))

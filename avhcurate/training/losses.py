"""Losses for training: the public name of `avhcurate.networks.training.losses`."""

from avhcurate.networks.training.losses import SCALE, AVHLoss, CosineLoss, DirectionalLoss, angles

__all__ = ["SCALE", "AVHLoss", "CosineLoss", "DirectionalLoss", "angles"]

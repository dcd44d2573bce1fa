"""A network before any weights are loaded: how to build it, and the preprocessing of its images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights


@dataclass(frozen=True)
class Pretrained:
    """Weights that a network comes with; `load` may download them. `classes` are their K names, in order."""

    load: Callable[[], Weights]
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Architecture:
    """A network by name.

    build: (class count, or None for the network's own; pixels a side of its input) to a module.
    pretrained: None when it comes without weights; then `without_weights` says what the user should do.
    keeps_weights: the module is built with weights that mean something, as a user's own factory may.
    any_channels: one input channel or three, to be seen from the first convolution.
    adapt: renames the tensors of an older file to what the module calls them.
    drawn: beginnings of the names that published weights lack and `adapt` draws, alike each time, so that what is
        scored with them can be scored again; in a network to be trained they come from its seed.
    recognised: the weights file that was asked about is a published one, so that `pretrained.classes` are its names.
    built_in: hash and source of the weights of a module that cannot be built without them; it takes no others, and is
        not trained.
    """

    build: Callable[[int | None, int], nn.Module]
    preprocess: Preprocess
    pretrained: Pretrained | None = None
    without_weights: str = "Give its weights by --weights FILE"
    keeps_weights: bool = False
    any_channels: bool = False
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    drawn: tuple[str, ...] = ()
    recognised: bool = False
    built_in: Callable[[nn.Module], Weights] | None = None

    def module(self, num_classes: int | None) -> nn.Module:
        """Return a new network for the images that `preprocess` makes: float32, CPU, eval mode, without gradients."""
        built = self.build(num_classes, self.preprocess.crop)
        return built.to(device="cpu", dtype=torch.float32).eval().requires_grad_(False)

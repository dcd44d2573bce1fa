"""A network before any weights are loaded: how to build it, and the preprocessing of its images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights


@dataclass(frozen=True)
class Architecture:
    """A network by name.

    build: (class count, or None for the network's own; pixels a side of its input) to a module.
    published: the weights that it comes with, which may be downloaded; None when it comes without.
    classes: the K names of the classes of these weights, in order.
    recognised: the weights file that was asked about is a published one, so that `classes` are its names.
    made: hash and source of the weights that a module is built with, where they mean something; None where it has to
        be given some. `fixed`: other weights are refused, and it is not trained.
    any_channels: one input channel or three, to be seen from the first convolution.
    adapt: renames the tensors of an older file to what the module calls them.
    drawn: beginnings of the names of layers that stay as drawn from the seed where weights lack them.
    code: SHA-256 of the files that say what the network computes, by name, where these are the user's.
    """

    build: Callable[[int | None, int], nn.Module]
    preprocess: Preprocess
    published: Callable[[], Weights] | None = None
    classes: tuple[str, ...] | None = None
    recognised: bool = False
    made: Callable[[nn.Module], Weights] | None = None
    fixed: bool = False
    any_channels: bool = False
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    drawn: tuple[str, ...] = ()
    code: dict[str, str] | None = None

    def module(self, num_classes: int | None) -> nn.Module:
        """Return a new network for the images that `preprocess` makes: float32, CPU, eval mode, without gradients."""
        built = self.build(num_classes, self.preprocess.crop)
        return built.to(device="cpu", dtype=torch.float32).eval().requires_grad_(False)

    def drawn_tensors(self, module: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of layers that stay as drawn because the given weights lack them."""
        state = module.state_dict()
        return {name: state[name] for name in state.keys() - tensors.keys() if name.startswith(self.drawn)}

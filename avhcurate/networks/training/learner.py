"""A network in training: its head, its loss on logits or on directions, and the average of its weights."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

from avhcurate.networks.models.head import FeatureTap, find_head
from avhcurate.networks.models.own import CifarFast
from avhcurate.networks.training.images import LabelledImages, normalise
from avhcurate.networks.training.losses import AVHLoss, CosineLoss, DirectionalLoss
from avhcurate.networks.training.recipe import Recipe

#: Images from which a first layer is taken.
_FITTED_TO = 4096
#: Largest decay a step of the average of the weights.
_DECAY = 0.99

_LOSSES: dict[str, type[DirectionalLoss]] = {"avh": AVHLoss, "cosine": CosineLoss}


class Learner(FeatureTap):
    """Returns features (N, D) and the loss's logits (N, K): the head's own, or those of the directional loss.

    The head is a linear layer or, equivalently, a 1 x 1 convolution over one pixel; `module` keeps its names.
    """

    def __init__(self, module: nn.Module, head_name: str, loss: DirectionalLoss | None) -> None:
        super().__init__(module, module.get_submodule(head_name), own_logits=True)
        self.loss = loss
        self.head_name = head_name

    @property
    def head(self) -> nn.Module:
        return self.module.get_submodule(self.head_name)

    @property
    def class_weights(self) -> Tensor:
        """(K, D), in the graph."""
        return self.head.weight.flatten(1)  # type: ignore[operator]

    def numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Return class weights (K, D) and bias (K,), float32."""
        weights = self.class_weights.detach().float().cpu().numpy()
        bias = self.head.bias
        if not isinstance(bias, Tensor):
            return weights, np.zeros(len(weights), np.float32)
        return weights, bias.detach().float().cpu().numpy()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = (part.flatten(1) for part in super().forward(images))
        if self.loss is not None:
            logits = self.loss.logits(features, self.class_weights)
        return features, logits

    def train(self, mode: bool = True) -> "Learner":
        """Set training mode, in which frozen batch norms keep their statistics."""
        super().train(mode)
        for layer in self.modules():
            trained = [parameter.requires_grad for parameter in layer.parameters()]
            if isinstance(layer, _BatchNorm) and trained and not any(trained):
                layer.eval()
        return self


class TrainingObjective(nn.Module):
    """What a step of training minimises instead of cross-entropy on the learner's logits.

    Its own parameters are trained too, at the network's rate and without weight decay, and are kept in checkpoints like
    its buffers. Randomness comes from `torch.rand` and similar functions in `forward`, which use the recipe's seed.
    With several processes each gets its own part of the batch, and gradients are averaged.
    """

    def forward(self, learner: nn.Module, images: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and logits (n, K) for the running accuracy.

        learner: gives features (n, D) and logits (n, K) of images. images (n, C, H, W): augmented and normalised.
        labels: (n,) int64, or soft (n, K). rows (n,): positions among the samples trained on, on the CPU.
        """
        raise NotImplementedError


def make_learner(module: nn.Module, images: LabelledImages, recipe: Recipe, *, head: str | None = None) -> Learner:
    """Return the module with its head found, and gradients for what is trained.

    A directional loss leaves the head's bias at zero. Raises CurateError when the network has no linear head.
    """
    dtype = next(parameter.dtype for parameter in module.parameters() if parameter.is_floating_point())
    probe = torch.randn(2, *images.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    name = find_head(module.eval(), probe, name=head).name
    module.requires_grad_(not recipe.freeze)
    layer = module.get_submodule(name).requires_grad_(True)
    loss = None
    if recipe.loss in _LOSSES:
        loss = _LOSSES[recipe.loss](scale=recipe.scale).to(dtype)
        if isinstance(layer.bias, Tensor):
            layer.bias.data.zero_()
            layer.bias.requires_grad_(False)
    return Learner(module, name, loss)


def fit_first_layer(module: nn.Module, images: LabelledImages, *, seed: int) -> None:
    """Take the first layer of a `CifarFast` from some of the images, unless it has one."""
    if isinstance(module, CifarFast) and not module.fitted:
        rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:_FITTED_TO].sort().values
        mean, std = images.statistics(torch.device("cpu"), torch.float32)
        module.fit(normalise(images.take(rows), mean, std))


def parameter_groups(
    learner: Learner, recipe: Recipe, objective: TrainingObjective | None = None
) -> list[dict[str, Any]]:
    """Return what the optimizer trains: the network with weight decay, an objective without.

    `rate` is a factor of the learning rate.
    """
    bias_rate = recipe.pace.bias_rate
    trained = {p for p in learner.module.parameters() if p.requires_grad}
    quick: list[Tensor] = []
    if bias_rate != 1:
        norms = [layer for layer in learner.module.modules() if isinstance(layer, _BatchNorm)]
        quick = [norm.bias for norm in norms if norm.bias in trained]
    usual = [p for p in learner.module.parameters() if p in trained.difference(quick)]
    groups: list[dict[str, Any]] = [{"params": usual, "rate": 1.0}]
    if quick:
        # SGD multiplies the decay by the rate too.
        groups.append({"params": quick, "rate": bias_rate, "weight_decay": recipe.weight_decay / bias_rate})
    if objective is not None:
        groups.append({"params": list(objective.parameters()), "rate": 1.0, "weight_decay": 0.0})
    return groups


def settle_head(learner: Learner) -> None:
    """After a directional loss: give class weights length 1, so that the network's own logits rank like the angles."""
    if learner.loss is not None:
        weight = learner.head.weight
        unit = F.normalize(weight.detach().flatten(1), dim=1)  # type: ignore[operator]
        weight.data.copy_(unit.view_as(weight))  # type: ignore[arg-type,operator]


def average_of(learner: Learner) -> AveragedModel:
    """Return an exponential moving average of the weights and buffers, with a lower decay in its first steps."""

    def mixed(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        step = int(updates) + 1
        if not average.is_floating_point():
            return current
        return average.lerp(current, 1 - min(_DECAY, (1 + step) / (10 + step)))

    return AveragedModel(learner, avg_fn=mixed, use_buffers=True)

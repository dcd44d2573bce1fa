"""A network in training: its head, its loss on logits or on directions, and the average of its weights."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from avhcurate.models.head import Head, find_head
from avhcurate.models.own import CifarFast
from avhcurate.training.images import LabelledImages, normalise
from avhcurate.training.losses import AVHLoss, CosineLoss, DirectionalLoss
from avhcurate.training.recipe import Recipe

#: Images that a first layer is taken from.
_FITTED_TO = 4096

_LOSSES: dict[str, type[DirectionalLoss]] = {"avh": AVHLoss, "cosine": CosineLoss}


class Learner(nn.Module):
    """Returns features (N, D) and the loss's logits (N, K): the head's own, or those of the directional loss.

    The head is a linear layer or, which is the same, a 1 x 1 convolution over one pixel; `module` keeps its names.
    """

    def __init__(self, module: nn.Module, head: Head, loss: DirectionalLoss | None) -> None:
        super().__init__()
        self.module, self.loss = module, loss
        self.head_name, self.direct = head.name, head.direct
        self._taken: tuple[Tensor, Tensor] | None = None
        self.hook = self.head.register_forward_hook(self._take)

    @property
    def head(self) -> nn.Module:
        return self.module.get_submodule(self.head_name)

    @property
    def class_weights(self) -> Tensor:
        """(K, D), in the graph."""
        return self.head.weight.flatten(1)  # type: ignore[operator]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.module(images)
        taken, self._taken = self._taken, None
        assert taken is not None
        features, logits = taken
        return features, logits if self.loss is None else self.loss.logits(features, self.class_weights)

    def _take(self, head: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        # A copy where the network goes on with the output: it may work in place.
        self._taken = inputs[0].flatten(1), (output if self.direct else output.clone()).flatten(1)


class TrainingObjective(nn.Module):
    """What a step of training minimises in place of cross-entropy on the learner's logits.

    Its own parameters are trained along, at the network's rate and without weight decay, and are kept in checkpoints
    like its buffers. Chance comes from `torch.rand` and its like in `forward`, which run under the recipe's seed. In a
    distributed run each process asks for its own part of the batch, and gradients are averaged.
    """

    def forward(self, learner: nn.Module, images: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, a scalar, and logits (n, K) by which the running accuracy is counted.

        learner: gives features (n, D) and logits (n, K) of images. images (n, C, H, W): augmented and normalised.
        labels: (n,) int64, or soft (n, K). rows (n,): positions among the samples trained on, on the CPU.
        """
        raise NotImplementedError


def make_learner(module: nn.Module, images: LabelledImages, recipe: Recipe, *, head: str | None = None) -> Learner:
    """The module with its head found, and gradients for what is to be trained.

    A directional loss leaves the head's bias at zero. Raises CurateError when the network has no linear head.
    """
    kind = next(parameter.dtype for parameter in module.parameters() if parameter.is_floating_point())
    probe = torch.randn(2, *images.shape, generator=torch.Generator().manual_seed(0), dtype=kind)
    found_head = find_head(module.eval(), probe, name=head)
    loss = None
    if recipe.loss in _LOSSES:
        loss = _LOSSES[recipe.loss](scale=recipe.scale, learn_scale=recipe.learn_scale).to(kind)
    module.requires_grad_(not recipe.freeze)
    layer = module.get_submodule(found_head.name).requires_grad_(True)
    if loss is not None and isinstance(layer.bias, Tensor):
        with torch.no_grad():
            layer.bias.zero_()
        layer.bias.requires_grad_(False)
    return Learner(module, found_head, loss)


def fit_first_layer(module: nn.Module, images: LabelledImages, *, seed: int) -> None:
    """Lets a network whose first layer comes from the data take it from some of the images, unless it has one."""
    if isinstance(module, CifarFast) and not module.fitted:
        chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:_FITTED_TO].sort().values
        mean, std = images.statistics(torch.device("cpu"), torch.float32)
        module.fit(normalise(images.take(chosen), mean, std))


def parameter_groups(
    learner: Learner, recipe: Recipe, objective: TrainingObjective | None = None
) -> list[dict[str, Any]]:
    """What the optimizer trains: the network with weight decay, the scale of the loss and an objective without.

    `rate` is what the learning rate is multiplied by.
    """
    quick = _norm_biases(learner.module) if recipe.bias_rate != 1 else []
    others = {id(bias) for bias in quick}
    usual = [p for p in learner.module.parameters() if p.requires_grad and id(p) not in others]
    groups: list[dict[str, Any]] = [{"params": usual, "rate": 1.0}]
    if quick:
        # SGD multiplies the decay by the rate too.
        decay = recipe.weight_decay / recipe.bias_rate
        groups.append({"params": quick, "rate": recipe.bias_rate, "weight_decay": decay})
    if learner.loss is not None and learner.loss.log_scale.requires_grad:
        groups.append({"params": [learner.loss.log_scale], "rate": 1.0, "weight_decay": 0.0})
    if objective is not None:
        groups.append({"params": list(objective.parameters()), "rate": 1.0, "weight_decay": 0.0})
    return groups


def _norm_biases(module: nn.Module) -> list[Tensor]:
    norms = (layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm))
    return [norm.bias for norm in norms if norm.bias is not None and norm.bias.requires_grad]


def settle_head(learner: Learner) -> None:
    """After a directional loss: class weights of length 1, so that the network's own logits rank as the angles do."""
    if learner.loss is not None:
        weight = learner.head.weight
        with torch.no_grad():
            weight.copy_(F.normalize(weight.flatten(1), dim=1).view_as(weight))  # type: ignore[arg-type,operator]


class WeightAverage:
    """The exponential moving average of a learner's weights and buffers during training."""

    def __init__(self, learner: Learner, decay: float) -> None:
        self._most, self._decay = decay, 0.0
        self.model = AveragedModel(learner, multi_avg_fn=self._mix, use_buffers=True)

    @property
    def learner(self) -> Learner:
        learner = self.model.module
        assert isinstance(learner, Learner)
        return learner

    def update(self, learner: Learner, step: int) -> None:
        """Takes in the weights after step number `step`; the first replace what they started from."""
        self._decay = min(self._most, (1 + step) / (10 + step))
        self.model.update_parameters(learner)

    @torch.no_grad()
    def _mix(self, average: Any, current: Any, _: Any) -> None:
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, 1 - self._decay)
        else:
            torch._foreach_copy_(average, current)

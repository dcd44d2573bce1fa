"""Methods of domain generalisation that learn by splitting the source domains in every batch, as objectives.

Each learns from batches that mix all source domains, in the same order as plain training. Gradients through a step of
the network are exact, of second order.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from avhcurate.networks.training.learner import TrainingObjective

Tensors = Mapping[str, Tensor]


class Batch(NamedTuple):
    """Images and labels of n samples, their domains `of` (n,), and those domains in an order of chance."""

    images: Tensor
    labels: Tensor
    of: Tensor
    drawn: list[int]

    def part(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return images and labels of some of the samples, (n,) bool."""
        return self.images[chosen], self.labels[chosen]

    @property
    def tested(self) -> Tensor:
        """Return whether each sample is of the first domain drawn, (n,): the one to be tested on."""
        return self.of == self.drawn[0]


def one_step(parameters: Tensors, loss: Tensor, length: float) -> dict[str, Tensor]:
    """Return parameters after a step of `length` down the gradient of `loss`, in the graph of both."""
    gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True, allow_unused=True)
    return {
        name: value if gradient is None else value - length * gradient
        for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
    }


class AcrossDomains(TrainingObjective):
    """An objective that learns from some source domains of a batch and is tested on another one, drawn at each step.

    domains: of the samples trained on, (N,) int64. step: length of the network's imagined step on the others.
    """

    domains: Tensor

    def __init__(self, domains: Tensor, *, step: float) -> None:
        super().__init__()
        self.register_buffer("domains", domains, persistent=False)
        self.step = step

    def extra_repr(self) -> str:
        return f"step={self.step:g}"

    def forward(self, learner: nn.Module, images: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropy where the batch holds one domain only."""
        of = self.domains[rows.to(self.domains.device)]
        present = of.unique()
        if len(present) > 1:
            drawn = present[torch.randperm(len(present))].tolist()
            return self.across(learner, Batch(images, labels, of, drawn))
        _, logits = learner(images)
        return F.cross_entropy(logits, labels), logits

    def across(self, learner: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return loss and logits of a batch of two or more domains."""
        raise NotImplementedError


class Mldg(AcrossDomains):
    """MLDG (Li et al. 2018): the loss on some domains, and that on another after a step on them, weighed alike."""

    def across(self, learner: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `AcrossDomains`."""
        (known, of_known), (unknown, of_unknown) = batch.part(~batch.tested), batch.part(batch.tested)
        _, now = learner(known)
        loss = F.cross_entropy(now, of_known)
        ahead = one_step(_trained(learner), loss, self.step)
        _, later = functional_call(learner, ahead, (unknown,))
        logits = now.new_empty(len(batch.labels), now.shape[1])
        logits[~batch.tested], logits[batch.tested] = now.detach(), later.detach()
        return loss + F.cross_entropy(later, of_unknown), logits


class LearntRegulariser(AcrossDomains):
    """MetaReg (Balaji et al. 2018), first part: the weights of an L1 penalty on a last layer.

    The network learns with a last layer a domain. That of one domain is imagined `inner` steps further, on its own loss
    with the penalty; the penalty's weights (K, D) lower the loss that it then has on another domain. They start at 0.
    The learner's own last layer learns nothing here.
    """

    def __init__(self, domains: Tensor, *, step: float, features: int, num_classes: int, inner: int = 3) -> None:
        super().__init__(domains, step=step)
        self.heads = nn.ModuleList(nn.Linear(features, num_classes) for _ in range(int(domains.max()) + 1))
        self.weights = nn.Parameter(torch.zeros(num_classes, features))
        self.inner = inner

    def across(self, learner: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `AcrossDomains`."""
        features, logits = learner(batch.images)
        parts = {d: (features[batch.of == d], batch.labels[batch.of == d]) for d in batch.drawn}
        losses = [F.cross_entropy(self.heads[d](values), labels) for d, (values, labels) in parts.items()]
        first, second = batch.drawn[:2]
        return sum(losses, self.meta(self.heads[second], parts[second], parts[first])), logits

    def meta(self, head: nn.Module, own: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
        """The loss on features and labels of another domain, of a last layer that goes ahead on those of its own."""
        layer = {name: value.detach().requires_grad_() for name, value in head.named_parameters()}
        for _ in range(self.inner):
            loss = F.cross_entropy(F.linear(own[0].detach(), **layer), own[1]) + l1(self.weights, layer["weight"])
            layer = one_step(layer, loss, self.step)
        return F.cross_entropy(F.linear(other[0].detach(), **layer), other[1])


class Regularised(TrainingObjective):
    """MetaReg, second part: cross-entropy and the L1 penalty, of learnt weights (K, D), on the last layer."""

    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, learner: nn.Module, images: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """See `TrainingObjective`."""
        _, logits = learner(images)
        return F.cross_entropy(logits, labels) + l1(self.weights, learner.class_weights), logits  # type: ignore[arg-type]


class FeatureCritic(AcrossDomains):
    """Feature-critic (Li et al. 2019): an auxiliary loss of the embeddings, itself learnt.

    The critic maps an embedding to a number above 0, whose mean is added to the loss. It learns to make a step on some
    domains with it better for another domain than one without: tanh of the difference of losses is minimised.
    """

    def __init__(self, domains: Tensor, *, step: float, features: int, hidden: int = 128) -> None:
        super().__init__(domains, step=step)
        self.critic = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Softplus())

    def across(self, learner: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `AcrossDomains`; the network's gradient is of the first two terms, the critic's of the last."""
        features, logits = learner(batch.images)
        still = {name: value.detach() for name, value in self.critic.named_parameters()}
        added = functional_call(self.critic, still, (features,)).mean()
        loss = F.cross_entropy(logits, batch.labels) + added
        return loss + self.meta(learner, batch.part(~batch.tested), batch.part(batch.tested)), logits

    def meta(self, learner: nn.Module, known: tuple[Tensor, Tensor], unknown: tuple[Tensor, Tensor]) -> Tensor:
        """What the critic minimises, in (-1, 1); no gradient of it reaches the network."""
        at = {name: value.detach().requires_grad_() for name, value in _trained(learner).items()}
        features, logits = functional_call(learner, at, (known[0],))
        without = one_step(at, F.cross_entropy(logits, known[1]), self.step)
        without = {name: value.detach() for name, value in without.items()}
        moved = one_step(at, self.critic(features).mean(), self.step)
        with_it = {name: without[name] + moved[name] - at[name].detach() for name in at}
        before, after = (
            F.cross_entropy(functional_call(learner, values, (unknown[0],))[1], unknown[1])
            for values in (without, with_it)
        )
        return torch.tanh(after - before.detach())


def l1(weights: Tensor, layer: Tensor) -> Tensor:
    """Return the weighted sum of absolute values of a layer (K, D), with weights (K, D)."""
    return (weights * layer.abs()).sum()


def _trained(module: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in module.named_parameters() if value.requires_grad}

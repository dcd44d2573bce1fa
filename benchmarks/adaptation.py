"""Domain adaptation to compare self-training with, on the probe: ENT, MMD, DANN, MCD and ADR as penalties.

Each learns from the source's labels and the target's features without labels, and is one more term in the loss of
`avhcurate.lab.self_training.probe`. Where a paper takes turns, one side maximising what the other minimises, both are
done in one step by a gradient that changes its sign between them, as DANN does. The strength of these terms follows
DANN's schedule, 2 / (1 + exp(-10 t)) - 1 at progress t, so that features settle first. Numbers are fixed beforehand:
none is tuned, since that would take labels of the target.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.lab.self_training.probe import Penalty, ProbeModule

#: Gaussian kernels of MMD: their squared widths, in mean squared distances of the batch.
_WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


class Adaptation(Penalty):
    """A penalty that draws a batch of the target (N, D) for each batch of the source."""

    def __init__(self, target: np.ndarray, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self._target = torch.from_numpy(np.asarray(target, np.float32))

    def prepare(self, scale: float, module: ProbeModule) -> None:
        """Scale the target as the module does, and build the parts that are trained with it."""
        self._target = self._target / scale
        self.build(module.last.in_features, module.last.out_features)

    def build(self, width: int, num_classes: int) -> None:
        """Build what is trained with a head whose last layer is (num_classes, width)."""

    def forward(self, module: ProbeModule, batch: Tensor, goals: Tensor, progress: float) -> Tensor:
        """See `Penalty`."""
        drawn = self._target[torch.randint(len(self._target), (len(batch),))]
        return self.weight * self.term(module, batch, drawn, goals, 2 / (1 + math.exp(-10 * progress)) - 1)

    def term(self, module: ProbeModule, source: Tensor, target: Tensor, goals: Tensor, strength: float) -> Tensor:
        """Return a scalar for batches (n, D) of both domains; `strength` in [0, 1) grows with the progress."""
        raise NotImplementedError


class EntropyMinimisation(Adaptation):
    """ENT (Grandvalet and Bengio 2005): the entropy of the target's predictions, weighed 0.1 as usual."""

    def __init__(self, target: np.ndarray, *, weight: float = 0.1) -> None:
        super().__init__(target, weight=weight)

    def term(self, module: ProbeModule, source: Tensor, target: Tensor, goals: Tensor, strength: float) -> Tensor:
        """Return the mean entropy in nats."""
        log_p = F.log_softmax(module(target), dim=1)
        return -strength * (log_p.exp() * log_p).sum(1).mean()


class MaximumMeanDiscrepancy(Adaptation):
    """MMD (DAN, Long et al. 2015): the squared distance of the domains' mean embeddings under five Gaussian kernels."""

    def term(self, module: ProbeModule, source: Tensor, target: Tensor, goals: Tensor, strength: float) -> Tensor:
        """Return the biased estimate, which is never negative."""
        return strength * discrepancy(module.embed(source), module.embed(target))


class DomainAdversarial(Adaptation):
    """DANN (Ganin et al. 2016): a discriminator tells the domains apart, and the embedding learns to mislead it."""

    def build(self, width: int, num_classes: int) -> None:
        """Build the discriminator."""
        self.discriminator = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 1))

    def term(self, module: ProbeModule, source: Tensor, target: Tensor, goals: Tensor, strength: float) -> Tensor:
        """Return the binary cross-entropy of the domain."""
        both = module.embed(torch.cat([source, target]))
        domain = torch.cat([torch.ones(len(source)), torch.zeros(len(target))])
        return F.binary_cross_entropy_with_logits(self.discriminator(reversed_gradient(both, strength))[:, 0], domain)


class ClassifierDiscrepancy(Adaptation):
    """MCD (Saito et al. 2018): two classifiers disagree on the target as far as they can, the embedding as little."""

    def build(self, width: int, num_classes: int) -> None:
        """Build the second classifier."""
        self.second = nn.Linear(width, num_classes)

    def term(self, module: ProbeModule, source: Tensor, target: Tensor, goals: Tensor, strength: float) -> Tensor:
        """The second's cross-entropy on the source, minus the mean difference of probabilities on the target."""
        own = -(goals * F.log_softmax(self.second(module.embed(source)), dim=1)).sum(1).mean()
        embedded = reversed_gradient(module.embed(target), 1.0)
        first, second = (F.softmax(layer(embedded), dim=1) for layer in (module.last, self.second))
        return own - strength * (first - second).abs().mean()


class AdversarialDropout(Adaptation):
    """ADR (Saito et al. 2018): the classifier seeks, the embedding avoids, what dropout changes on the target."""

    def term(self, module: ProbeModule, source: Tensor, target: Tensor, goals: Tensor, strength: float) -> Tensor:
        """Minus the symmetric divergence of the predictions under two dropouts of half the embedding."""
        embedded = reversed_gradient(module.embed(target), 1.0)
        one, other = (F.log_softmax(module.last(F.dropout(embedded)), dim=1) for _ in range(2))
        return -strength * ((one.exp() - other.exp()) * (one - other)).sum(1).mean() / 2


#: By the names of the table in AVH's paper.
METHODS: dict[str, Callable[[np.ndarray], Adaptation]] = {
    "ent": EntropyMinimisation,
    "mmd": MaximumMeanDiscrepancy,
    "dann": DomainAdversarial,
    "mcd": ClassifierDiscrepancy,
    "adr": AdversarialDropout,
}


def reversed_gradient(values: Tensor, strength: float) -> Tensor:
    """`values` as they are, whose gradient comes back times -strength.

    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> y = reversed_gradient(x, 0.5)
    >>> (2 * y).sum().backward()
    >>> y.item(), x.grad.item()
    (3.0, -1.0)
    """
    return (1 + strength) * values.detach() - strength * values


def discrepancy(one: Tensor, other: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of two samples (n, d), (m, d): mean of the kernels, biased, 0 for equal ones."""
    both = torch.cat([one, other])
    squared = (both.square().sum(1, keepdim=True) + both.square().sum(1) - 2 * both @ both.T).clamp_min(0)
    mean = squared.detach().mean().clamp_min(torch.finfo(squared.dtype).tiny)
    kernel = torch.stack([torch.exp(-squared / (width * mean)) for width in _WIDTHS]).mean(0)
    n = len(one)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()

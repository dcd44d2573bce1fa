"""Multinomial logistic regression on frozen features, memory-mapped or not: one linear layer at its exact minimum."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avhcurate.training.probe import ProbeHead

#: Rows of a block: all that is read of the features at a time.
_BLOCK = 4096
#: Rows whose covariance is the first metric of the search; beyond this width only its diagonal is.
_COVARIANCE_ROWS, _COVARIANCE_WIDTH = 4096, 4096
#: The penalty on a bias, so small that only a class without samples feels it: its bias would fall without end.
_OF_BIAS = 1e-5
_MEMORY, _MOST_STEPS, _SHORTEST = 8, 200, 1e-3


@dataclass(frozen=True)
class Samples:
    """Training samples: rows `rows` (n,), ascending, of features (N, D), with targets (n,) below K and groups (n,).

    Samples of one group are never told apart by a fold: copies of an image, say.
    """

    features: np.ndarray
    rows: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    num_classes: int

    def __len__(self) -> int:
        return len(self.rows)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (m, D) float32 and targets (m,) int64 of consecutive samples."""
        for at in range(0, len(self), _BLOCK):
            block = slice(at, at + _BLOCK)
            x = np.ascontiguousarray(self.features[self.rows[block]], np.float32)
            yield torch.from_numpy(x), torch.from_numpy(self.targets[block].astype(np.int64))

    def some(self, most: int, *, seed: int = 0) -> "Samples":
        """At most so many of them, drawn by chance, with their features in memory."""
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self))[:most])
        part = self.part(drawn)
        return replace(part, features=np.ascontiguousarray(self.features[part.rows]), rows=np.arange(len(drawn)))

    def part(self, which: np.ndarray) -> "Samples":
        """Those that `which`, a mask or places, picks."""
        return replace(self, rows=self.rows[which], targets=self.targets[which], groups=self.groups[which])

    def loss(self, head: ProbeHead) -> float:
        """Mean cross-entropy of a head on these samples."""
        weights, bias = torch.from_numpy(head.class_weights), torch.from_numpy(head.bias)
        losses = (F.cross_entropy(F.linear(x, weights, bias).double(), y, reduction="sum") for x, y in self.blocks())
        return float(sum(losses)) / len(self)


class Objective:
    """Sum of cross-entropies of some samples plus strength / 2 times the squared weights, of features brought to scale.

    Features are centred, which the bias takes up, and divided by their standard deviations: each by its own where
    `standardised`, else all by the root of the mean variance, so that a strength means the same for every network.
    """

    def __init__(self, samples: Samples, *, standardised: bool) -> None:
        self.samples = samples
        n, origin = len(samples), next(samples.blocks())[0].double().mean(0)
        # Of what differs from a value near the mean, so that the squares lose nothing.
        total, squares = torch.zeros_like(origin), torch.zeros_like(origin)
        for x, _ in samples.blocks():
            shifted = x.double() - origin
            total, squares = total + shifted.sum(0), squares + shifted.square().sum(0)
        mean = total / n
        variance = (squares / n - mean.square()).clamp(min=0)
        self.centre = mean + origin
        flat = variance <= 1e-12 * variance.max()
        one = variance.mean().sqrt() if variance.any() else torch.ones((), dtype=torch.float64)
        self.scale = torch.where(flat, one, variance.sqrt()) if standardised else one.expand(len(mean)).contiguous()
        #: Fewer samples than the features are wide span as many directions: (D, r), in which the minimum lies.
        self.basis: Tensor | None = None
        self._of_features = self.centre, self.scale
        if n < len(mean):
            self._turn_to_basis()

    def _turn_to_basis(self) -> None:
        """Replaces the features by their scaled coordinates in the directions that the samples span."""
        scaled = torch.cat([(x.double() - self.centre) / self.scale for x, _ in self.samples.blocks()])
        basis = torch.linalg.qr(scaled.T)[0]
        rows = np.arange(len(self.samples))
        self.samples = replace(self.samples, features=(scaled @ basis).float().numpy(), rows=rows)
        self.basis, width = basis, basis.shape[1]
        self.centre, self.scale = torch.zeros(width, dtype=torch.float64), torch.ones(width, dtype=torch.float64)

    def minimise(
        self,
        strength: float,
        *,
        start: Tensor | None = None,
        tolerance: float,
        check: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Weights and bias (K, D + 1) of the scaled features at the minimum, by L-BFGS from `start`.

        tolerance: the search ends where the next step promises to lower the objective by less than this share of it.
        `check` is called before every pass over the samples, and may raise.
        """

        def evaluate(point: Tensor) -> tuple[float, Tensor]:
            check()
            return self(point, strength)

        point = self.start() if start is None else start
        loss, gradient = evaluate(point)
        metric = self._metric(point, strength)
        steps: deque[tuple[Tensor, Tensor]] = deque(maxlen=_MEMORY)
        for _ in range(_MOST_STEPS):
            direction = -_two_loops(gradient, steps, metric)
            promised = -float((direction * gradient).sum())
            if promised <= tolerance * loss:
                break
            length = 1.0
            while True:
                after = point + length * direction
                new_loss, new_gradient = evaluate(after)
                if new_loss <= loss - 1e-4 * length * promised or length < _SHORTEST:
                    break
                length /= 2
            if not new_loss < loss:
                break  # nothing is left to gain in float32
            steps.append((after - point, new_gradient - gradient))
            point, loss, gradient = after, new_loss, new_gradient
        return point

    def __call__(self, point: Tensor, strength: float) -> tuple[float, Tensor]:
        """The objective at `point` and its gradient (K, D + 1)."""
        weights, bias = self._plain(point)
        weights, bias = weights.float(), bias.float()
        loss, of_weights = 0.0, torch.zeros(point.shape[0], point.shape[1] - 1, dtype=torch.float64)
        of_bias = torch.zeros(len(point), dtype=torch.float64)
        for x, y in self.samples.blocks():
            log_probs = F.log_softmax(F.linear(x, weights, bias), dim=1)
            given = (torch.arange(len(y)), y)
            loss -= float(log_probs[given].sum(dtype=torch.float64))
            residual = log_probs.exp_()
            residual[given] -= 1
            of_weights += residual.T @ x
            of_bias += residual.sum(0, dtype=torch.float64)
        gradient = torch.empty_like(point)
        gradient[:, :-1] = (of_weights - torch.outer(of_bias, self.centre)) / self.scale + strength * point[:, :-1]
        gradient[:, -1] = of_bias + _OF_BIAS * point[:, -1]
        penalty = strength * point[:, :-1].square().sum() + _OF_BIAS * point[:, -1].square().sum()
        return loss + float(penalty) / 2, gradient

    def start(self) -> Tensor:
        """No weights, and the bias that gives each class its share of the samples."""
        samples = self.samples
        point = torch.zeros(samples.num_classes, len(self.centre) + 1, dtype=torch.float64)
        counts = torch.from_numpy(np.bincount(samples.targets, minlength=samples.num_classes))
        shares = (counts + _OF_BIAS).double().log()
        point[:, -1] = shares - shares.mean()
        return point

    def point(self, head: ProbeHead) -> Tensor:
        """Where a head is in the search; `head` gives it back."""
        weights, bias = torch.from_numpy(head.class_weights).double(), torch.from_numpy(head.bias).double()
        centre, scale = self._of_features
        scaled = weights * scale
        return torch.cat([scaled if self.basis is None else scaled @ self.basis, (bias + weights @ centre)[:, None]], 1)

    def head(self, point: Tensor) -> ProbeHead:
        """The head that takes features as they are."""
        centre, scale = self._of_features
        weights = (point[:, :-1] if self.basis is None else point[:, :-1] @ self.basis.T) / scale
        bias = point[:, -1] - weights @ centre
        return ProbeHead(weights.float().numpy(), bias.float().numpy())

    def _plain(self, point: Tensor) -> tuple[Tensor, Tensor]:
        weights = point[:, :-1] / self.scale
        return weights, point[:, -1] - weights @ self.centre

    def _metric(self, point: Tensor, strength: float) -> Callable[[Tensor], Tensor]:
        """Solves with the Hessian of one class where its probability varies as it does on average at `point`."""
        samples, n = self.samples, len(self.samples)
        weights, bias = self._plain(point)
        x, _ = next(samples.blocks())
        probs = F.softmax(F.linear(x, weights.float(), bias.float()), dim=1).double()
        spread = max(float((probs * (1 - probs)).mean()), 1e-6)
        of_bias = spread * n + _OF_BIAS
        scaled = self._covariance * (n * spread)
        if scaled.ndim == 1:
            inverse = 1 / (scaled + strength)
            solve: Callable[[Tensor], Tensor] = lambda rows: rows * inverse  # noqa: E731
        else:
            factor = torch.linalg.cholesky(scaled + strength * torch.eye(len(scaled), dtype=torch.float64))
            solve = lambda rows: torch.cholesky_solve(rows.T, factor).T  # noqa: E731
        return lambda rows: torch.cat([solve(rows[:, :-1]), rows[:, -1:] / of_bias], dim=1)

    @cached_property
    def _covariance(self) -> Tensor:
        """That of the scaled features (D, D), of some of the samples; (D,), its diagonal, where they are very wide."""
        width = len(self.centre)
        if width > _COVARIANCE_WIDTH:
            return torch.ones(width, dtype=torch.float64)
        some, total = self.samples.some(_COVARIANCE_ROWS), torch.zeros(width, width, dtype=torch.float64)
        for x, _ in some.blocks():
            # In float32 a direction in which samples hardly differ could come out below zero, and has no factor then.
            scaled = (x - self.centre) / self.scale
            total += scaled.T @ scaled
        return total / len(some)


def _two_loops(gradient: Tensor, steps: deque[tuple[Tensor, Tensor]], metric: Callable[[Tensor], Tensor]) -> Tensor:
    """The inverse Hessian that the last steps and gradients suggest, times the gradient (Nocedal 1980)."""
    left, factors = gradient.clone(), []
    for step, change in reversed(steps):
        factor = (step * left).sum() / (step * change).sum()
        left -= factor * change
        factors.append(factor)
    result = metric(left)
    if steps:
        step, change = steps[-1]
        result *= (step * change).sum() / (change * metric(change)).sum()
    for (step, change), factor in zip(steps, reversed(factors), strict=True):
        result += (factor - (change * result).sum() / (step * change).sum()) * step
    return result

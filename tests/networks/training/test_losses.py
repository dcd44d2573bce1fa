"""The losses on directions: right values, gradients that are right everywhere and never NaN, no pull on the norm."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck

from avhcurate import scores
from avhcurate.networks.training.losses import AVHLoss, CosineLoss, angles

LOSSES = (AVHLoss, CosineLoss)
#: Radians away from 0 or pi.
STEPS = (1e-1, 1e-3, 1e-5)


def gaussian(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def at_angle(theta, *, width=5, length=1.0, dtype=torch.float64):
    """Two vectors (1, width) at the angle `theta`, which 1 + cos(theta) may be too close to 2 to tell."""
    basis, _ = torch.linalg.qr(gaussian(width, 2, seed=3, dtype=torch.float64))
    one, other = basis.T
    near = theta < math.pi / 2
    small = theta if near else math.pi - theta
    turned = math.cos(small) * one * (1 if near else -1) + math.sin(small) * other
    return (length * one)[None].to(dtype), (2.5 * turned)[None].to(dtype)


def reference_loss(features, class_weights, labels, scale, *, cosine=False):
    """The formula of the paper with its logarithm, in float64 NumPy, from inverse cosines."""
    x, w = (np.asarray(v, np.float64) for v in (features, class_weights))
    cosines = (x / np.linalg.norm(x, axis=1)[:, None]) @ (w / np.linalg.norm(w, axis=1)[:, None]).T
    powers = np.exp(scale * (cosines if cosine else np.pi - np.arccos(cosines)))
    return -np.mean(np.log(powers[np.arange(len(x)), labels] / powers.sum(1)))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 12.5])
def test_the_loss_is_the_papers_formula(kind, scale):
    features, weights, labels = gaussian(50, 7), gaussian(4, 7, seed=1), torch.arange(50) % 4
    expected = reference_loss(features, weights, labels, scale, cosine=kind is CosineLoss)
    assert float(kind(scale=scale)(features, weights, labels)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_trained_angles_are_the_scored_ones(dtype, tolerance):
    features, weights = gaussian(200, 16, dtype=dtype), gaussian(5, 16, seed=1, dtype=dtype)
    near = weights + 1e-4 * gaussian(5, 16, seed=2, dtype=dtype)
    features = torch.cat([features, weights, -weights, near, -near, 1e-30 * features, 1e25 * features])
    difference = angles(features, weights) - scores.angles(features, weights)
    assert difference.abs().max() < tolerance


def test_gradients_agree_with_finite_differences():
    features, weights = gaussian(6, 5, dtype=torch.float64), gaussian(3, 5, seed=1, dtype=torch.float64)
    features, weights = features.requires_grad_(), weights.requires_grad_()
    assert gradcheck(angles, (features, weights))
    for kind in LOSSES:
        loss, labels = kind(), torch.tensor([0, 1, 2, 0, -1, 2])
        assert gradcheck(lambda x, w, loss=loss, y=labels: loss(x, w, y), (features, weights))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("opposite", [False, True])
def test_gradients_agree_with_finite_differences_next_to_0_and_pi(step, opposite):
    x, w = at_angle(math.pi - step if opposite else step)
    # The angle bends within a distance of `step`, so the difference has to be taken over much less.
    pair = (x.requires_grad_(), w.requires_grad_())
    assert gradcheck(angles, pair, eps=step * 1e-3, atol=1e-4, rtol=1e-4, nondet_tol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("theta", [1e-6, 1e-3, 0.3, 0.46, 1.5, 2.9, math.pi - 1e-3, math.pi - 1e-6])
def test_the_gradient_of_an_angle_has_length_one_over_the_norm_and_points_away(theta, dtype):
    x, w = at_angle(theta, length=4.0, dtype=dtype)
    x.requires_grad_()
    angles(x, w).backward()
    assert float(x.grad.norm()) == pytest.approx(1 / 4, rel=1e-4)
    assert float((x.grad * x.detach()).sum()) == pytest.approx(0, abs=1e-6)
    if 1e-5 < theta < math.pi - 1e-5:
        moved = float(angles(x.detach() + 1e-2 * theta * x.grad, w) - angles(x.detach(), w))
        assert moved > 0


@pytest.mark.parametrize("kind", LOSSES)
def test_the_norm_gets_no_gradient(kind):
    features, weights = gaussian(40, 8).requires_grad_(), gaussian(5, 8, seed=1).requires_grad_()
    kind()(features, weights, torch.arange(40) % 5).backward()
    for vectors in (features, weights):
        along = (vectors * vectors.grad).sum(1) / vectors.norm(dim=1)
        assert along.abs().max() < 1e-6
        assert vectors.grad.norm() > 1e-3


def test_coincident_and_opposite_vectors_give_finite_gradients():
    weights = gaussian(3, 4)
    features = torch.cat([weights, -weights, 2 * weights]).requires_grad_()
    weights.requires_grad_()
    AVHLoss(scale=30)(features, weights, torch.arange(9) % 3).backward()
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(weights.grad).all()
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    angles(x, torch.tensor([[2.0, 0.0], [-3.0, 0.0]])).sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0]]


def test_a_zero_embedding_is_undecided_and_pulls_nothing():
    features, weights = torch.zeros(1, 4, requires_grad=True), gaussian(3, 4).requires_grad_()
    for kind in LOSSES:
        loss = kind()(features, weights, torch.tensor([1]))
        assert float(loss.detach()) == pytest.approx(math.log(3))
    AVHLoss()(features, weights, torch.tensor([1])).backward()
    assert features.grad.tolist() == [[0.0] * 4]
    assert weights.grad.abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", LOSSES)
def test_loss_and_gradients_are_finite_under_autocast(kind, dtype):
    head = nn.Linear(8, 5, bias=False)
    body = nn.Linear(6, 8)
    with torch.autocast("cpu", dtype):
        features = body(100 * gaussian(30, 6))
        assert features.dtype == dtype
        half = features.detach().float().requires_grad_()
        loss = kind(scale=30)(features, head.weight, torch.arange(30) % 5)
        same = kind(scale=30)(half, head.weight, torch.arange(30) % 5)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss == same
    assert all(torch.isfinite(p.grad).all() for p in (*body.parameters(), *head.parameters()))


@given(
    st.lists(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=3, max_size=3), min_size=1, max_size=8),
    st.floats(0.1, 100),
)
@settings(max_examples=100, deadline=None)
def test_no_finite_embedding_gives_nan(rows, scale):
    features = torch.tensor(rows, dtype=torch.float32, requires_grad=True)
    weights = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-6, 0.0], [-1.0, 0.0, 0.0]], requires_grad=True)
    loss = AVHLoss(scale=scale)(features, weights, torch.zeros(len(rows), dtype=torch.int64))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(weights.grad).all()

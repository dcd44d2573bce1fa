"""Objectives across domains on a toy in float64: their gradients by finite differences, their losses by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.domain_generalisation import FeatureCritic, LearntRegulariser, Mldg, Regularised

DOMAINS = torch.tensor([0, 1, 2] * 4)
LABELS = torch.tensor([0, 1, 0, 1, 2, 2] * 2)
IMAGES = torch.linspace(-9, 9, 48, dtype=torch.float64).sin().reshape(12, 4)


class Toy(nn.Module):
    """Images (n, 4) to features (n, 3) and logits (n, 3)."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(4, 3), nn.Linear(3, 3)

    def forward(self, images):
        features = torch.tanh(self.embed(images))
        return features, self.head(features)

    @property
    def class_weights(self):
        """Of the last layer, as a `Learner` has them."""
        return self.head.weight


@pytest.fixture(autouse=True)
def in_float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def ahead(objective, learner):
    """Loss and logits of the twelve samples, with the chance of one seed."""
    torch.manual_seed(1)
    return objective(learner, IMAGES, LABELS, torch.arange(12))


def differences(parameter, value):
    """The gradient of `value()` by central differences."""
    gradient, flat, width = torch.zeros_like(parameter), parameter.detach().view(-1), 1e-5
    for place, before in enumerate(flat.tolist()):
        ends = []
        for moved in (before + width, before - width):
            flat[place] = moved
            ends.append(value().item())
        flat[place] = before
        gradient.view(-1)[place] = (ends[0] - ends[1]) / (2 * width)
    return gradient


def check(parameters, value):
    """Compares gradients that are there with those of `value()`."""
    for parameter in parameters:
        expected = differences(parameter, value)
        given = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-8)


def test_mldg_follows_the_gradient_through_the_step():
    learner, objective = Toy(), Mldg(DOMAINS, step=0.5)
    ahead(objective, learner)[0].backward()
    check(learner.parameters(), lambda: ahead(objective, learner)[0])
    first_order = Toy()
    first_order.load_state_dict(learner.state_dict())
    ahead(Mldg(DOMAINS, step=0.0), first_order)[0].backward()
    assert not torch.allclose(first_order.embed.weight.grad, learner.embed.weight.grad, rtol=1e-3)


def test_mldg_is_the_loss_on_two_domains_and_that_on_the_third_a_step_later():
    learner = Toy()
    loss, logits = ahead(Mldg(DOMAINS, step=0.5), learner)
    found = []
    for tested in range(3):
        moved, known = Toy(), tested != DOMAINS
        moved.load_state_dict(learner.state_dict())
        optimizer = torch.optim.SGD(moved.parameters(), lr=0.5)
        before = F.cross_entropy(moved(IMAGES[known])[1], LABELS[known])
        before.backward()
        optimizer.step()
        after = moved(IMAGES[~known])[1]
        total = before + F.cross_entropy(after, LABELS[~known])
        found.append(torch.isclose(total, loss).item() and torch.allclose(after, logits[~known]))
    assert sum(found) == 1


def test_the_penalty_of_metareg_learns_through_three_steps_and_the_network_from_its_heads_alone():
    learner, objective = Toy(), LearntRegulariser(DOMAINS, step=0.5, features=3, num_classes=3)
    nn.init.uniform_(objective.weights, 0.01, 0.1)
    ahead(objective, learner)[0].backward()
    assert objective.weights.grad.abs().min() > 0
    check([objective.weights], lambda: ahead(objective, learner)[0])

    def of_heads():
        features, _ = learner(IMAGES)
        parts = [d == DOMAINS for d in range(3)]
        return sum(F.cross_entropy(objective.heads[d](features[part]), LABELS[part]) for d, part in enumerate(parts))

    check([*learner.parameters(), *objective.heads.parameters()], of_heads)
    assert learner.head.weight.grad is None


def test_a_penalty_at_work_draws_the_last_layer_to_zero_where_it_weighs():
    learner, weights = Toy(), torch.zeros(3, 3)
    weights[0] = 100.0
    objective = Regularised(weights)
    loss, logits = ahead(objective, learner)
    assert loss.item() == pytest.approx(
        (F.cross_entropy(logits, LABELS) + 100 * learner.head.weight[0].abs().sum()).item()
    )
    loss.backward()
    check(learner.parameters(), lambda: ahead(objective, learner)[0])
    assert (learner.head.weight.grad[0].sign() == learner.head.weight[0].sign()).all()
    assert not objective.state_dict().keys() ^ {"weights"}


def test_the_critic_learns_what_helps_another_domain_and_moves_the_network_by_its_judgement():
    learner, objective = Toy(), FeatureCritic(DOMAINS, step=0.5, features=3, hidden=4)
    known = DOMAINS != 1

    def meta():
        return objective.meta(learner, (IMAGES[known], LABELS[known]), (IMAGES[~known], LABELS[~known]))

    meta().backward()
    assert all(parameter.grad is None for parameter in learner.parameters())
    assert objective.critic[0].weight.grad.abs().max() > 0
    check(objective.critic.parameters(), meta)
    objective.zero_grad()
    ahead(objective, learner)[0].backward()

    def of_network():
        features, logits = learner(IMAGES)
        return F.cross_entropy(logits, LABELS) + objective.critic(features).mean()

    check(learner.parameters(), of_network)

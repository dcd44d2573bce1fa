"""An objective in place of cross-entropy: what it is given, that its own parameters learn, that all of it resumes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import TrainingObjective
from avhcurate.networks.training.recipe import Recipe
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.disk.jobs import Cancelled, Progress

RECIPE = Recipe(epochs=3, batch_size=8, crop_padding=0, flip=False, clip=1.0)


def stripes(n=24):
    """A bright left or right half, one class each; the brightness tells which image it is."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 4, 4, dtype=torch.uint8)
    for row in range(n):
        images[row, :, :, slice(0, 2) if labels[row] else slice(2, 4)] = 100 + row
    return LabelledImages(images, labels, (0.0,), (1.0,))


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


class CrossEntropy(TrainingObjective):
    """What the trainer does by itself."""

    def forward(self, learner, images, labels, rows):
        _, logits = learner(images)
        return F.cross_entropy(logits, labels), logits


class Offset(TrainingObjective):
    """Cross-entropy with logits moved by a parameter of its own, which chance wobbles; keeps the rows that it saw."""

    def __init__(self, strength=1.0):
        super().__init__()
        self.strength, self.offset, self.seen = strength, nn.Parameter(torch.zeros(2)), []

    def forward(self, learner, images, labels, rows):
        brightest = (255 * images).amax((1, 2, 3)).round().long()
        assert torch.equal(brightest - 100, rows)
        assert torch.equal(labels, rows % 2)
        self.seen += rows.tolist()
        _, logits = learner(images)
        return F.cross_entropy(logits + self.offset + self.strength * torch.rand(2), labels), logits

    def extra_repr(self):
        return f"{self.strength}"


def test_cross_entropy_as_an_objective_is_the_trainer_without_one():
    plain, given = (train(linear(), stripes(), RECIPE, objective=o, device="cpu") for o in (None, CrossEntropy()))
    assert torch.equal(plain[1].weight, given[1].weight)


def test_an_objective_sees_each_sample_with_its_row_and_its_own_parameters_learn():
    objective = Offset()
    train(linear(), stripes(), RECIPE, objective=objective, device="cpu")
    assert sorted(objective.seen) == sorted([*range(24)] * 3)
    assert objective.offset.abs().min() > 0


def test_an_objective_resumes_to_the_same_bits_and_another_is_refused(tmp_path):
    whole, halved = Offset(), Offset()
    module = train(linear(), stripes(), RECIPE, objective=whole, device="cpu")
    given, steps = {"objective": halved, "device": "cpu", "checkpoint": tmp_path / "checkpoint.pt"}, iter(range(9))
    with pytest.raises(Cancelled):
        train(linear(), stripes(), RECIPE, progress=Progress(should_stop=lambda: next(steps) == 4), **given)
    for other in (Offset(0.5), None):
        with pytest.raises(CurateError, match="other settings"):
            train(linear(), stripes(), RECIPE, **given | {"objective": other})
    again = Offset()
    resumed = train(linear(), stripes(), RECIPE, **given | {"objective": again})
    assert torch.equal(resumed[1].weight, module[1].weight)
    assert torch.equal(again.offset, whole.offset)


def test_decay_leaves_an_objective_alone():
    """At a gradient of zero only decay moves a parameter."""

    class Idle(CrossEntropy):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.ones(1))

        def forward(self, learner, images, labels, rows):
            loss, logits = super().forward(learner, images, labels, rows)
            return loss + 0 * self.value.sum(), logits

    objective = Idle()
    train(linear(), stripes(), replace(RECIPE, weight_decay=0.5), objective=objective, device="cpu")
    assert objective.value.item() == 1.0

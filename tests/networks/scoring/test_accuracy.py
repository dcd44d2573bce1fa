"""Accuracy of a run: it is counted from the table, and a run that only guesses is said wherever it shows."""

import json

import numpy as np
import pytest
import torch
from scipy import stats

from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.scoring.accuracy import Accuracy, accuracy_of, chance_warning
from avhcurate.networks.training.checkpoints import save_weights
from avhcurate.workspace.data.workspace import Workspace

NETWORK = "avhcurate:digits"


@pytest.fixture
def turned(tmp_path):
    """Saves the digits' network with its classes turned by three places, under the names that are given, if any."""

    def save(names=None):
        model = load_model(ModelSpec(name=NETWORK))
        for parameter in (model.head.weight, model.head.bias):
            parameter.data = torch.roll(parameter.data, 3, 0)
        path = tmp_path / "turned.safetensors"
        save_weights(model.module, path, {"classes": json.dumps(names)} if names else None)
        return path

    return save


def test_accuracy_and_its_interval_are_those_of_the_table(digits):
    accuracy, frame = accuracy_of(digits.dataset, digits.run), digits.samples.frame()
    correct = int((frame["predicted"] == frame["label"]).sum())
    assert accuracy == Accuracy(1797, correct, 10)
    interval = stats.binomtest(correct, 1797).proportion_ci(method="wilson")
    assert accuracy.estimate == pytest.approx((1797, correct / 1797, interval.low, interval.high))
    assert not accuracy.at_chance
    assert chance_warning(digits.dataset, digits.run, accuracy) == ""


@pytest.mark.parametrize(("n", "correct", "num_classes"), [(100, 10, 10), (100, 17, 10), (300, 160, 2), (25, 4, 3)])
def test_chance_is_a_binomial_test(n, correct, num_classes):
    p = stats.binomtest(correct, n, 1 / num_classes, alternative="greater").pvalue
    accuracy = Accuracy(n, correct, num_classes)
    assert accuracy.p == pytest.approx(p)
    assert accuracy.at_chance == (p > 0.05)


def test_weights_that_name_their_classes_in_another_order_are_read_by_name(cli, own_demo_root, turned):
    space = ("--workspace", own_demo_root)
    names = [*"789", *"0123456"]
    ended = cli("score", "digits", "--model", NETWORK, "--weights", turned(names), "--limit", "300", *space)
    assert "10 rows of the model's head were taken, by the names of the dataset's classes" in ended.out
    dataset = Workspace(own_demo_root).dataset("digits")
    first, turned_back = dataset.runs()
    assert turned_back.record.rows == [3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    np.testing.assert_array_equal(turned_back.class_weights(), first.class_weights())
    assert accuracy_of(dataset, turned_back).estimate[1] > 0.95


@pytest.mark.slow
def test_a_run_that_guesses_is_said_after_scoring_on_home_and_on_every_page(cli, own_demo_root, turned, open_page):
    space = ("--workspace", own_demo_root)
    ended = cli("score", "digits", "--model", NETWORK, "--weights", turned(), "--limit", "300", *space)
    assert ended.code == 0
    assert "no better than guessing among 10 classes (binomial test" in ended.out
    assert "may stand in another order than the dataset's (0, 1, 2 and 7 more)" in ended.out
    home = open_page("home", own_demo_root)
    (runs,) = (frame.value for frame in home.dataframe if "Accuracy" in frame.value)
    assert ["as guessing" in text for text in runs["Accuracy"]] == [True, False]
    best, other = (run.name for run in Workspace(own_demo_root).dataset("digits").runs())
    for page in ("home", "gallery"):
        assert "no better than guessing" in open_page(page, own_demo_root, run=other).warning[0].value
    assert "guessing" not in "".join(one.value for one in open_page("gallery", own_demo_root, run=best).warning)

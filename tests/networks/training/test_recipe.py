"""Schedules at points that a reader can check, and recipes that make no sense."""

import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.training.recipe import Recipe


def test_the_rate_of_one_cycle_rises_and_falls_to_nothing_or_falls_to_a_tenth_at_each_drop():
    rates = [Recipe(epochs=1, fast=True).share(step, 100) for step in range(101)]
    assert max(rates) == rates[20] == 1
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[100] == 0
    rates = [Recipe(epochs=10, drops=(3, 7.5)).share(step, steps=40) for step in range(40)]
    assert rates == pytest.approx([1] * 12 + [0.1] * 18 + [0.01] * 10)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"loss": "hinge"}, "softmax"),
        ({"precision": "float8"}, "bfloat16"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"clip": 0.0}, "clip"),
        ({"drops": (5.0,)}, "between 0 and 2"),
    ],
)
def test_what_makes_no_sense_is_named(wrong, message):
    with pytest.raises((ValueError, CurateError), match=message):
        Recipe(**{"epochs": 2, **wrong})


def test_augmentation_is_chosen_by_the_images():
    assert Recipe(epochs=1).for_images(3, 32) == Recipe(epochs=1, crop_padding=4, flip=True)
    assert Recipe(epochs=1, crop_padding=0).for_images(1, 32) == Recipe(epochs=1, crop_padding=0, flip=False)

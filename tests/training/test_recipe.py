"""Schedules at points that a reader can check, and recipes that make no sense."""

import pytest

from avhcurate.errors import CurateError
from avhcurate.training.recipe import RECIPES, Recipe, as_numbers, find_recipe, one_cycle


def test_the_rate_of_one_cycle_rises_and_falls_to_nothing():
    rates = [one_cycle(step / 100, 0.2) for step in range(101)]
    assert max(rates) == rates[20] == 1
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[100] == 0


def test_a_step_schedule_drops_at_its_epochs():
    recipe = Recipe(epochs=10, schedule="step", drops=(3, 7.5), drop_factor=0.1)
    rates = [recipe.share(step, steps=40) for step in range(40)]
    assert rates[:12] == [1] * 12
    assert rates[12:30] == [0.1] * 18
    assert rates[30:] == pytest.approx([0.01] * 10)
    assert recipe.rate_drops == (3, 7.5)


def test_a_step_schedule_without_drops_has_them_at_half_and_three_quarters():
    assert Recipe(epochs=8, schedule="step").rate_drops == (4, 6)
    assert Recipe(epochs=8, schedule="cosine").rate_drops == ()


def test_cosine_warms_up_and_is_at_half_in_the_middle_of_its_fall():
    recipe = Recipe(epochs=10, schedule="cosine", warmup=0.2)
    assert [recipe.share(step, 100) for step in (0, 10, 20)] == [0, 0.5, 1]
    assert recipe.share(60, 100) == pytest.approx(0.5)
    assert recipe.share(100, 100) == pytest.approx(0)
    assert Recipe(epochs=10, schedule="cosine", warmup=0).share(0, 100) == 1


def test_a_constant_rate_stays():
    assert {Recipe(epochs=2, schedule="constant").share(step, 20) for step in range(21)} == {1}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"schedule": "steps"}, "one-cycle, step"),
        ({"loss": "hinge"}, "softmax, avh, cosine"),
        ({"precision": "float8"}, "bfloat16"),
        ({"learning_rate": float("nan")}, "learning rate is nan"),
        ({"ema": 1.0}, "ema is 1"),
        ({"clip": 0.0}, "clip is 0"),
        ({"drops": (5.0,), "schedule": "step"}, "between 0 and 2"),
        ({"drops": (1.0,)}, "--schedule step"),
        ({"crop_fill": "white"}, "crop fill 'white': choose from black, reflect"),
    ],
)
def test_what_makes_no_sense_is_named(wrong, message):
    with pytest.raises(CurateError, match=message):
        Recipe(**{"epochs": 2, **wrong})


def test_whole_numbers_and_their_decimals_are_one_recipe():
    assert as_numbers(Recipe(epochs=4, clip=1, schedule="step", drops=(1,))) == as_numbers(
        Recipe(epochs=4, clip=1.0, schedule="step", drops=(1.0,))
    )
    assert repr(as_numbers(Recipe(epochs=4, clip=1))["clip"]) == "1.0"


def test_options_that_came_later_change_no_name_while_they_are_off():
    later = {"bias_rate": 2.0, "crop_fill": "reflect", "alternate_flips": True}
    assert not later.keys() & as_numbers(Recipe(epochs=2)).keys()
    assert as_numbers(Recipe(epochs=2, **later)) == as_numbers(Recipe(epochs=2)) | later


def test_a_recipe_has_a_name():
    assert find_recipe("cifar-fast") is RECIPES["cifar-fast"]
    with pytest.raises(CurateError, match="--recipe fast: choose from cifar-fast"):
        find_recipe("fast")

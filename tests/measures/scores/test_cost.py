"""How much is called for how many classes: nothing may loop over them."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from avhcurate import scores
from avhcurate.measures.scores.prototypes import class_sums

SAMPLES, WIDTH = 12, 5


def calls(function: Callable[[], object]) -> int:
    """Calls of functions, in Python and in C, while `function` runs."""
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def scoring(num_classes: int, kind: Callable[[np.ndarray], Any]) -> Callable[[], None]:
    """Every score of a few samples, by class weights and by prototypes, whose sums by class are at hand."""
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(SAMPLES, WIDTH)), rng.normal(size=(num_classes, WIDTH))
    logits, labels = rng.normal(size=(SAMPLES, num_classes)), np.arange(SAMPLES) % 3
    x, w, f, y = (kind(array) for array in (features, weights, logits, labels))
    totals = class_sums(x, y, num_classes)

    def score() -> None:
        scores.per_sample(x, w, f, y, prototypes=totals)
        scores.class_angular_gap(x, w, y)

    return score


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_no_score_calls_more_for_more_classes(kind):
    # What is imported or kept at a first call is not counted, nor what a library does now and then: the least of three.
    few, many = (min(calls(scoring(num_classes, kind)) for _ in range(3)) for num_classes in (30, 300))
    assert few > 50
    assert many == few

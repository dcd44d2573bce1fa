"""Sentences of the discoveries say what the findings hold: how many, which, and what is missing."""

import pytest

from avhcurate.training_dynamics.discoveries import Figure, Finding, NotJudged
from avhcurate.training_dynamics.discovery_text import sentence


def spearman(name, value, reach=0.05):
    return Figure("spearman", value, value - reach, value + reach, name, n=200)


def settled(name, avh, accuracy, loss):
    values = {"avh": avh, "accuracy": accuracy, "loss": loss}
    return [Figure(f"{key} settled", value, name=name) for key, value in values.items()]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            Finding(1, "holds", settled("a", 2, 5, 6), {"a": True}, [NotJudged("few evaluations", 1, "b")]),
            "AVH settles clearly earlier than accuracy and loss: AVH has settled by epoch 2, accuracy by 5, loss by 6. "
            "Not read: b: 1 evaluation, 6 are needed.",
        ),
        (
            Finding(1, "does not hold", [*settled("a", 2, 5, 6), *settled("b", 7, 5, 6)], {"a": True, "b": False}),
            "AVH settles clearly earlier than accuracy and loss in 1 of 2 trainings: a: AVH has settled by epoch 2, "
            "accuracy by 5, loss by 6; b: AVH has settled by epoch 7, accuracy by 5, loss by 6.",
        ),
        (Finding(3, "too little data"), "There is no training."),
        (
            Finding(
                2,
                "does not hold",
                [
                    *(Figure("mean avh", 0.1, name=name, bin=label) for name in "ab" for label in ("low", "high")),
                    *(Figure("comparisons", 2), Figure("lower", 1), Figure("clearly higher", 1)),
                ],
                exception=("a", "b", "low"),
            ),
            "In 1 of 2 comparisons (1 pair of models, 2 HSF bins) the more accurate model has the lower mean AVH. It "
            "is clearly higher in 1, such as a against b in low.",
        ),
        (
            Finding(4, "does not hold", [spearman("a", -0.3), spearman("b", 0.02)]),
            "AVH falls as HSF rises in 1 of 2 models: Spearman −0.30 to 0.02; in the others the interval reaches 0 or "
            "lies above.",
        ),
        (
            Finding(5, "holds", [spearman("a", -0.3), spearman("b", 0.2), spearman("c", 0.0)]),
            "The norm rises with HSF in 1 of 3 models, falls in 1, and does neither clearly in 1: "
            "Spearman −0.30 to 0.20.",
        ),
    ],
)
def test_the_sentence_gives_counts_and_evidence(found, said):
    assert sentence(found) == said


def test_simulated_votes_are_named_where_they_play_a_part():
    assert sentence(Finding(4, "holds", [spearman("a", -0.3)]), simulated=True).endswith("simulated votes.")
    assert "simulated" not in sentence(Finding(3, "too little data"), simulated=True)
    few = Finding(5, "too little data", not_judged=[NotJudged("few votes", 3)])
    assert sentence(few, simulated=True) == "It needs 100 samples with human votes, and there are 3."

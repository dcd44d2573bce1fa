"""Sentences of the discoveries say what the findings hold: how many, which, and what is missing."""

import pytest

from avhcurate.training_dynamics.discovery_text import sentence
from avhcurate.training_dynamics.findings import Figure, Finding, NotJudged


def spearman(name, value, reach=0.05):
    return Figure("spearman", value, value - reach, value + reach, name, n=200)


def left(name, at, accuracy, loss):
    shares = {"accuracy left": accuracy, "loss left": loss}
    of_both = [Figure(key, value, value - 0.05, value + 0.05, name) for key, value in shares.items()]
    return [Figure("avh settled", at, name=name), *of_both]


def growth(name, value):
    return [
        Figure("norm growth", value, value - 0.01, value + 0.01, name),
        Figure("norm trend", 0.9, 0.8, 0.95, name),
        Figure("norm rises", 0.7, 0.6, 0.8, name),
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            Finding(1, "holds", left("a", 2, 0.3, 0.02), {"a": "holds"}, [NotJudged("few evaluations", 1, "b")]),
            "In this training accuracy or loss still improves when AVH has settled: AVH settles by epoch 2, with 30 % "
            "(25 to 35) of accuracy's way and 2 % (−3 to 7) of the loss's left. "
            "Not read: b: 1 evaluation, 6 are needed.",
        ),
        (
            Finding(
                1,
                "too little data",
                [one for name in ("", "a", "b", "c") for one in left(name, 2, 0.12, 0.1)],
                {"a": "holds", "b": "too little data", "c": "does not hold"},
            ),
            "Over 3 trainings whether accuracy or loss still improves when AVH has settled cannot be told from chance "
            "(in 1 of them it holds): in the mean AVH settles by epoch 2, with 12 % (7 to 17) of accuracy's way and "
            "10 % (5 to 15) of the loss's left.",
        ),
        (
            Finding(3, "holds", [*growth("a", 0.02), *growth("b", 0.03)], {"a": "holds", "b": "holds"}),
            "In 2 trainings, each judged by itself, the mean norm keeps increasing (in 2 of them it holds): "
            "a: it grows by 2.00 % an epoch (1.00 to 3.00), Spearman 0.90 with the epoch, and that of 70 % of the "
            "samples rises; b: it grows by 3.00 % an epoch (2.00 to 4.00), Spearman 0.90 with the epoch, and that of "
            "70 % of the samples rises.",
        ),
        (Finding(3, "too little data"), "There is no training."),
        (
            Finding(
                2,
                "does not hold",
                [
                    *(Figure("mean avh", 0.1, name=name, bin=label) for name in "ab" for label in ("low", "high")),
                    *(Figure("comparisons", 2), Figure("clearly lower", 1), Figure("clearly higher", 1)),
                ],
                exception=("a", "b", "low"),
            ),
            "In 1 of 2 comparisons (1 pair of models, 2 HSF bins) the more accurate model has clearly lower mean AVH; "
            "in 1 it is clearly higher, such as a against b in low.",
        ),
        (
            Finding(4, "does not hold", [spearman("a", -0.3), spearman("b", 0.02)]),
            "AVH falls as HSF rises in 1 of 2 models: Spearman −0.30 to 0.02; the others differ clearly from these, or "
            "it rises there.",
        ),
        (
            Finding(4, "too little data", [spearman("a", -0.3), spearman("b", 0.02)]),
            "AVH falls as HSF rises in 1 of 2 models: Spearman −0.30 to 0.02; in the others the interval reaches 0, "
            "which chance may explain.",
        ),
        (
            Finding(5, "holds", [spearman("a", -0.3), spearman("b", 0.2), spearman("c", 0.0)]),
            "The norm rises with HSF in 1 of 3 models, falls in 1, and does neither clearly in 1: "
            "Spearman −0.30 to 0.20; models differ clearly.",
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

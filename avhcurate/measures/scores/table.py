"""The one table of scores: pages, command line, exports, documents and tests iterate over it."""

from functools import partial

from avhcurate.measures.scores.of_epochs import OF_EPOCHS
from avhcurate.measures.scores.of_runs import OF_RUNS
from avhcurate.measures.scores.score import Score

#: Every score by its key, in the order in which tables and menus show them; plugins add theirs (see `scores`).
SCORES: dict[str, Score] = {score.key: score for score in (*OF_RUNS, *OF_EPOCHS)}

_of_votes = partial(Score, needs="votes")
_INTERVAL = "Conformal ends: Vovk et al. 2005; Barber et al., Annals of Statistics 49, 2021."

#: Predicted columns of numbers by key. They come from the votes of other samples, and are never counted as votes.
PREDICTIONS: dict[str, Score] = {
    score.key: score
    for score in (
        _of_votes(
            key="hsf_predicted",
            name="Predicted HSF",
            formula=r"\widehat{\mathrm{HSF}}(x)",
            sentence="The HSF that a model of the votes expects, from scores, embedding and class; not votes. An image "
            "that has votes is predicted without its own.",
            harder="low",
            reference="Ridge regression of the rank of HSF, cross-fitted (avhcurate predict).",
        ),
        _of_votes(
            key="hsf_predicted_low",
            name="Predicted HSF, low",
            formula="",
            sentence="Lower end of the interval of HSF of as many votes as usual; not for naming the hard ones.",
            harder="low",
            reference=_INTERVAL,
        ),
        _of_votes(
            key="hsf_predicted_high",
            name="Predicted HSF, high",
            formula="",
            sentence="Upper end of the interval of HSF of as many votes as usual; not for naming the hard ones.",
            harder="low",
            reference=_INTERVAL,
        ),
        _of_votes(
            key="human_gap",
            name="Human gap",
            formula=r"\widehat{\mathrm{HSF}}(x) - p_y(x)",
            sentence="Predicted HSF minus the confidence in the label: above 0 the label is clearer to people than to "
            "the network, below 0 clearer to the network.",
            harder="",
            reference="Predicted HSF and confidence of the open run.",
            low="-1",
        ),
    )
}

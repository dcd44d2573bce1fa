"""Columns of a prediction, described as scores are: predicted HSF, its interval, and the gap to the network."""

from avhcurate.measures.scores.table import Score

_INTERVAL = "Beta-binomial range with conformal ends: Vovk et al. 2005; Barber et al., Annals of Statistics 49, 2021."


#: Predicted columns of numbers by key. They come from the votes of other samples, and are never counted as votes.
PREDICTIONS: dict[str, Score] = {
    score.key: score
    for score in (
        Score(
            key="hsf_predicted",
            name="Predicted HSF",
            formula=r"\widehat{\mathrm{HSF}}(x)",
            sentence="The HSF that a model of the votes expects, from scores, embedding and class; not votes. A sample "
            "that has votes is predicted without its own.",
            harder="low",
            needs="votes",
            reference="Beta-binomial regression with a ridge penalty, cross-fitted (avhcurate predict).",
        ),
        Score(
            key="hsf_predicted_low",
            name="Predicted HSF, low",
            formula="",
            sentence="Lower end of the interval of HSF of as many votes as usual.",
            harder="low",
            needs="votes",
            reference=_INTERVAL,
        ),
        Score(
            key="hsf_predicted_high",
            name="Predicted HSF, high",
            formula="",
            sentence="Upper end of the interval of HSF of as many votes as usual.",
            harder="low",
            needs="votes",
            reference=_INTERVAL,
        ),
        Score(
            key="human_gap",
            name="Human gap",
            formula=r"\widehat{\mathrm{HSF}}(x) - p_y(x)",
            sentence="Predicted HSF minus the confidence in the label: above 0 the label is clearer to people than to "
            "the network, below 0 clearer to the network.",
            harder="",
            needs="votes",
            reference="Predicted HSF and confidence of the open run.",
            low="-1",
        ),
    )
}

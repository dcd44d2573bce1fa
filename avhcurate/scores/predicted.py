"""Columns of a prediction, described as scores are: predicted HSF, its interval, and the gap to the network."""

from avhcurate.scores.table import Score

_INTERVAL = "Beta-binomial range with conformal ends: Vovk et al. 2005; Barber et al., Annals of Statistics 49, 2021."


def _predicted(key: str, name: str, sentence: str, reference: str = _INTERVAL, **more: str) -> Score:
    return Score(
        key=key,
        name=name,
        sentence=sentence,
        reference=reference,
        harder="" if key == "human_gap" else "low",
        needs="votes",
        **{"formula": "", **more},  # type: ignore[arg-type]
    )


#: Predicted columns of numbers by key. They come from the votes of other samples, and are never counted as votes.
PREDICTIONS: dict[str, Score] = {
    score.key: score
    for score in (
        _predicted(
            "hsf_predicted",
            "Predicted HSF",
            "The HSF that a model of the votes expects, from scores, embedding and class; not votes. A sample that has "
            "votes is predicted without its own.",
            "Beta-binomial regression with a ridge penalty, cross-fitted (avhcurate predict).",
            formula=r"\widehat{\mathrm{HSF}}(x)",
        ),
        _predicted(
            "hsf_predicted_low", "Predicted HSF, low", "Lower end of the interval of HSF of as many votes as usual."
        ),
        _predicted(
            "hsf_predicted_high", "Predicted HSF, high", "Upper end of the interval of HSF of as many votes as usual."
        ),
        _predicted(
            "human_gap",
            "Human gap",
            "Predicted HSF minus the confidence in the label: above 0 the label is clearer to people than to the "
            "network, below 0 clearer to the network.",
            "Predicted HSF and confidence of the open run.",
            formula=r"\widehat{\mathrm{HSF}}(x) - p_y(x)",
            low="-1",
        ),
    )
}

"""The options of the verb predict."""

from avhcurate.workspace.data.settings import VerbSettings, option

#: Share of HSF that the intervals are to cover, unless asked otherwise.
LEVEL = 0.9


class PredictSettings(VerbSettings):
    """Predict the HSF of every image from those with votes, with intervals: columns hsf_predicted, _low, _high.

    Predictions are never counted as votes. After new votes the same call predicts again.
    """

    verb = "predict"
    dataset: str = option(help="The dataset.", argument=True)
    runs: tuple[str, ...] = option((), "Runs to learn from, as resnet50-1,vit-2.", usual="all, at most the 8 newest")
    level: float = option(LEVEL, "Share of HSF that the intervals cover.", low=0.5, high=0.99, label="Intervals hold")
    seed: int = option(0, "Seed of the folds.", low=0)

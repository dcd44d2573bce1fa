"""The options of `avhcurate suspects`."""

from typing import Literal

from avhcurate.workspace.data.settings import VerbSettings, option

#: A source of evidence.
Source = Literal["angular", "neighbours", "cleanlab", "votes"]


class SuspectsSettings(VerbSettings):
    """Find labels that are likely wrong and undecided, by rank, with what each source says.

    >>> SuspectsSettings(dataset="pets", sources="angular,votes", out_of_fold=True).argv
    ['suspects', 'pets', '--sources=angular,votes', '--out-of-fold']
    """

    verb = "suspects"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Which run: the name of a model or of a run.", usual="the default")
    sources: tuple[Source, ...] = option((), "Some of angular, neighbours, cleanlab, votes.", usual="all available")
    out_of_fold: bool = option(
        False, "Judge by heads cross-validated on the run's features, for a model that was trained on these images."
    )
    folds: int = option(5, "Folds of the cross-validation.", low=2, high=50)
    where: str = option("", "Only those that satisfy this SQL condition.")
    limit: int | None = option(None, "So many suspects, the most likely first.", low=1, usual="all")

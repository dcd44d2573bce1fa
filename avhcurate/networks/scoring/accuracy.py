"""How often a run's predictions are the given labels, and whether that is more than chance."""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from scipy.special import bdtrc

from avhcurate.errors import Option, Text
from avhcurate.measures.stats.intervals import share
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.columns import listed

#: A run whose accuracy is not above chance at this level is said to be at chance; of fewer samples nothing is said, nor
#: where they are so few that it may be so many times chance.
_LEVEL = 0.05
_LEAST = 20
_TIMES = 2


@dataclass(frozen=True)
class Accuracy:
    """Of `n` samples with a label and a prediction, `correct` are predicted as labelled, among `num_classes`."""

    n: int
    correct: int
    num_classes: int

    @property
    def estimate(self) -> tuple[int, float, float, float]:
        """n, the share that is right, and the ends of its 95 % interval (Wilson)."""
        return share(self.correct, self.n)

    @property
    def at_chance(self) -> bool:
        """Whether guessing does as well: one-sided binomial test against 1 / K, p above 0.05, n at least 20, and an
        interval that excludes what would be well above chance, which of few samples it may not: twice as many right,
        of two or three classes half of the way to all.

        >>> Accuracy(100, 9, 10).at_chance, Accuracy(100, 20, 10).at_chance, Accuracy(10, 0, 10).at_chance
        (True, False, False)
        >>> Accuracy(20, 14, 2).at_chance, Accuracy(25, 5, 10).at_chance, Accuracy(200, 104, 2).at_chance
        (False, False, True)
        """
        if self.n < _LEAST or self.num_classes < 2:
            return False
        chance = 1 / self.num_classes
        above = min(_TIMES * chance, (1 + chance) / 2)
        return bool(self.p > _LEVEL and self.estimate[3] < above)

    @property
    def p(self) -> float:
        """p-value of that test: how likely guessing gives so many right ones or more."""
        return float(bdtrc(self.correct - 1, self.n, 1 / self.num_classes))

    def __str__(self) -> str:
        """
        >>> str(Accuracy(200, 150, 10)), str(Accuracy(0, 0, 10))
        ('accuracy 75.0 % (95 % interval 68.6–80.5 %, n 200)', 'no image has a label to compare with')
        """
        n, value, low, high = self.estimate
        if not n:
            return "no image has a label to compare with"
        return f"accuracy {100 * value:.1f} % (95 % interval {100 * low:.1f}–{100 * high:.1f} %, n {n:,})"


def accuracy_of(dataset: DatasetFolder, run: RunFolder, ids: np.ndarray | None = None) -> Accuracy:
    """The accuracy of a complete run on the dataset's given labels: of all samples, or of those with `ids` (n,)."""
    if "predicted" not in pq.read_schema(run.scores_today).names:
        return Accuracy(0, 0, run.num_classes)
    table = pq.read_table(run.scores_today, columns=["id", "predicted"])
    predicted = table["predicted"].fill_null(-1).to_numpy()
    labels = dataset.labels()[table["id"].to_numpy()]
    compared = (predicted >= 0) & (labels >= 0)
    if ids is not None:
        compared &= np.isin(table["id"].to_numpy(), ids)
    return Accuracy(int(compared.sum()), int(np.sum(predicted[compared] == labels[compared])), run.num_classes)


def chance_warning(dataset: DatasetFolder, run: RunFolder, accuracy: Accuracy) -> Text:
    """Return what to think of a run whose accuracy is at chance, nothing for any other.

    Where the weights name the dataset's classes, their order cannot be the reason.
    """
    if not accuracy.at_chance:
        return Text()
    guess = f"{str(accuracy).capitalize()} is no better than guessing among {accuracy.num_classes:,} classes"
    test = f"(binomial test, p = {accuracy.p:.2g})"
    record = run.record
    why = Text(": do images, labels and weights belong together?")
    if not (record.classes_named or record.rows is not None or record.attached or record.fitted):
        why = Text(
            "; the weights do not name their classes, so these may stand in another order than the dataset's "
            f"({listed(dataset.record.classes, 3)}): import the dataset with {Option('classes')} in the order "
            "that the weights were trained in"
        )
    return Text(f"{guess} {test}. Scores and galleries of this run mean little", why)

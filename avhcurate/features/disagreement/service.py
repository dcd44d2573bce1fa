"""The gap between people and the network: samples hard for one and easy for the other, from HSF and any score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.datasets.table.empty_view import no_votes, not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable, check_scores
from avhcurate.errors import CurateError, Run
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder


@dataclass(frozen=True)
class Cuts:
    """Where the two ends of a scale begin: at or below `low`, and at or above `high`.

    `quantile` False: values of the scale. True: shares of the samples, in [0, 1]; the ends then begin at attained
    values, and samples tied with such a value belong to its end.
    """

    low: float
    high: float
    quantile: bool = False

    @classmethod
    def at(cls, name: str, values: Sequence[float] | None, default: "Cuts") -> "Cuts":
        """Return the cuts at two values of a user, given as `name`; the default for None."""
        if values is None:
            return default
        if len(values) != 2:
            raise CurateError(f"{name} needs two values, low and high; there are {len(values)}.")
        return cls(values[0], values[1])

    def of(self, values: np.ndarray, name: str) -> tuple[float, float]:
        """Return both cuts as values; refused if the ends would meet, since a sample could then be in both."""
        low = float(self.low)
        high = float(self.high)
        if self.quantile:
            if not 0 <= low <= high <= 1:
                raise CurateError(f"The {name} quantiles must rise from 0 to 1; they were {low:g} and {high:g}.")
            if not values.size:
                return float("nan"), float("nan")
            low = float(np.quantile(values, self.low, method="lower"))
            high = float(np.quantile(values, self.high, method="higher"))
            if low == high:
                raise CurateError(
                    f"The {name} is {low:g} at both quantiles, {self.low:g} and {self.high:g}, so it has no two ends. "
                    "Choose other quantiles or another score, or in a notebook give values by "
                    f"{name.lower()}_cuts=(LOW, HIGH)."
                )
        if not low < high:
            raise CurateError(
                f"The {name} cuts must rise, low before high; they are {low:g} and {high:g}. Choose others, or in a "
                f"notebook give values by {name.lower()}_cuts=(LOW, HIGH)."
            )
        return low, high


@dataclass(frozen=True)
class GapSets:
    """The two sets of the human-network gap; a sample is never in both.

    samples: with both HSF and the score; only they are compared.
    hard_for_humans: row numbers of samples with low HSF that the network finds easy, widest gap first.
    hard_for_network: row numbers of samples with high HSF that the network finds hard, widest gap first.
    hsf_cuts, score_cuts: the values at which the sets begin, ends included.
    sign: turns the score until larger is harder for the network.
    """

    samples: int
    hard_for_humans: np.ndarray
    hard_for_network: np.ndarray
    hsf_cuts: tuple[float, float]
    score_cuts: tuple[float, float]
    sign: int


#: Low and high HSF, and the easiest and the hardest fifth by a score.
HSF_CUTS = Cuts(0.2, 0.8)
SCORE_CUTS = Cuts(0.2, 0.8, quantile=True)


def gap_sets(
    hsf: ArrayLike,
    score: ArrayLike,
    *,
    harder: Literal["high", "low"],
    hsf_cuts: Cuts = HSF_CUTS,
    score_cuts: Cuts = SCORE_CUTS,
) -> tuple[GapSets, np.ndarray]:
    """Return samples hard for humans but easy for the network, and the reverse: hsf (N,), score (N,), NaN for none.

    `harder` says which end of the score means a harder sample. Hard for humans is HSF at or below `hsf_cuts.low`, easy
    at or above `hsf_cuts.high`; the network's easy and hard ends lie beyond `score_cuts`. The gap (N,) is the
    difficulty for humans minus that for the network, both as mid-rank shares of the compared samples, in (-1, 1): +1 is
    hardest for humans and easiest for the network; NaN if not compared. Raises CurateError for cuts that do not rise.

    >>> hsf, score = [0.1, 0.9, 0.9, 0.1], [0.05, 0.05, 0.95, 0.95]
    >>> sets, gap = gap_sets(hsf, score, harder="high", score_cuts=Cuts(0.1, 0.9))
    >>> sets.hard_for_humans, sets.hard_for_network, gap[[0, 2]]
    (array([0]), array([2]), array([ 0.5, -0.5]))
    """
    human = np.asarray(hsf, float)
    network = np.asarray(score, float)
    both = ~(np.isnan(human) | np.isnan(network))
    hsf_at = hsf_cuts.of(human[both], "HSF")
    score_at = score_cuts.of(network[both], "score")
    sign = {"high": 1, "low": -1}[harder]
    difficulty, (easy, hard) = sign * network, sorted(sign * cut for cut in score_at)
    gap = rank_shares(np.where(both, -human, np.nan))
    gap -= rank_shares(np.where(both, difficulty, np.nan))
    humans = np.flatnonzero(both & (human <= hsf_at[0]) & (difficulty <= easy))
    machine = np.flatnonzero(both & (human >= hsf_at[1]) & (difficulty >= hard))
    sets = GapSets(
        samples=int(both.sum()),
        hard_for_humans=humans[np.argsort(-gap[humans], kind="stable")],
        hard_for_network=machine[np.argsort(gap[machine], kind="stable")],
        hsf_cuts=hsf_at,
        score_cuts=score_at,
        sign=sign,
    )
    return sets, gap


# --- over a table -------------------------------------------------------------------------------------------------

#: Each set by its name in files, a field of `GapSets`, and in words.
SETS = {
    "hard_for_humans": "Hard for people, easy for the network",
    "hard_for_network": "Hard for the network, easy for people",
}


@dataclass(frozen=True)
class Gap:
    """Both sets by score `key`.

    `points`: every sample that was compared, `id, hsf, value, gap, difficulty, set`; difficulty is the share of samples
    that the network finds easier, ties counted half. `members`: those in a set, widest gap first. `predicted`: HSF is
    predicted, not voted. `simulated`: it comes from simulated votes.
    """

    key: str
    sets: GapSets
    members: pd.DataFrame
    points: pd.DataFrame
    simulated: bool
    predicted: bool = False

    @property
    def ids(self) -> dict[str, list[int]]:
        """The ids of each set, widest gap first."""
        return {name: self.members["id"][self.members["set"] == name].tolist() for name in SETS}

    @property
    def human(self) -> str:
        """The name of what the score is compared with."""
        if self.predicted:
            return "predicted HSF"
        return "HSF"


def disagree(
    samples: SampleTable,
    run: RunFolder | None,
    prediction: PredictionFolder | None,
    *,
    key: str | None = None,
    filters: Filters | None = None,
    hsf_cuts: Cuts = HSF_CUTS,
    score_cuts: Cuts = SCORE_CUTS,
    predicted: bool = False,
) -> Gap:
    """Return the samples in view on which people and the network differ by score `key`; refused without votes or a run.

    Default: AVH, else the best measure of hardness that the run has. `predicted` takes predicted HSF in place of votes,
    so that samples without votes are compared too.
    """
    name = samples.name
    if run is None:
        raise not_scored(name)
    if samples.votes is None:
        raise no_votes(name)
    key = key or samples.hardness
    check_scores(samples, [key])
    human = "hsf"
    simulated = samples.simulated
    if predicted:
        if prediction is None:
            raise CurateError(f"HSF of {name} is not predicted yet.", fix=Run("predict", name))
        human = "hsf_predicted"
        simulated = prediction.record.votes_simulated
    points = samples.frame(filters or Filters(), columns=["id", human, key]).set_axis(["id", "hsf", "value"], axis=1)
    points = points.astype({"id": "int64", "hsf": float, "value": float})
    sets, points["gap"] = gap_sets(
        points["hsf"], points["value"], harder=SCORES[key].hard_end, hsf_cuts=hsf_cuts, score_cuts=score_cuts
    )
    points["set"] = ""
    for name in SETS:
        points.iloc[getattr(sets, name), -1] = name
    members = points.iloc[np.concatenate([getattr(sets, name) for name in SETS])]
    points = points[points["gap"].notna()]
    points = points.assign(difficulty=rank_shares(sets.sign * points["value"].to_numpy()))
    return Gap(key=key, sets=sets, members=members, points=points, simulated=simulated, predicted=predicted)


def gap_table(samples: SampleTable, gap: Gap) -> pd.DataFrame:
    """Return both sets as one table: `set, gap`, then the columns of an export.

    Columns at its end mark simulated votes, and sets by predicted HSF.
    """
    gaps = gap.members[["id", "set", "gap"]]
    members = Filters(excluded=None, ids=tuple(gaps["id"]))
    rows = samples.frame(members, columns=[*samples.standard, *samples.user_columns])
    rows["tags"] = rows["tags"].map(";".join)
    result = gaps.merge(rows, on="id", how="left")
    if gap.simulated:
        result = result.assign(hsf_source="simulated")
    if gap.predicted:
        result = result.assign(gap_by="hsf_predicted")
    return result

"""Where people and a network disagree, as a function of arrays: samples hard for one and easy for the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.measures.stats.ranks import rank_shares


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
    def at(cls, name: str, values: "Cuts | Sequence[float] | None", default: "Cuts") -> "Cuts":
        """Return cuts as they are, those at two values of a user, given as `name`, or the default for None."""
        if values is None:
            return default
        if isinstance(values, Cuts):
            return values
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


@dataclass(frozen=True)
class Disagreement:
    """The two sets of the gap and where they begin, and of each of N samples the gap and its difficulty.

    gap: (N,) difficulty for humans less that for the network, in (-1, 1): +1 is hardest for humans and easiest for the
    network; NaN if not compared. difficulty: (N,) in (0, 1), the share of samples that the network finds easier, ties
    counted half; NaN if not compared.
    """

    sets: GapSets
    gap: np.ndarray
    difficulty: np.ndarray


#: Cuts, or two values, low and high; None for the default.
Given = Cuts | Sequence[float] | None
#: Low and high HSF, and the easiest and the hardest fifth by a score.
HSF_CUTS = Cuts(0.2, 0.8)
SCORE_CUTS = Cuts(0.2, 0.8, quantile=True)


def disagreement(
    hsf: ArrayLike,
    score: ArrayLike,
    *,
    harder: Literal["high", "low"],
    hsf_cuts: Given = None,
    score_cuts: Given = None,
) -> Disagreement:
    """Return samples hard for humans but easy for the network, and the reverse, as of a nail and a golf ball.

    hsf: (N,) human selection frequency in [0, 1]. score: (N,) what the network finds hard, as AVH; NaN for none.
    harder: which end of the score means a harder sample. Hard for humans is HSF at or below the low one of `hsf_cuts`,
    easy at or above the high one (0.2, 0.8); the easy and hard ends of the network lie beyond `score_cuts` (the easiest
    and the hardest fifth, `Cuts(0.2, 0.8, quantile=True)`). Difficulty for either is the mid-rank share of the samples
    that have both. HSF and the two kinds of images are from Chen et al. (2020), https://doi.org/10.48550/arXiv.1912.02279,
    the gap is ours. Raises CurateError for arrays of different lengths and for cuts that do not rise.

    >>> found = disagreement([0.1, 0.9, 0.9, 0.1], [0.05, 0.05, 0.95, 0.95], harder="high", score_cuts=(0.1, 0.9))
    >>> found.sets.hard_for_humans, found.sets.hard_for_network, found.gap[[0, 2]]
    (array([0]), array([2]), array([ 0.5, -0.5]))
    """
    human = np.asarray(hsf, float)
    network = np.asarray(score, float)
    if human.ndim != 1 or human.shape != network.shape:
        raise CurateError(f"hsf has the shape {human.shape} and score {network.shape}. Give (N,) for both.")
    both = ~(np.isnan(human) | np.isnan(network))
    hsf_at = Cuts.at("hsf_cuts", hsf_cuts, HSF_CUTS).of(human[both], "HSF")
    score_at = Cuts.at("score_cuts", score_cuts, SCORE_CUTS).of(network[both], "score")
    sign = {"high": 1, "low": -1}[harder]
    hardness, (easy, hard) = sign * network, sorted(sign * cut for cut in score_at)
    difficulty = rank_shares(np.where(both, hardness, np.nan))
    gap = rank_shares(np.where(both, -human, np.nan)) - difficulty
    humans = np.flatnonzero(both & (human <= hsf_at[0]) & (hardness <= easy))
    machine = np.flatnonzero(both & (human >= hsf_at[1]) & (hardness >= hard))
    sets = GapSets(
        samples=int(both.sum()),
        hard_for_humans=humans[np.argsort(-gap[humans], kind="stable")],
        hard_for_network=machine[np.argsort(gap[machine], kind="stable")],
        hsf_cuts=hsf_at,
        score_cuts=score_at,
        sign=sign,
    )
    return Disagreement(sets, gap, difficulty)

"""Both sets of the human-network gap: hard for people and easy for the network, and the reverse."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable, check_scores
from avhcurate.datasets.table.empty_view import no_votes
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.disagreement.rules import HSF_CUTS, SCORE_CUTS, Cuts, GapSets, gap_sets
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.ranks import rank_shares

#: Each set by its name in files, a field of `GapSets`, and in words.
SETS = {
    "hard_for_humans": "Hard for humans, easy for the network",
    "hard_for_network": "Hard for the network, easy for humans",
}


@dataclass(frozen=True)
class Gap:
    """Both sets by score `key`: `ids` of each, widest gap first; `sets` has rows of `points` (`id, hsf`, the score).

    `predicted`: the HSF of `points` is predicted, not voted. `simulated`: it comes from simulated votes.
    """

    key: str
    sets: GapSets
    ids: dict[str, list[int]]
    points: pd.DataFrame
    simulated: bool
    predicted: bool = False

    @property
    def human(self) -> str:
        """The name of what the score is compared with."""
        if self.predicted:
            return "predicted HSF"
        return "HSF"


def disagree(
    table: DatasetTable,
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
    name = table.dataset.name
    if table.run is None:
        raise CurateError(f"No model has scored {name} yet. Run `avhcurate score {name} --model MODEL`.")
    if table.votes is None:
        raise no_votes(name)
    key = key or table.hardness
    check_scores(table, [key])
    human, simulated = "hsf", table.simulated
    if predicted:
        if table.prediction is None:
            raise CurateError(f"HSF of {name} is not predicted yet. Run `avhcurate predict {name}`.")
        human, simulated = "hsf_predicted", table.prediction.record.votes_simulated
    points = table.frame(filters or Filters(), columns=["id", human, key]).rename(columns={human: "hsf"})
    sets = gap_sets(points["hsf"], points[key], harder=SCORES[key].hard_end, hsf_cuts=hsf_cuts, score_cuts=score_cuts)
    return Gap(
        key=key,
        sets=sets,
        ids={name: points["id"].iloc[getattr(sets, name)].astype(int).tolist() for name in SETS},
        points=points,
        simulated=simulated,
        predicted=predicted,
    )


def compared_points(gap: Gap) -> pd.DataFrame:
    """Return every sample that was compared: `id, hsf, value, difficulty, set`.

    `difficulty` is the share of samples that the network finds easier, ties counted half.
    """
    points = gap.points.rename(columns={gap.key: "value"}).astype({"value": float, "hsf": float})
    of_set = np.zeros(len(points), np.int8)
    for code, name in enumerate(SETS, start=1):
        of_set[getattr(gap.sets, name)] = code
    points["set"] = pd.Categorical.from_codes(of_set, pd.Index(["", *SETS]))
    points = points[~np.isnan(gap.sets.gap)]
    return points.assign(difficulty=rank_shares(gap.sets.sign * points["value"].to_numpy()))


def members_only(gap: Gap) -> Gap:
    """Return the same without the samples in neither set: tables and galleries need no more."""
    rows = np.concatenate([gap.sets.hard_for_humans, gap.sets.hard_for_network])
    humans, network = np.split(np.arange(len(rows)), [len(gap.sets.hard_for_humans)])
    sets = replace(gap.sets, gap=gap.sets.gap[rows], hard_for_humans=humans, hard_for_network=network)
    return replace(gap, sets=sets, points=gap.points.iloc[rows])


def gap_table(table: DatasetTable, gap: Gap) -> pd.DataFrame:
    """Return both sets as one table: `set, gap`, then the columns of an export.

    Columns at its end mark simulated votes, and sets by predicted HSF.
    """
    parts = [pd.DataFrame({"id": np.array(ids, np.int64), "set": name}) for name, ids in gap.ids.items()]
    widths = pd.DataFrame({"id": gap.points["id"].astype("int64"), "gap": gap.sets.gap})
    chosen = pd.concat(parts, ignore_index=True).merge(widths, on="id")
    some = Filters(excluded=None, ids=tuple(chosen["id"]))
    rows = table.frame(some, columns=[*table.standard, *table.user_columns])
    rows["tags"] = rows["tags"].map(";".join)
    result = chosen.merge(rows, on="id", how="left")
    if gap.simulated:
        result = result.assign(hsf_source="simulated")
    if gap.predicted:
        result = result.assign(gap_by="hsf_predicted")
    return result

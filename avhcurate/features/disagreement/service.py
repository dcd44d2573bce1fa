"""Both sets of the human-network gap: hard for people and easy for the network, and the reverse."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable, check_scores
from avhcurate.datasets.table.empty_view import no_votes, not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Run
from avhcurate.features.disagreement.rules import HSF_CUTS, SCORE_CUTS, Cuts, GapSets, gap_sets
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.ranks import rank_shares

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
        raise not_scored(name)
    if table.votes is None:
        raise no_votes(name)
    key = key or table.hardness
    check_scores(table, [key])
    human = "hsf"
    simulated = table.simulated
    if predicted:
        if table.prediction is None:
            raise CurateError(f"HSF of {name} is not predicted yet.", fix=Run("predict", name))
        human = "hsf_predicted"
        simulated = table.prediction.record.votes_simulated
    points = table.frame(filters or Filters(), columns=["id", human, key]).set_axis(["id", "hsf", "value"], axis=1)
    points = points.astype({"id": "int64", "hsf": float, "value": float})
    cuts = {"hsf_cuts": hsf_cuts, "score_cuts": score_cuts}
    sets, points["gap"] = gap_sets(points["hsf"], points["value"], harder=SCORES[key].hard_end, **cuts)
    points["set"] = ""
    for name in SETS:
        points.iloc[getattr(sets, name), -1] = name
    members = points.iloc[np.concatenate([getattr(sets, name) for name in SETS])]
    points = points[points["gap"].notna()]
    points = points.assign(difficulty=rank_shares(sets.sign * points["value"].to_numpy()))
    return Gap(key=key, sets=sets, members=members, points=points, simulated=simulated, predicted=predicted)


def gap_table(table: DatasetTable, gap: Gap) -> pd.DataFrame:
    """Return both sets as one table: `set, gap`, then the columns of an export.

    Columns at its end mark simulated votes, and sets by predicted HSF.
    """
    chosen = gap.members[["id", "set", "gap"]]
    members = Filters(excluded=None, ids=tuple(chosen["id"]))
    rows = table.frame(members, columns=[*table.standard, *table.user_columns])
    rows["tags"] = rows["tags"].map(";".join)
    result = chosen.merge(rows, on="id", how="left")
    if gap.simulated:
        result = result.assign(hsf_source="simulated")
    if gap.predicted:
        result = result.assign(gap_by="hsf_predicted")
    return result

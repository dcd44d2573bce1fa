"""The gap between people and the network: samples hard for one and easy for the other, from HSF and any score."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.empty_view import no_votes, not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable, check_scores
from avhcurate.errors import CurateError, Run
from avhcurate.features.disagreement.study import GapSets, Given, disagreement
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder

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
    hsf_cuts: Given = None,
    score_cuts: Given = None,
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
    found = disagreement(
        points["hsf"], points["value"], harder=SCORES[key].hard_end, hsf_cuts=hsf_cuts, score_cuts=score_cuts
    )
    points["gap"] = found.gap
    points["set"] = ""
    for name in SETS:
        points.iloc[getattr(found.sets, name), -1] = name
    members = points.iloc[np.concatenate([getattr(found.sets, name) for name in SETS])]
    points = points.assign(difficulty=found.difficulty)[points["gap"].notna()]
    return Gap(key=key, sets=found.sets, members=members, points=points, simulated=simulated, predicted=predicted)


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

"""Both sets of the human-network gap: hard for people and easy for the network, and the reverse."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avhcurate.disagreement.rules import HSF_CUTS, SCORE_CUTS, Cuts, GapSets, gap_sets
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.stats.ranks import rank_shares
from avhcurate.table.dataset_table import DatasetTable, check_scores
from avhcurate.table.filters import Filters

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


def disagree(
    table: DatasetTable,
    *,
    key: str | None = None,
    filters: Filters | None = None,
    hsf_cuts: Cuts = HSF_CUTS,
    score_cuts: Cuts = SCORE_CUTS,
    predicted: bool = False,
) -> Gap:
    """The samples in view on which people and the network differ by score `key`; refused without votes or a run.

    Default: AVH, else the best measure of hardness that the run has. `predicted` takes predicted HSF in place of votes,
    so that samples without votes are compared too.
    """
    name = table.dataset.name
    if table.run is None or table.votes is None:
        missing = "model run" if table.run is None else "human votes"
        advice = f"`avhcurate score {name} --model MODEL`" if table.run is None else f"`avhcurate votes {name} FILE`"
        raise CurateError(f"dataset {name} has no {missing}: run {advice}")
    key = key or table.hardness
    check_scores(table, [key])
    if predicted and table.prediction is None:
        raise CurateError(f"HSF of {name} is not predicted yet: run `avhcurate predict {name}`")
    human = "hsf_predicted" if predicted else "hsf"
    points = table.frame(filters or Filters(), columns=["id", human, key]).rename(columns={human: "hsf"})
    sets = gap_sets(points["hsf"], points[key], harder=SCORES[key].hard_end, hsf_cuts=hsf_cuts, score_cuts=score_cuts)
    ids = {name: points["id"].iloc[getattr(sets, name)].astype(int).tolist() for name in SETS}
    simulated = table.prediction.record.votes_simulated if predicted and table.prediction else table.simulated
    return Gap(key, sets, ids, points, simulated, predicted)


def compared_points(gap: Gap) -> pd.DataFrame:
    """Every sample that was compared: `id, hsf, value, difficulty, set`.

    `difficulty` is the share of samples that the network finds easier, ties counted half.
    """
    there = ~np.isnan(gap.sets.gap)
    both, of_set = gap.points[there], np.zeros(len(there), np.int8)
    for code, name in enumerate(SETS, start=1):
        of_set[getattr(gap.sets, name)] = code
    value = both[gap.key].to_numpy(float)
    difficulty = value if gap.sets.harder == "high" else -value
    return pd.DataFrame(
        {
            "id": both["id"].to_numpy(np.int64),
            "hsf": both["hsf"].to_numpy(float),
            "value": value,
            "difficulty": rank_shares(difficulty),
            "set": pd.Categorical.from_codes(of_set[there], pd.Index(["", *SETS])),
        }
    )


def members_only(gap: Gap) -> Gap:
    """The same without the samples in neither set, to be kept: tables and galleries need no more."""
    rows = np.concatenate([gap.sets.hard_for_humans, gap.sets.hard_for_network])
    humans, network = np.split(np.arange(len(rows)), [len(gap.sets.hard_for_humans)])
    sets = replace(gap.sets, gap=gap.sets.gap[rows], hard_for_humans=humans, hard_for_network=network)
    return replace(gap, sets=sets, points=gap.points.iloc[rows])


def gap_table(table: DatasetTable, gap: Gap) -> pd.DataFrame:
    """Both sets as one table: `set, gap`, then the columns of an export.

    Columns at its end mark simulated votes, and sets by predicted HSF.
    """
    parts = [pd.DataFrame({"id": ids, "set": name}) for name, ids in gap.ids.items()]
    chosen = pd.concat(parts, ignore_index=True)
    widths = pd.DataFrame({"id": gap.points["id"].astype("int64"), "gap": gap.sets.gap})
    chosen = chosen.astype({"id": "int64"}).merge(widths, on="id")
    some = Filters(excluded=None, ids=tuple(chosen["id"]))
    rows = table.frame(some, columns=[*table.standard, *table.user_columns])
    rows["tags"] = rows["tags"].map(";".join)
    result = chosen.merge(rows, on="id", how="left")
    marks = {"hsf_source": "simulated"} if gap.simulated else {}
    marks |= {"gap_by": "hsf_predicted"} if gap.predicted else {}
    return result.assign(**marks)

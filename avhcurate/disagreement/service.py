"""Both sets of the human-network gap: hard for people and easy for the network, and the reverse."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from avhcurate.disagreement.rules import Cuts, Disagreement
from avhcurate.disagreement.rules import disagree as find_sets
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable, check_scores
from avhcurate.table.filters import Filters

#: Name of each set in files, and in words.
SETS = {
    "hard_for_humans": "Hard for humans, easy for the network",
    "hard_for_network": "Hard for the network, easy for humans",
}


@dataclass(frozen=True)
class Gap:
    """`sets` is the finding; `ids` are the ids of each set, widest gap first; `points` holds `id, hsf, score`."""

    key: str
    sets: Disagreement
    ids: dict[str, list[int]]
    points: pd.DataFrame
    simulated: bool


def disagree(
    table: DatasetTable,
    *,
    key: str = "avh",
    filters: Filters | None = None,
    hsf_cuts: Cuts | None = None,
    score_cuts: Cuts | None = None,
) -> Gap:
    """The samples in view on which people and the network differ by score `key`.

    Default: HSF at or below 0.2 (at or above 0.8), and the easiest (hardest) fifth by the score. Refused without
    votes or without a run.
    """
    name = table.dataset.name
    if table.run is None or table.votes is None:
        missing = "model run" if table.run is None else "human votes"
        command = f"score {name} --model MODEL" if table.run is None else f"votes {name} FILE"
        raise CurateError(f"dataset {name} has no {missing}: run `avhcurate {command}`")
    check_scores(table, [key])
    points = table.frame(filters or Filters(), columns=["id", "hsf", key])
    sets = find_sets(
        points["hsf"],
        points[key],
        harder=SCORES[key].harder,
        hsf_cuts=hsf_cuts or Cuts(0.2, 0.8),
        score_cuts=score_cuts or Cuts(0.2, 0.8, quantile=True),
    )
    rows = {"hard_for_humans": sets.hard_for_humans, "hard_for_network": sets.hard_for_network}
    ids = {name: points["id"].iloc[found].astype(int).tolist() for name, found in rows.items()}
    return Gap(key, sets, ids, points, table.simulated)


def compared_points(gap: Gap) -> pd.DataFrame:
    """Every sample that was compared: `id, hsf, value, difficulty, set`.

    `difficulty` is the share of samples that the network finds easier, ties counted half.
    """
    both = gap.points[~np.isnan(gap.sets.gap)]
    value, ids = both[gap.key].to_numpy(float), both["id"].to_numpy(np.int64)
    of_set = np.full(len(ids), "", dtype="<U16")
    for name, members in gap.ids.items():
        of_set[np.isin(ids, members)] = name
    difficulty = value if gap.sets.harder == "high" else -value
    return pd.DataFrame(
        {
            "id": ids,
            "hsf": both["hsf"].to_numpy(float),
            "value": value,
            "difficulty": (rankdata(difficulty) - 0.5) / max(1, len(ids)),
            "set": of_set,
        }
    )


def gap_table(table: DatasetTable, gap: Gap) -> pd.DataFrame:
    """Both sets as one table: `set, gap`, then the columns of an export; marked when the votes are simulated."""
    parts = [pd.DataFrame({"id": ids, "set": name}) for name, ids in gap.ids.items()]
    chosen = pd.concat(parts, ignore_index=True)
    widths = pd.DataFrame({"id": gap.points["id"].astype("int64"), "gap": gap.sets.gap})
    chosen = chosen.astype({"id": "int64"}).merge(widths, on="id")
    some = Filters(excluded=None, ids=tuple(chosen["id"]))
    rows = table.frame(some, columns=[*table.standard, *table.user_columns])
    rows["tags"] = rows["tags"].map(";".join)
    result = chosen.merge(rows, on="id", how="left")
    return result.assign(hsf_source="simulated") if gap.simulated else result

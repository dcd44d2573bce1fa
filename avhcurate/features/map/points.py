"""Points of a map: the samples in view that have a place on it, and what colours each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map.store import MapFolder
from avhcurate.people.bins import bin_index, bin_labels

#: What samples can be coloured by, other than numbers and tags.
KINDS = {
    "label": "Class",
    "predicted": "Predicted class",
    "mistake": "Right or mistaken",
    "hsf_bin": "HSF bin",
    "split": "Split",
    "excluded": "Excluded",
}
#: Before the name of a tag to colour by, and of a user's column whose name would mean something else.
TAG, OWN = "tag:", "own:"

#: Digits of a number, and characters of a path, to look for.
_LONGEST_ID, _LONGEST_TEXT = 18, 200


@dataclass(frozen=True)
class MapPoints:
    """Samples by id: `ids` (n,), places `x`, `y` (n,) float32 and `labels` (n,), -1 for none.

    Coloured by a number, `values` (n,) holds it, NaN where it is missing. Else `groups` (n,) holds the position of each
    sample's group in `names`, -1 for none.
    """

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray
    labels: np.ndarray
    values: np.ndarray | None = None
    groups: np.ndarray | None = None
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def color_options(table: DatasetTable) -> dict[str, str]:
    """Return what samples of a table can be coloured by: key to its name, "" for a score.

    Of the user's columns these are numbers, and texts and truths of few values.
    """
    kinds = dict(KINDS)
    numbers = list(table.scores)
    if table.votes:
        numbers.append("hsf")
    else:
        del kinds["hsf_bin"]
    if not len(table.group_counts("split")["value"].dropna()):
        del kinds["split"]
    usable = {*table.own("number"), *table.groups}
    own = {_own_key(name): name for name in table.user_columns if name in usable}
    tags = {f"{TAG}{tag}": f"Tag {tag}" for tag in table.group_counts("tags")["value"]}
    return kinds | dict.fromkeys(numbers, "") | own | tags


def column_of(color: str) -> str:
    """Return the column of a key of `color_options` that is neither a kind nor a tag."""
    return color.removeprefix(OWN)


def _own_key(name: str) -> str:
    if name in KINDS or name.startswith((TAG, OWN)):
        return f"{OWN}{name}"
    return name


def find_sample(table: DatasetTable, text: str) -> int | None:
    """Return the id of the image that a text means: its number, else the first whose path holds the text."""
    if text.isascii() and text.isdigit() and len(text) < _LONGEST_ID and int(text) < table.size:
        return int(text)
    held = text[:_LONGEST_TEXT].lower().replace("'", "''")
    found = table.page(Filters(excluded=None, where=f"contains(lower(path), '{held}')"), columns=["id"], limit=1)
    return next(iter(found["id"].tolist()), None)


def place_of(folder: MapFolder, id: int) -> tuple[float, float] | None:
    """Return where a sample lies on a map; None if it has no place."""
    ids, places = folder.coordinates()
    at = int(np.searchsorted(ids, id))
    if at == len(ids) or ids[at] != id:
        return None
    return float(places[at, 0]), float(places[at, 1])


def points_in_view(table: DatasetTable, folder: MapFolder, filters: Filters, *, color: str) -> MapPoints:
    """Return the samples that satisfy the filters and have a place; `color` is a key of `color_options`."""
    column = column_of(color)
    columns = ["id", "label", "predicted"]
    if color == "hsf_bin":
        columns.append("hsf")
    elif not color.startswith(TAG) and color not in ("mistake", *columns):
        columns.append(column)
    frame = table.frame(filters, columns=columns)
    ids, places = folder.coordinates()
    at = pd.Index(ids).get_indexer(frame["id"])
    frame, at = frame[at >= 0], at[at >= 0]
    points = MapPoints(frame["id"].to_numpy(np.int64), places[at, 0], places[at, 1], _codes(frame["label"]))
    if color in KINDS or color.startswith(TAG) or table.kinds.get(column) in ("text", "yes or no"):
        groups, names = _groups(table, points, frame, filters, color)
        return replace(points, groups=groups, names=tuple(names))
    return replace(points, values=frame[column].to_numpy(np.float64, na_value=np.nan))


def _groups(
    table: DatasetTable, points: MapPoints, frame: pd.DataFrame, filters: Filters, color: str
) -> tuple[np.ndarray, Sequence[str]]:
    """Return the group of each sample, and the names of the groups in their order."""
    if color in ("label", "predicted"):
        return _codes(frame[color]), table.classes
    if color == "mistake":
        predicted = _codes(frame["predicted"])
        known = (points.labels >= 0) & (predicted >= 0)
        return np.where(known, points.labels != predicted, -1).astype(np.int32), ("right", "mistaken")
    if color == "excluded":
        return frame["excluded"].to_numpy(bool).astype(np.int32), ("kept", "excluded")
    if color.startswith(TAG):
        tag = color.removeprefix(TAG)
        tagged = table.frame(filters.with_(tags=(*filters.tags, tag)), columns=["id"])["id"].to_numpy(np.int64)
        return np.isin(points.ids, tagged).astype(np.int32), ("without it", tag)
    if color == "hsf_bin":
        return bin_index(frame["hsf"].to_numpy(float), table.edges).astype(np.int32), bin_labels(table.edges)
    groups = pd.Categorical(frame[column_of(color)])
    return groups.codes.astype(np.int32), [
        {False: "no", True: "yes"}.get(name, str(name)) for name in groups.categories
    ]


def _codes(column: pd.Series) -> np.ndarray:
    return column.to_numpy(np.int32, na_value=-1)

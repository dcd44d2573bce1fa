"""Points of a map: the samples in view that have a place on it, and what colours each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avhcurate.map.store import MapFolder
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.votes.bins import bin_index, bin_labels

#: What samples can be coloured by besides numbers and tags, and its name.
KINDS = {
    "label": "Class",
    "predicted": "Predicted class",
    "mistake": "Right or mistaken",
    "hsf_bin": "HSF bin",
    "split": "Split",
    "excluded": "Excluded",
}
#: Before the name of a tag to colour by, and of a column of the user's whose name would mean something else.
TAG, OWN = "tag:", "own:"

#: Digits of a number, and characters of a path, to look for.
_LONGEST_ID, _LONGEST_TEXT = 18, 200

_TRUTHS = {False: "no", True: "yes"}


@dataclass(frozen=True)
class MapPoints:
    """Samples by id: `ids` (n,) and places `x`, `y` (n,) float32; `labels` and `predicted` (n,), -1 for none.

    `hardness` (n,) is the score by which the table ranks, NaN where it is missing.

    Coloured by a number, `values` (n,) holds it, NaN where it is missing; else `groups` (n,) holds the place of each
    sample's group in `names`, -1 for a sample of none.
    """

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    hardness: np.ndarray
    values: np.ndarray | None = None
    groups: np.ndarray | None = None
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shades(self) -> np.ndarray:
        """What the colours say: values, or groups."""
        shades = self.groups if self.values is None else self.values
        assert shades is not None
        return shades

    def take(self, chosen: np.ndarray) -> "MapPoints":
        """Some of the samples, by position or by a mask (n,)."""
        arrays = {name: array for name, array in vars(self).items() if isinstance(array, np.ndarray)}
        return replace(self, **{name: array[chosen] for name, array in arrays.items()})

    def within(self, window: tuple[float, float, float, float]) -> "MapPoints":
        """Those in a window (left, right, low, high)."""
        left, right, low, high = window
        return self.take((self.x >= left) & (self.x <= right) & (self.y >= low) & (self.y <= high))


def color_options(table: DatasetTable) -> dict[str, str]:
    """What samples of a table can be coloured by: key to its name, "" for a score.

    Of the user's columns: numbers, and texts and truths of few values.
    """
    absent = set() if table.votes else {"hsf_bin"}
    absent |= set() if len(table.group_counts("split")["value"].dropna()) else {"split"}
    kinds = {key: name for key, name in KINDS.items() if key not in absent}
    numbers = [*table.scores, *(["hsf"] if table.votes else [])]
    usable = {*table.own("number"), *table.groups}
    own = {_own_key(name): name for name in table.user_columns if name in usable}
    tags = [str(tag) for tag in table.group_counts("tags")["value"]]
    return kinds | dict.fromkeys(numbers, "") | own | {f"{TAG}{tag}": f"Tag {tag}" for tag in tags}


def column_of(color: str) -> str:
    """The column of a key of `color_options` that is neither a kind nor a tag."""
    return color.removeprefix(OWN)


def _own_key(name: str) -> str:
    return f"{OWN}{name}" if name in KINDS or name.startswith((TAG, OWN)) else name


def find_sample(table: DatasetTable, text: str) -> int | None:
    """The id of the image that a text means: its number, else the first whose path holds the text, in any case."""
    if text.isascii() and text.isdigit() and len(text) < _LONGEST_ID and int(text) < table.size:
        return int(text)
    held = text[:_LONGEST_TEXT].lower().replace("'", "''")
    found = table.page(Filters(excluded=None, where=f"contains(lower(path), '{held}')"), columns=["id"], limit=1)
    return int(found["id"].iloc[0]) if len(found) else None


def place_of(folder: MapFolder, id: int) -> tuple[float, float] | None:
    """Where a sample lies on a map; None where it has no place."""
    ids, places = folder.coordinates()
    at = int(np.searchsorted(ids, id))
    if at == len(ids) or ids[at] != id:
        return None
    return float(places[at, 0]), float(places[at, 1])


def points_in_view(table: DatasetTable, folder: MapFolder, filters: Filters, *, color: str) -> MapPoints:
    """The samples that satisfy the filters and have a place; `color` is a key of `color_options`."""
    columns = ["id", "label", "predicted", table.hardness]
    if not color.startswith(TAG) and color != "mistake":
        columns = list(dict.fromkeys([*columns, "hsf" if color == "hsf_bin" else column_of(color)]))
    frame = table.frame(filters, columns=columns)
    ids, places = folder.coordinates()
    wanted = frame["id"].to_numpy(np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), max(0, len(ids) - 1))
    placed = ids[at] == wanted if len(ids) else np.zeros(len(wanted), bool)
    frame, at = (frame, at) if placed.all() else (frame[placed], at[placed])
    labels, predicted = _codes(frame["label"]), _codes(frame["predicted"])
    hardness = frame[table.hardness].to_numpy(np.float64, na_value=np.nan)
    points = MapPoints(wanted[placed], places[at, 0], places[at, 1], labels, predicted, hardness)
    column = column_of(color)
    if color in KINDS or color.startswith(TAG) or table.kinds.get(column) in ("text", "yes or no"):
        groups, names = _groups(table, points, frame, filters, color)
        return replace(points, groups=groups, names=tuple(names))
    return replace(points, values=frame[column].to_numpy(np.float64, na_value=np.nan))


def _groups(
    table: DatasetTable, points: MapPoints, frame: pd.DataFrame, filters: Filters, color: str
) -> tuple[np.ndarray, Sequence[str]]:
    """The group of each sample, and the names of the groups in their order."""
    if color in ("label", "predicted"):
        return points.labels if color == "label" else points.predicted, table.classes
    if color == "mistake":
        known = (points.labels >= 0) & (points.predicted >= 0)
        return np.where(known, (points.labels != points.predicted).astype(np.int32), -1), ("right", "mistaken")
    if color == "excluded":
        return frame["excluded"].to_numpy(bool).astype(np.int32), ("kept", "excluded")
    if color.startswith(TAG):
        tag = color.removeprefix(TAG)
        tagged = table.frame(filters.with_(tags=(*filters.tags, tag)), columns=["id"])["id"].to_numpy(np.int64)
        return np.isin(points.ids, tagged, assume_unique=True).astype(np.int32), ("without it", tag)
    if color == "hsf_bin":
        return bin_index(frame["hsf"].to_numpy(float), table.edges).astype(np.int32), bin_labels(table.edges)
    groups = pd.Categorical(frame[column_of(color)])
    return groups.codes.astype(np.int32), [_TRUTHS.get(name, str(name)) for name in groups.categories]


def _codes(column: pd.Series) -> np.ndarray:
    return column.to_numpy(np.int32, na_value=-1)

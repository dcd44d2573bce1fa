"""Points of a map: the samples in view that have a place on it, and what colours each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
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
TAG = "tag:"
OWN = "own:"

#: Digits of a number, and characters of a path, to look for.
_LONGEST_ID = 18
_LONGEST_TEXT = 200


def color_options(samples: SampleTable) -> dict[str, str]:
    """Return what samples of a table can be coloured by: key to its name, "" for a score.

    Of the user's columns these are numbers, and texts and truths of few values.
    """
    kinds = dict(KINDS)
    numbers = list(samples.scores)
    if samples.votes:
        numbers.append("hsf")
    else:
        del kinds["hsf_bin"]
    if not len(samples.group_counts("split")["value"].dropna()):
        del kinds["split"]
    usable = {*samples.own("number"), *samples.groups}
    columns = {_own_key(name): name for name in samples.user_columns if name in usable}
    tags = {f"{TAG}{tag}": f"Tag {tag}" for tag in samples.group_counts("tags")["value"]}
    return kinds | dict.fromkeys(numbers, "") | columns | tags


def column_of(color: str) -> str:
    """Return the column of a key of `color_options` that is neither a kind nor a tag."""
    return color.removeprefix(OWN)


def _own_key(name: str) -> str:
    if name in KINDS or name.startswith((TAG, OWN)):
        return f"{OWN}{name}"
    return name


def find_sample(samples: SampleTable, text: str) -> int | None:
    """Return the id of the image that a text means: its number, else the first whose path holds the text."""
    if text.isascii() and text.isdigit() and len(text) < _LONGEST_ID and int(text) < samples.size:
        return int(text)
    part = text[:_LONGEST_TEXT].lower().replace("'", "''")
    rows = samples.page(Filters(excluded=None, where=f"contains(lower(path), '{part}')"), columns=["id"], limit=1)
    return next(iter(rows["id"].tolist()), None)


def points_in_view(samples: SampleTable, folder: MapFolder, filters: Filters, *, color: str) -> pd.DataFrame:
    """Return the samples that satisfy the filters and have a place, by id: `id, x, y, label, color`.

    `label` is -1 for none. `color`, of a key of `color_options`, is a number, NaN where it is missing, or a category.
    """
    column = column_of(color)
    columns = ["id", "label", "predicted"]
    if color == "hsf_bin":
        columns.append("hsf")
    elif not color.startswith(TAG) and color not in ("mistake", *columns):
        columns.append(column)
    frame = samples.frame(filters, columns=columns)
    ids, places = folder.coordinates()
    at = pd.Index(ids).get_indexer(frame["id"])
    frame = frame[at >= 0]
    places = places[at[at >= 0]]
    classes = {name: frame[name].to_numpy(np.int32, na_value=-1) for name in ("label", "predicted")}
    label = classes["label"]
    points = pd.DataFrame({"id": frame["id"].to_numpy(np.int64), "x": places[:, 0], "y": places[:, 1], "label": label})
    codes: ArrayLike
    names: Sequence[str]
    if color in classes:
        codes = classes[color]
        names = samples.classes
    elif color == "mistake":
        codes = np.where((label < 0) | (classes["predicted"] < 0), -1, label != classes["predicted"])
        names = ("right", "mistaken")
    elif color == "excluded":
        codes = frame[color]
        names = ("kept", "excluded")
    elif color == "hsf_bin":
        codes = bin_index(frame["hsf"].to_numpy(float), samples.edges)
        names = bin_labels(samples.edges)
    elif color.startswith(TAG):
        tagged = samples.frame(filters.with_(tags=(*filters.tags, color.removeprefix(TAG))), columns=["id"])["id"]
        codes = points["id"].isin(tagged)
        names = ("without it", "with it")
    elif color == "split" or samples.kinds.get(column) in ("text", "yes or no"):
        codes, values = pd.factorize(frame[column], sort=True)
        names = [{False: "no", True: "yes"}.get(value, str(value)) for value in values]
    else:
        return points.assign(color=frame[column].to_numpy(np.float64, na_value=np.nan))
    return points.assign(color=pd.Categorical.from_codes(np.asarray(codes, int), pd.Index(names)))

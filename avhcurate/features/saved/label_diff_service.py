"""What differs between the labels of two datasets, two moments of them, or two files."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.curate.label_lists import LabelList, read_label_list
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.saved import diff_rules
from avhcurate.features.saved.diff_rules import counts_of, text_of
from avhcurate.features.saved.diff_service import moment, state
from avhcurate.people.row_matching import match_paths, plain_paths
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import user_path

#: A class index as text.
_INDEX = r"\d+"


@dataclass(frozen=True)
class LabelDiff:
    """What differs between two lists of labels, whose titles are `before` and `after`.

    `changes` has a row for each difference, see `diff_rules.label_differences`; `pairs` and `classes` count by class.
    """

    before: str
    after: str
    changes: pd.DataFrame
    pairs: pd.DataFrame
    classes: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many differences there are of each kind that occurs."""
        return counts_of(self.changes)

    @property
    def text(self) -> str:
        """The same in words."""
        return text_of(self.counts)

    def result(self) -> dict[str, Any]:
        """Return all of it but the single differences, for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "counts": self.counts,
            "pairs": self.pairs,
            "classes": self.classes,
            "notes": list(self.notes),
        }


def of_one_dataset(workspace: Workspace, first: str, second: str) -> bool:
    """Return whether two names are of moments of one dataset, as one name alone is."""
    if not second:
        if _is_file(workspace, first):
            raise CurateError(f"{first} is a file. Say also which dataset or file it is compared with.")
        return True
    return moment(first)[0] == moment(second)[0] and not _is_file(workspace, second)


def labels_named(workspace: Workspace, text: str) -> LabelList:
    """Return the labels of DATASET as they are now, of DATASET@ENTRY, or of a file."""
    if _is_file(workspace, text):
        return replace(read_label_list(user_path(text)), title=text)
    name, entry = moment(text)
    opened = open_dataset(workspace, name)
    return labels_of(opened.decisions, opened.run, entry)


def _is_file(workspace: Workspace, text: str) -> bool:
    return moment(text)[0] not in workspace.names() and user_path(text).is_file()


def labels_of(decisions: Decisions, run: RunFolder | None, entry: int | None = None) -> LabelList:
    """Return the labels of a dataset after an entry of its history, by default now."""
    title = decisions.samples.name
    if entry is None:
        rows = decisions.samples.frame(columns=["id", "path", "curated_label_name", "excluded"])
        rows["label"] = rows.pop("curated_label_name").fillna("")
    else:
        title += f"@{entry}"
        rows = state(decisions, run, entry)[["id", "path", "label", "excluded"]]
    rows = rows.astype({"id": "str", "path": "str", "label": "str", "excluded": bool})
    return LabelList(title, rows, decisions.samples.classes)


def compare_labels(before: LabelList, after: LabelList) -> LabelDiff:
    """Return what differs between two lists of labels.

    Images are matched by path, or by id where a list has no path. Of two lists without a common path, one may name the
    end of the other's, where only one image has it. Indices are names where either says its classes. Raise CurateError
    where a list gives one image two labels, and where one has indices and the other names.
    """
    key = next((key for key in ("path", "id") if key in before.rows and key in after.rows), None)
    if key is None:
        raise CurateError(f"{before.title} and {after.title} do not both name images by path, or by id.")
    classes = before.classes or after.classes
    notes: list[str] = []
    old = _named_images(before, key, before.classes or classes, notes)
    new = _named_images(after, key, after.classes or classes, notes)
    _check_alike((before.title, old["label"]), (after.title, new["label"]))
    if not _number(old, new):
        old["name"] = _by_ends(old["name"], new["name"])
        shared = _number(old, new)
        notes.append(f"No {key} is in both. {shared:,} images are matched by the end of their path.")
    old = _once(old, before.title)
    new = _once(new, after.title)
    changes = diff_rules.label_differences(old, new)
    return LabelDiff(
        before=before.title,
        after=after.title,
        changes=changes,
        pairs=diff_rules.pairs_of_classes(changes),
        classes=diff_rules.class_counts(old, new),
        notes=tuple(notes),
    )


def _named_images(labels: LabelList, key: str, classes: tuple[str, ...], notes: list[str]) -> pd.DataFrame:
    """Return `path, label, excluded`, and `name`, which says what image it is, of the rows that say it."""
    rows = labels.rows
    rows = rows.assign(path=rows[key], label=_named(rows["label"], classes))[["path", "label", "excluded"]]
    rows["name"] = plain_paths(pa.chunked_array([pa.array(rows["path"], pa.string())]))
    named = rows["name"] != ""
    if not named.all():
        notes.append(f"{(~named).sum():,} rows of {labels.title} name no image.")
    return rows[named]


def _number(old: pd.DataFrame, new: pd.DataFrame) -> int:
    """Make numbers of the names the index of both, and return how many names are in both."""
    codes, names = pd.factorize(pd.concat([old["name"], new["name"]]))
    of_old, of_new = np.split(codes, [len(old)])
    old.index = pd.Index(of_old)
    new.index = pd.Index(of_new)
    in_old, in_new = (np.bincount(part, minlength=len(names)) > 0 for part in (of_old, of_new))
    return int((in_old & in_new).sum())


def _once(rows: pd.DataFrame, title: str) -> pd.DataFrame:
    """Return the first row of each image; raise CurateError where another one has a different label."""
    first = rows[~rows.index.duplicated()]
    if len(first) < len(rows):
        different = rows[(rows["label"] != first["label"].reindex(rows.index)).to_numpy()]
        if len(different):
            raise CurateError(
                f"{title} gives {different.index.nunique():,} images different labels, first "
                f"{different['path'].iloc[0]!r}. Keep one row of each."
            )
    return first


def _named(labels: pd.Series, classes: tuple[str, ...]) -> pd.Series:
    """Return class names in place of indices, where no label is the name of a class."""
    if classes and _are_indices(labels) and not labels.isin(classes).any():
        return labels.map({str(index): name for index, name in enumerate(classes)}).fillna(labels)
    return labels


def _are_indices(labels: pd.Series) -> bool:
    return bool(labels[labels != ""].drop_duplicates().str.fullmatch(_INDEX).all())


def _check_alike(first: tuple[str, pd.Series], second: tuple[str, pd.Series]) -> None:
    """Refuse two lists, each a title and its labels, of which one has class indices and the other names."""
    for (title, labels), (other, names) in ((first, second), (second, first)):
        indices = labels[labels != ""].drop_duplicates()
        known = names.drop_duplicates()
        if len(indices) and _are_indices(indices) and not _are_indices(known) and not indices.isin(known).any():
            raise CurateError(f"{title} has class indices, {other} class names. Give both a column label_name.")


def _by_ends(names: pd.Series, others: pd.Series) -> pd.Series:
    """Return for each name the other one that is its end, or whose end it is, if it is the only one; else itself."""
    places, _ = match_paths(*(pa.chunked_array([pa.array(column, pa.string())]) for column in (names, others)))
    alone = (places >= 0) & ~pd.Series(places).duplicated(keep=False).to_numpy()
    result = names.copy()
    result[alone] = others.iloc[places[alone]].to_numpy()
    return result

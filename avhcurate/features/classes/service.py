"""The classes of a dataset: their counts, accuracy and crossings, pairs to merge and classes to split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from avhcurate.datasets.curate.classes import check_known, parts_by
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.levels import at_parents
from avhcurate.features.classes.rules import nearest_classes, pairs_of, two_parts
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import batched

#: What splits a class into the two parts that its embeddings fall into.
EMBEDDINGS = "embeddings"
#: A class of fewer images is not asked whether it holds two kinds; images that are drawn, of a class and of all.
_FEWEST = 20
_OF_A_CLASS = 500
_OF_ALL = 50_000
#: Images whose embeddings are read at once, and counts of votes.
_AT_ONCE = 4096
_NUMBERS = 1 << 23
#: What is compared at the level of classes and of parents.
_LEVELS = [f"{key}{level}" for key in ("accuracy", "hsf", "avh") for level in ("", "_parent")]


@dataclass(frozen=True)
class Classes:
    """`classes` with a row each, `pairs` as of `pairs_of`, and `splits`: classes by how far two parts lie apart.

    `levels`: what is known at the level of classes and of parents, see `_levels`. `chosen_by`: whose choices cross,
    "votes", "simulated votes" or "predictions".
    """

    classes: pd.DataFrame
    pairs: pd.DataFrame
    splits: pd.DataFrame
    levels: pd.DataFrame
    chosen_by: str


def classes_of(table: DatasetTable) -> Classes:
    """Return what is known of the classes, over the images that are not excluded."""
    rows = table.frame(Filters(), columns=["id", "label", "curated_label", "predicted"])
    number = len(table.classes)
    labels = rows["label"].to_numpy(int, na_value=-1)
    judged = rows.dropna(subset=["label", "predicted"])
    chosen, chosen_by = _chosen(table, rows["id"].to_numpy(), labels, judged)
    weights = _class_weights(table)
    (nearest,), (angle,) = (found.T for found in nearest_classes(weights, count=1))
    rows["right"] = (judged["label"] == judged["predicted"]).astype(float)
    of_class = rows.groupby("label")["right"].agg(["size", "mean"]).reindex(range(number))
    votes = chosen.sum(axis=1)
    with np.errstate(invalid="ignore"):
        classes = pd.DataFrame(
            {
                "class": table.classes,
                "images": of_class["size"].fillna(0).astype(int),
                "labelled": rows["curated_label"].value_counts().reindex(range(number), fill_value=0).to_numpy(),
                "accuracy": of_class["mean"],
                "crossings": 1 - chosen.diagonal() / votes,
                "nearest": np.where(nearest >= 0, np.array(table.classes, object)[nearest], ""),
                "angle": angle,
            }
        )
    means, splits = _embedded(table, rows["id"].to_numpy(), labels)
    return Classes(
        classes=classes,
        pairs=pairs_of(table.classes, chosen, means, weights),
        splits=splits,
        levels=_levels(table, chosen),
        chosen_by=chosen_by,
    )


def _levels(table: DatasetTable, chosen: sparse.coo_array) -> pd.DataFrame:
    """Return a row for all images and for each parent: means at the level of classes and, `KEY_parent`, of parents.

    Of `accuracy`, `hsf` and `avh`. `within` and `across`: the choices (K, K) for another class of the same parent, and
    of another one; `within_share`: the share of the first. No rows where classes have no parents.
    """
    if not table.parents:
        return pd.DataFrame()
    samples = at_parents(table, Filters())
    judged = samples.dropna(subset="predicted")
    samples["accuracy"] = (judged["predicted"] == judged["label"]).astype(float)
    samples["accuracy_parent"] = (judged["predicted_parent"] == judged["parent"]).astype(float)
    parents = np.array(table.parents, object)
    label, other = chosen.coords
    wrong = label != other
    inside = parents[label] == parents[other]
    within = np.bincount(label, chosen.data * (wrong & inside), len(parents)).astype(np.int64)
    across = np.bincount(label, chosen.data * ~inside, len(parents)).astype(np.int64)
    classes = pd.DataFrame({"parent": parents, "within": within, "across": across})
    counts, means = (
        pd.concat([rows.assign(parent="all images"), rows]).groupby("parent", sort=False) for rows in (classes, samples)
    )
    levels = means[_LEVELS].mean().join(counts.sum())
    levels.insert(0, "images", means.size())
    return levels.assign(within_share=levels["within"] / (levels["within"] + levels["across"])).reset_index()


def _chosen(
    table: DatasetTable, ids: np.ndarray, labels: np.ndarray, judged: pd.DataFrame
) -> tuple[sparse.coo_array, str]:
    """Return how often images of each class were taken for each class, (K, K), by people or else by the run."""
    number = len(table.classes)
    votes = table.vote_counts()
    if votes is None or "counts" not in votes:
        label, predicted = judged[["label", "predicted"]].to_numpy(int).T
        return _counted(label, predicted, np.ones(len(judged), np.int64), number), "predictions"
    label_of = np.full(table.size, -1)
    label_of[ids] = labels
    given = label_of[votes["id"]]
    cells = []
    for start in range(0, len(votes), step := max(1, _NUMBERS // number)):
        counts = np.stack(votes["counts"].iloc[start : start + step].to_list())
        rows, columns = counts.nonzero()
        cells.append(np.stack([given[start : start + step][rows], columns, counts[rows, columns]]))
    label, answer, times = np.concatenate([np.empty((3, 0), np.int64), *cells], axis=1)
    known = label >= 0
    kind = "votes"
    if table.simulated:
        kind = "simulated votes"
    return _counted(label[known], answer[known], times[known], number), kind


def _counted(rows: np.ndarray, columns: np.ndarray, times: np.ndarray, number: int) -> sparse.coo_array:
    """Return a sparse table (number, number) of how often each cell comes, each once."""
    counts = sparse.coo_array((times, (rows, columns)), (number, number))
    counts.sum_duplicates()
    return counts


def _class_weights(table: DatasetTable) -> np.ndarray:
    """Return the class weights that the run has, (K, D), NaN for a class without its own."""
    run = table.run
    if run is None or not run.as_made.has_class_weights:
        return np.full((len(table.classes), 1), np.nan)
    made = run.as_made.class_weights()
    rows = np.arange(len(table.classes))
    if run.today is not None:
        rows = run.today.rows
    return np.where(rows[:, None] >= 0, made[rows], np.nan)


def _embedded(table: DatasetTable, ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the mean embedding of each class, (K, D), NaN for none, and `class, apart, images`, what looks most like
    two classes first; of images that are drawn.
    """
    run = table.run
    columns = ["class", "apart", "images"]
    if run is None or not run.has_features:
        return np.full((len(table.classes), 1), np.nan), pd.DataFrame(columns=columns)
    most = min(_OF_A_CLASS, 1 + _OF_ALL // len(table.classes))
    scored = np.isin(ids, run.scored_ids())
    of_class = _by_class(ids[scored], labels[scored], len(table.classes))
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.permutation(members)[:most]) for members in of_class if len(members)]
    there = [label for label, members in enumerate(of_class) if len(members)]
    means = np.full((len(table.classes), run.record.width), np.nan)
    rows = []
    for part in batched(zip(there, drawn, strict=True), max(1, _AT_ONCE // most)):
        read = run.features_of(np.concatenate([members for _, members in part]))
        ends = np.cumsum([len(members) for _, members in part])
        for (label, _), features in zip(part, np.split(read, ends[:-1]), strict=True):
            means[label] = features.mean(axis=0)
            if len(features) >= _FEWEST:
                rows.append((table.classes[label], two_parts(features)[1], len(of_class[label])))
    splits = pd.DataFrame(rows, columns=columns)
    return means, splits.sort_values("apart", ascending=False, kind="stable", ignore_index=True)


def _by_class(ids: np.ndarray, labels: np.ndarray, number: int) -> list[np.ndarray]:
    """Return the ids of each class, in their order."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(number + 1))
    return np.split(ids[order], ends)[1:-1]


def parts(table: DatasetTable, name: str, by: str = EMBEDDINGS) -> dict[int, str]:
    """Return the part of images of a class by id, as `parts_by`, or by the two parts of its embeddings."""
    check_known(table, [name])
    if by != EMBEDDINGS or table.run is None:
        return parts_by(table, name, by)
    ids = table.order(Filters(classes=(table.classes.index(name),)))
    part, _ = two_parts(table.run.features_of(ids))
    return dict.fromkeys(ids[part].tolist(), f"{name} 2")


def run_notes(table: DatasetTable) -> list[str]:
    """Return for each run which of its classes is now which, where that has changed."""
    return [f"{run.name}: {_note(run)}" for run in table.dataset.runs() if run.today]


def _note(run: RunFolder) -> str:
    assert run.today is not None
    rows = run.today.numbers
    names = run.record.classes
    if len(names) != len(rows):
        names = list(map(str, range(len(rows))))
    made = {name: [names[row] for row in np.flatnonzero(rows == k)] for k, name in enumerate(run.today.classes)}
    parts = [f"{name} is {' + '.join(old)}" for name, old in made.items() if old not in ([], [name])]
    if gone := [name for name, row in zip(names, rows, strict=True) if row < 0]:
        parts.append(f"{listed(gone, 5)} counts no more")
    if run.today.lacking:
        parts.append(f"no class weights of {listed(run.today.lacking, 5)}, so no AVH of its images")
    return "; ".join(parts)

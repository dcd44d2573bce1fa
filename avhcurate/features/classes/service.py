"""The classes of a dataset: their counts, accuracy and crossings, pairs to merge and classes to split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.classes import check_known, parts_by
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.levels import at_parents
from avhcurate.features.classes.rules import angles_between, pairs_of, two_parts
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.columns import listed

#: What splits a class into the two parts that its embeddings fall into.
EMBEDDINGS = "embeddings"
#: A class of fewer images is not asked whether it holds two kinds; images that are drawn, of a class and of all.
_FEWEST = 20
_OF_A_CLASS = 500
_OF_ALL = 50_000
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
    weights = angles_between(_class_weights(table))
    others = np.where(np.isnan(weights) | np.eye(number, dtype=bool), np.inf, weights)
    nearest = others.argmin(axis=1)
    angle = others[np.arange(number), nearest]
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
                "crossings": 1 - np.diag(chosen) / votes,
                "nearest": np.where(np.isfinite(angle), np.array(table.classes, object)[nearest], ""),
                "angle": np.where(np.isfinite(angle), angle, np.nan),
            }
        )
    means, splits = _embedded(table, rows["id"].to_numpy(), labels)
    return Classes(
        classes=classes,
        pairs=pairs_of(table.classes, chosen, angles_between(means), weights),
        splits=splits,
        levels=_levels(table, chosen),
        chosen_by=chosen_by,
    )


def _levels(table: DatasetTable, chosen: np.ndarray) -> pd.DataFrame:
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
    wrong = chosen * ~np.eye(len(parents), dtype=bool)
    within = (wrong * (parents[:, None] == parents)).sum(axis=1)
    classes = pd.DataFrame({"parent": parents, "within": within, "across": wrong.sum(axis=1) - within})
    counts, means = (
        pd.concat([rows.assign(parent="all images"), rows]).groupby("parent", sort=False) for rows in (classes, samples)
    )
    levels = means[_LEVELS].mean().join(counts.sum())
    levels.insert(0, "images", means.size())
    return levels.assign(within_share=levels["within"] / (levels["within"] + levels["across"])).reset_index()


def _chosen(table: DatasetTable, ids: np.ndarray, labels: np.ndarray, judged: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Return how often images of each class were taken for each class, (K, K), by people or else by the run."""
    number = len(table.classes)
    chosen = np.zeros((number, number), np.int64)
    votes = table.vote_counts()
    if votes is not None and "counts" in votes:
        label_of = np.full(table.size, -1)
        label_of[ids] = labels
        given = label_of[votes["id"]]
        counts = np.stack(votes["counts"].to_list())
        np.add.at(chosen, given[given >= 0], counts[given >= 0])
        return chosen, "simulated votes" if table.simulated else "votes"
    np.add.at(chosen, tuple(judged[["label", "predicted"]].to_numpy(int).T), 1)
    return chosen, "predictions"


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
    rng = np.random.default_rng(0)
    most = min(_OF_A_CLASS, 1 + _OF_ALL // len(table.classes))
    scored = np.isin(ids, run.scored_ids())
    ids = ids[scored]
    labels = labels[scored]
    means = np.full((len(table.classes), run.record.width), np.nan)
    rows = []
    for label, name in enumerate(table.classes):
        of_class = ids[labels == label]
        if len(of_class):
            features = run.features_of(np.sort(rng.permutation(of_class)[:most]))
            means[label] = features.mean(axis=0)
            if len(features) >= _FEWEST:
                rows.append((name, two_parts(features)[1], len(of_class)))
    splits = pd.DataFrame(rows, columns=columns)
    return means, splits.sort_values("apart", ascending=False, kind="stable", ignore_index=True)


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

"""The classes of a dataset: their counts, accuracy and crossings, pairs to merge and classes to split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from avhcurate.datasets.curate.classes import check_known, parts_by
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.levels import at_parents
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.classes.rules import nearest_classes, two_parts
from avhcurate.features.classes.study import Embeddings, cells_of, count_choices, propose
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.columns import listed

#: What splits a class into the two parts that its embeddings fall into.
EMBEDDINGS = "embeddings"
#: Counts of votes that are read at once.
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


def classes_of(samples: SampleTable, run: RunFolder | None, votes: Votes) -> Classes:
    """Return what is known of the classes, over the images that are not excluded."""
    rows = samples.frame(Filters(), columns=["id", "label", "curated_label", "predicted"])
    number = len(samples.classes)
    labels = rows["label"].to_numpy(int, na_value=-1)
    predictions = rows.dropna(subset=["label", "predicted"])
    choices, chosen_by = _choices(samples, votes, rows["id"].to_numpy(), labels, predictions)
    weights = _class_weights(samples, run)
    (nearest,), (angle,) = (found.T for found in nearest_classes(weights, count=1))
    rows["right"] = (predictions["label"] == predictions["predicted"]).astype(float)
    of_class = rows.groupby("label")["right"].agg(["size", "mean"]).reindex(range(number))
    times = choices.sum(axis=1)
    with np.errstate(invalid="ignore"):
        classes = pd.DataFrame(
            {
                "class": samples.classes,
                "images": of_class["size"].fillna(0).astype(int),
                "labelled": rows["curated_label"].value_counts().reindex(range(number), fill_value=0).to_numpy(),
                "accuracy": of_class["mean"],
                "crossings": 1 - choices.diagonal() / times,
                "nearest": np.where(nearest >= 0, np.array(samples.classes, object)[nearest], ""),
                "angle": angle,
            }
        )
    embeddings = None
    if run is not None and run.has_features:
        scored = np.isin(rows["id"].to_numpy(), run.scored_ids())
        embeddings = Embeddings(rows["id"].to_numpy()[scored], labels[scored], run.features_of, run.record.width)
    proposed = propose(samples.classes, choices, embeddings, weights)
    return Classes(
        classes=classes,
        pairs=proposed.pairs,
        splits=proposed.splits,
        levels=_levels(samples, run, votes, choices),
        chosen_by=chosen_by,
    )


def _levels(samples: SampleTable, run: RunFolder | None, votes: Votes, choices: sparse.coo_array) -> pd.DataFrame:
    """Return a row for all images and for each parent: means at the level of classes and, `KEY_parent`, of parents.

    Of `accuracy`, `hsf` and `avh`. `within` and `across`: the choices (K, K) for another class of the same parent, and
    of another one; `within_share`: the share of the first. No rows where classes have no parents.
    """
    if not samples.parents:
        return pd.DataFrame()
    images = at_parents(samples, run, votes, Filters())
    predictions = images.dropna(subset="predicted")
    images["accuracy"] = (predictions["predicted"] == predictions["label"]).astype(float)
    images["accuracy_parent"] = (predictions["predicted_parent"] == predictions["parent"]).astype(float)
    parents = np.array(samples.parents, object)
    label, other = choices.coords
    wrong = label != other
    inside = parents[label] == parents[other]
    within = np.bincount(label, choices.data * (wrong & inside), len(parents)).astype(np.int64)
    across = np.bincount(label, choices.data * ~inside, len(parents)).astype(np.int64)
    classes = pd.DataFrame({"parent": parents, "within": within, "across": across})
    counts, means = (
        pd.concat([rows.assign(parent="all images"), rows]).groupby("parent", sort=False) for rows in (classes, images)
    )
    levels = means[_LEVELS].mean().join(counts.sum())
    levels.insert(0, "images", means.size())
    return levels.assign(within_share=levels["within"] / (levels["within"] + levels["across"])).reset_index()


def _choices(
    samples: SampleTable, votes: Votes, ids: np.ndarray, labels: np.ndarray, predictions: pd.DataFrame
) -> tuple[sparse.coo_array, str]:
    """Return how often images of each class were taken for each class, (K, K), by people or else by the run."""
    number = len(samples.classes)
    counted = votes.by_sample()
    if counted is None or "counts" not in counted:
        label, predicted = predictions[["label", "predicted"]].to_numpy(int).T
        return count_choices(label, predicted, np.ones(len(predictions), np.int64), number), "predictions"
    label_of = np.full(samples.size, -1)
    label_of[ids] = labels
    given = label_of[counted["id"]]
    cells = []
    for start in range(0, len(counted), step := max(1, _NUMBERS // number)):
        counts = np.stack(counted["counts"].iloc[start : start + step].to_list())
        cells.append(cells_of(given[start : start + step], counts))
    label, answer, times = np.concatenate([np.empty((3, 0), np.int64), *cells], axis=1)
    kind = "votes"
    if samples.simulated:
        kind = "simulated votes"
    return count_choices(label, answer, times, number), kind


def _class_weights(samples: SampleTable, run: RunFolder | None) -> np.ndarray:
    """Return the class weights that the run has, (K, D), NaN for a class without its own."""
    if run is None or not run.as_made.has_class_weights:
        return np.full((len(samples.classes), 1), np.nan)
    made = run.as_made.class_weights()
    rows = np.arange(len(samples.classes))
    if run.today is not None:
        rows = run.today.rows
    return np.where(rows[:, None] >= 0, made[rows], np.nan)


def parts(
    samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, name: str, by: str = EMBEDDINGS
) -> dict[int, str]:
    """Return the part of images of a class by id, as `parts_by`, or by the two parts of its embeddings."""
    check_known(dataset, [name])
    if by != EMBEDDINGS or run is None:
        return parts_by(samples, name, by)
    ids = samples.order(Filters(classes=(samples.classes.index(name),)))
    part, _ = two_parts(run.features_of(ids))
    return dict.fromkeys(ids[part].tolist(), f"{name} 2")


def run_notes(dataset: DatasetFolder) -> list[str]:
    """Return for each run which of its classes is now which, where that has changed."""
    return [f"{run.name}: {_note(run)}" for run in dataset.runs() if run.today]


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

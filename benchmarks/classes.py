"""Whether *Classes* proposes what is known: a class split at random to be merged, two merged classes to be split.

    python -m benchmarks.classes DATASET --workspace DIR --draws 3

Needs a run with embeddings and k-way votes. To split, half of the images of a class get another label, each vote for
the class is for one of the two at random, since nobody could tell them apart, and a head is fitted as by
`score --head fit`. Also how angles between classes go with the crossings of their votes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.classes.rules import pairs_of, two_parts
from avhcurate.networks.scoring.heads import Samples, fit_head
from avhcurate.workspace.data.workspace import Workspace

#: Images of a class that are asked whether they are two kinds, as the page does.
OF_A_CLASS = 500


class Known:
    """The embeddings (n, D), labels (n,) and votes by class (n, K) of images that have all three."""

    def __init__(self, root: Path, name: str, images: int, seed: int) -> None:
        self.opened = open_dataset(Workspace(root), name)
        votes = self.opened.votes.by_sample()
        assert self.opened.run is not None
        assert votes is not None
        labels = self.opened.dataset.labels()
        ids = np.intersect1d(votes["id"][labels[votes["id"]] >= 0], self.opened.run.scored_ids())
        self.counts = np.stack(votes.set_index("id").loc[ids, "counts"].to_list())
        drawn = np.sort(np.random.default_rng(seed).permutation(len(ids))[:images])
        self.features = self.opened.run.features_of(ids[drawn])
        self.labels = labels[ids][drawn]
        self.votes = self.counts[drawn]
        self.all_labels = labels[ids]
        self.names = list(self.opened.samples.classes)


def crossed(labels: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Return how often images of a class were taken for each class, (K, K)."""
    chosen = np.zeros((votes.shape[1], votes.shape[1]), np.int64)
    np.add.at(chosen, labels, votes)
    return chosen


def split_places(known: Known, seed: int) -> Iterator[dict[str, Any]]:
    """Yield for each class the place of its two halves among all pairs, and by the angle or the crossings alone."""
    number = len(known.names)
    rng = np.random.default_rng(seed)
    for label, name in enumerate(known.names):
        labels = known.labels.copy()
        labels[(labels == label) & (rng.random(len(labels)) < 0.5)] = number
        moved = rng.binomial(known.votes[:, label], 0.5)
        votes = np.column_stack([known.votes, moved])
        votes[:, label] -= moved
        every = np.arange(len(labels))
        head, _ = fit_head(Samples(known.features, every, labels, every, number + 1), seed=seed)
        means = np.stack([known.features[labels == k].mean(axis=0) for k in range(number + 1)])
        names = [*known.names, "other half"]
        weights = head.class_weights
        rows = pairs_of(names, crossed(labels, votes), means, weights)
        halves = (rows["first"] == name) & (rows["second"] == "other half")
        at = rows.index[halves][0]
        yield {
            "class": name,
            "place": at + 1,
            "by crossings": int(rows["crossings"].rank(ascending=False)[at]),
            "by means": int(rows["means"].rank()[at]),
            "by weights": int(rows["weights"].rank()[at]),
            "weights": rows.loc[at, "weights"],
            "weights of others": rows.loc[~halves, "weights"].min(),
        }


def merge_places(known: Known, seed: int) -> Iterator[dict[str, Any]]:
    """Yield for each pair of classes the place of the two, as one class, among the classes to split."""
    rng = np.random.default_rng(seed)
    of_class = [np.flatnonzero(known.labels == label) for label in range(len(known.names))]

    def parts(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        some = np.sort(rng.permutation(ids)[:OF_A_CLASS])
        return some, *two_parts(known.features[some])

    alone = [parts(ids)[2] for ids in of_class]
    for first, second in zip(*np.triu_indices(len(of_class), 1), strict=True):
        some, part, apart = parts(np.concatenate([of_class[first], of_class[second]]))
        others = np.delete(alone, [first, second])
        agree = (part == (known.labels[some] == first)).mean()
        yield {
            "first": known.names[first],
            "second": known.names[second],
            "place": 1 + int((others >= apart).sum()),
            "apart": apart,
            "next apart": others.max(),
            "parts right": max(agree, 1 - agree),
        }


def angle_and_crossings(known: Known) -> Iterator[str]:
    """Yield the rank correlations over pairs of classes, with 95 % intervals by leaving out each class in turn."""
    assert known.opened.run is not None
    means = np.stack([known.features[known.labels == k].mean(axis=0) for k in range(len(known.names))])
    weights = known.opened.run.class_weights()
    rows = pairs_of(known.names, crossed(known.all_labels, known.counts), means, weights)
    for angle in ("means", "weights"):

        def rho(rows: pd.DataFrame, angle: str = angle) -> float:
            return float(spearmanr(rows[angle], rows["crossings"]).statistic)

        without = np.array([rho(rows[(rows["first"] != name) & (rows["second"] != name)]) for name in known.names])
        number = len(known.names)
        error = 1.96 * np.sqrt((number - 1) / number * ((without - without.mean()) ** 2).sum())
        yield f"angle of {angle} and crossings: {rho(rows):.2f} ± {error:.2f} over {len(rows)} pairs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--images", type=int, default=3000)
    asked = parser.parse_args()
    splits = []
    merges = []
    for seed in range(asked.draws):
        known = Known(asked.workspace, asked.dataset, asked.images, seed)
        splits += list(split_places(known, seed))
        merges += list(merge_places(known, seed))
    split, merged = pd.DataFrame(splits), pd.DataFrame(merges)
    by_class = split.groupby("class", sort=False).mean()
    print(by_class.round(2).to_string())
    print(f"\nsplit at random: first of the pairs in {(split['place'] == 1).mean():.3f} of {len(split)}")
    for way in ("by crossings", "by means", "by weights"):
        print(f"  {way} alone: {(split[way] == 1).mean():.3f}")
    print(f"merged: first of the classes in {(merged['place'] == 1).mean():.3f} of {len(merged)}")
    print(f"  parts are the two classes in {merged['parts right'].median():.3f} of the images, median")
    print(merged[merged["place"] > 1].round(2).to_string(index=False))
    print("\n".join(angle_and_crossings(known)))


if __name__ == "__main__":
    main()

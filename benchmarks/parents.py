"""Which AVH at the level of parents of classes follows HSF of the parent: five definitions on the same images.

    python -m benchmarks.parents DATASET --workspace DIR --parents vehicle=airplane,automobile animal=bird,cat

Needs a run with embeddings and class weights, and k-way votes. A class that is left out is its own parent. Each image
is judged by the head that has scored it. 95 % intervals by a jackknife of ranks.
"""

import argparse
from pathlib import Path

import numpy as np

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.measures.scores import angles, parent_avh
from avhcurate.measures.stats.rank_influence import estimate, fisher_estimate, spearman_influence
from avhcurate.workspace.data.workspace import Workspace


def definitions(features: np.ndarray, weights: np.ndarray, labels: np.ndarray, parents: np.ndarray) -> dict:
    """Return AVH by each definition, (n,) each: embeddings (n, D), class weights (K, D), parents (K,)."""
    theta = angles(features, weights)
    rows = np.arange(len(labels))
    same = parents[labels][:, None] == parents
    total = theta.sum(axis=1)
    directions = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    means = np.stack([directions[parents == parent].mean(axis=0) for parent in range(parents.max() + 1)])
    of_means = angles(features, means)
    return {
        "AVH of the class": theta[rows, labels] / total,
        "nearest in the parent / sum over parents": parent_avh(theta, labels, parents),
        "nearest in the parent / sum over classes": np.where(same, theta, 9).min(axis=1) / total,
        "mean angle in the parent / sum over classes": (theta * same).sum(axis=1) / same.sum(axis=1) / total,
        "mean class weight / sum over parents": of_means[rows, parents[labels]] / of_means.sum(axis=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--parents", nargs="+", required=True)
    asked = parser.parse_args()
    opened = open_dataset(Workspace(asked.workspace), asked.dataset)
    groups = (text.partition("=") for text in asked.parents)
    parent_of = {name: parent for parent, _, names in groups for name in names.split(",")}
    _, parents = np.unique([parent_of.get(name, name) for name in opened.samples.classes], return_inverse=True)
    votes = opened.votes.by_sample()
    assert votes is not None
    assert opened.run is not None
    labels = opened.dataset.labels()
    votes = votes[(labels[votes["id"]] >= 0) & np.isin(votes["id"], opened.run.scored_ids())]
    ids = votes["id"].to_numpy()
    labels = labels[ids]
    counts = np.stack(votes["counts"].to_list())
    hsf = (counts * (parents[labels][:, None] == parents)).sum(axis=1) / counts.sum(axis=1)
    features = opened.run.features_of(ids)
    scores: dict[str, np.ndarray] = {}
    for places, weights, _ in opened.run.heads_of(ids):
        for name, values in definitions(features[places], weights, labels[places], parents).items():
            scores.setdefault(name, np.empty(len(ids)))[places] = values
    print(f"n {len(ids):,}, HSF of the parent below 1: {(hsf < 1).sum():,}, mean {hsf.mean():.4f}")
    first, influence = spearman_influence(-scores["AVH of the class"], hsf)
    for name, values in scores.items():
        rho, moved = spearman_influence(-values, hsf)
        own, gap = fisher_estimate(rho, moved), estimate(rho - first, moved - influence)
        print(f"{name:45}{rho:.3f} ({own.low:.3f} to {own.high:.3f})", end="")
        print(f"   {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}), p {gap.p_value:.2g}")


if __name__ == "__main__":
    main()

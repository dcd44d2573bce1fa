"""Suspects: the order of all sources together beside each source alone, on planted errors and on votes of people.

    python -m benchmarks.suspects DATASET --workspace DIR --model RUN --seeds 0 1

Errors are planted into the labels of a scored dataset, in eight ways, and found by the product's own evidence and
order. Linear heads of one penalty are cross-fitted to the wrong labels, on principal parts of the run's features. Where
the dataset has votes of people, the labels that most of them reject are the errors, and some of the votes become a
source; or errors are the ids in a file that other people checked. The figure is average precision over all samples.
"""

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.suspects.rules import combine, prune
from avhcurate.features.suspects.service import LabelSearch
from avhcurate.features.suspects.study import NEIGHBOURS
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.measures.stats.intervals import wilson
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.workspace.data.runs import FoldHeads
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT
from benchmarks.markdown import table

SOURCES, FOLDS = ("angular", "neighbours", "cleanlab"), 5
KINDS = (
    *("uniform 2 %", "uniform 10 %", "confusable class 10 %", "two classes 20 %", "30 % of one class"),
    *("clumps 10 %", "own rival 8 %", "least margin 4 %"),
)


class Heads(FoldHeads):
    """Heads cross-fitted to the labels of a search, on principal parts of its features."""

    def __init__(self, root: Path, search: LabelSearch, axes: np.ndarray, penalty: float) -> None:
        self.root, self.record = root, SimpleNamespace(classes=list(range(search.num_classes)))
        features = search.run.features_of(search.ids).astype(np.float64)
        middle = features.mean(axis=0)
        x = (features - middle) @ axes
        scale = np.sqrt((x.std(axis=0) ** 2).mean())
        of = stratified_folds(search.labels, np.arange(len(search.ids)), folds=FOLDS, seed=0)
        for fold in range(FOLDS):
            model = LogisticRegression(C=1 / penalty, max_iter=200, tol=1e-3)
            model.fit(x[of != fold] / scale, search.labels[of != fold])
            weights, bias = np.zeros((search.num_classes, features.shape[1])), np.full(search.num_classes, -30.0)
            weights[model.classes_] = model.coef_ / scale @ axes.T
            bias[model.classes_] = model.intercept_ - weights[model.classes_] @ middle
            self.write_head(weights, bias, fold)
        by_id = np.full(len(search.all_labels), -1)
        by_id[search.ids] = of
        self.write_folds(by_id)


def principal_axes(features: np.ndarray, parts: int) -> np.ndarray:
    """Return the axes (D, parts) along which features (n, D) vary most."""
    return np.linalg.eigh(np.cov(features.T))[1][:, ::-1][:, :parts]


def plant(kind: str, truth: np.ndarray, probs: np.ndarray, near: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return wrong labels of a kind: truth (N,), probs (N, K) of heads on it, near (N, k) places."""
    n, num_classes = probs.shape
    labels, rows, name = truth.copy(), np.arange(n), kind.rsplit(" ", 2)[0]
    others = probs.copy()
    others[rows, truth] = -1
    rival, share = others.argmax(axis=1), float(kind.split(" %")[0].rsplit(" ", 1)[-1]) / 100
    confused = np.zeros((num_classes, num_classes))
    np.add.at(confused, truth, probs)
    np.fill_diagonal(confused, -1)
    likeliest, wrong = confused.argmax(axis=1), rng.random(n) < share
    anything = (truth + rng.integers(1, num_classes, n)) % num_classes
    one, other = 3 % num_classes, likeliest[1]
    pair = np.where(truth == 1, other, 1)
    if kind == "30 % of one class":
        return np.where(wrong & (truth == one), likeliest[one], truth)
    if name == "clumps":
        for seed in rng.permutation(n)[: int(n * share / 5)]:
            labels[[seed, *near[seed, :4]]] = anything[seed]
        return labels
    if name == "least margin":
        wrong = np.argsort(np.argsort(probs[rows, truth] - others.max(axis=1))) < n * share
    if name == "two classes":
        wrong &= np.isin(truth, [1, other])
    new = {"uniform": anything, "confusable class": likeliest[truth], "two classes": pair}
    new |= {"least margin": rival, "own rival": rival}
    return np.where(wrong, new[name], truth)


def row(name: str, search: LabelSearch, wrong: np.ndarray, truth: np.ndarray | None = None) -> list[str]:
    """Return the average precision of each source, of the best, of all together, and how many suggestions are right."""
    judged = search.predictions()
    evidence = search.evidence([*SOURCES, *["votes"] * (search.counted is not None)], judged)
    doubts = prune(judged.probs, search.labels, np.unique(search.labels))
    evidence["cleanlab"] = replace(evidence["cleanlab"], doubts=doubts)
    weighed = search.weighed(evidence, judged)
    alone = {one: average_precision_score(wrong, np.nan_to_num(evidence[one].score, nan=-1)) for one in evidence}
    together, best = average_precision_score(wrong, weighed.doubt), max(alone.values())
    scores = [f"{alone[one]:.3f}" if one in alone else "" for one in (*SOURCES, "votes")]
    shares = " ".join(f"{one} {share:.0%}" for one, share in weighed.weights.items() if share >= 0.005)
    right = ""
    if truth is not None:
        suggested = combine(evidence, weighed.doubt, weighed.weights)["suggested"].to_numpy()
        right = f"{np.mean(suggested[wrong] == truth[wrong]):.0%}"
    often = "" if weighed.often is None else "{} called {}".format(*weighed.often)
    line = [name, f"{wrong.sum():,}", *scores, f"{together:.3f}", f"{together - best:+.3f}", right, shares, often]
    print(" | ".join(line), flush=True)
    return line


def summary(lines: list[list[str]]) -> str:
    """Return how often all together come close to the best source, with the 95 % interval of the share."""
    less = np.array([float(line[7]) for line in lines])
    near, n = int((less >= -0.02).sum()), len(less)
    low, high = wilson(near, n)
    return (
        f"within 0.02 of the best source or above: {near} of {n} ({low:.0%} to {high:.0%}); "
        f"more than 0.05 below: {(less < -0.05).sum()}; "
        f"mean {less.mean():+.3f}, standard deviation {less.std(ddof=1):.3f}, least {less.min():+.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--model", help="which run")
    parser.add_argument("--images", type=int, default=3000, help="at most so many, drawn by chance")
    parser.add_argument("--penalty", type=float, default=16.0, help="of the heads")
    parser.add_argument("--parts", type=int, default=96, help="principal parts")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="*", default=[*KINDS, "votes"])
    parser.add_argument("--errors", type=Path, help="ids of labels that people found wrong, all votes as a source")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    data = open_dataset(Workspace(asked.workspace), asked.dataset, asked.model)
    lines = []

    def search(images: int | None = None) -> LabelSearch:
        found = LabelSearch(data.run, data.votes, SILENT)
        found.counted = None
        some = np.sort(np.random.default_rng(0).permutation(len(found.ids))[:images])
        found.ids, found.labels = found.ids[some], found.labels[some]
        found.near = np.full((len(found.all_labels), NEIGHBOURS), -1)
        found.near[found.ids], _ = nearest_of(data.run.features(), found.ids, count=NEIGHBOURS, among=found.ids)
        return found

    with tempfile.TemporaryDirectory() as folder:

        def fit(name: str, of: LabelSearch) -> LabelSearch:
            of.heads = Heads(Path(folder) / name.replace(" ", "-"), of, axes, asked.penalty)
            return of

        clean = search(asked.images)
        axes = principal_axes(data.run.features_of(clean.ids), asked.parts)
        fit("clean", clean)
        truth, everyone = clean.labels, np.arange(len(clean.ids))
        probs = clean.predictions().probs
        print(f"{len(truth):,} images, heads {np.mean(probs.argmax(axis=1) == truth):.1%} right on the true labels")
        place = np.full(len(clean.all_labels), -1)
        place[clean.ids] = everyone
        around = place[clean.near[clean.ids]]
        for seed in asked.seeds:
            rng = np.random.default_rng(seed)
            for kind in (kind for kind in KINDS if kind in asked.only):
                noisy = search(asked.images)
                noisy.labels = plant(kind, truth, probs, around, rng)
                noisy.all_labels[noisy.ids] = noisy.labels
                fit(f"{kind}-{seed}", noisy)
                lines.append(row(f"{kind}, seed {seed}", noisy, noisy.labels != truth, truth))
        if lines:
            print(summary(lines))
        votes = data.votes.by_sample()
        if "votes" in asked.only and votes is not None and not data.samples.simulated:
            real = fit("real", search())
            counts = np.stack(votes.set_index("id")["counts"].loc[real.ids].to_list())
            if asked.errors:
                wrong = np.isin(real.ids, np.loadtxt(asked.errors, dtype=int).ravel())
                for name, source in (("checked", None), ("checked; all votes", votes)):
                    real.counted = source
                    lines.append(row(name, real, wrong))
            rng = np.random.default_rng(asked.seeds[0])
            for drawn, share in ((0, 0.0), (1, 1.0), (3, 1.0), (5, 1.0), (5, 0.3), (25, 1.0)):
                few = np.stack([rng.multivariate_hypergeometric(one, drawn) for one in counts])
                few[rng.random(len(few)) >= share] = 0
                real.counted = None
                if drawn:
                    real.counted = pd.DataFrame({"id": real.ids, "counts": list(few)})
                rejected = (counts - few).argmax(axis=1) != real.labels
                lines.append(row(f"people reject; {drawn} votes on {share:.0%} as a source", real, rejected))
    heading = ["errors", "n", *SOURCES, "votes", "together", "less the best", "suggestion right", "weights", "often"]
    print(table(heading, lines))


if __name__ == "__main__":
    main()

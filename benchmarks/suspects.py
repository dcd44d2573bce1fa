"""Suspects: the order of all sources together beside each source alone, on planted errors and on votes of people.

    python -m benchmarks.suspects DATASET --workspace DIR --model RUN

Errors are planted into the labels of a scored dataset, in twelve ways, and found by the product's own evidence and
weights. Linear heads of one penalty are cross-fitted to the wrong labels, on the run's features or some principal parts
of them. Where the dataset has votes of people, the labels that most of them reject are the errors, judged by the run's
own head, and some of the votes become a source. The figure is average precision over all samples.
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

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.suspects.rules import prune
from avhcurate.features.suspects.service import LabelSearch
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.neighbours.service import find_neighbours
from avhcurate.workspace.data.runs import FoldHeads
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT
from benchmarks.markdown import table

SOURCES, FOLDS = ("angular", "neighbours", "cleanlab"), 5
KINDS = (
    *("uniform 1 %", "uniform 3 %", "uniform 10 %", "uniform 30 %", "next class 10 %", "confusable class 10 %"),
    *("30 % of one class", "least margin 10 %", "own rival 10 %", "clumps 10 %", "two classes 20 %", "one sink 5 %"),
)


class Heads(FoldHeads):
    """Heads cross-fitted to the labels of a search."""

    def __init__(self, root: Path, search: LabelSearch, penalty: float) -> None:
        self.root, self.record = root, SimpleNamespace(classes=list(range(search.num_classes)))
        features = search.run.features_of(search.ids).astype(np.float64)
        middle, scale = features.mean(axis=0), np.sqrt((features.std(axis=0) ** 2).mean())
        of = stratified_folds(search.labels, np.arange(len(search.ids)), folds=FOLDS, seed=0)
        for fold in range(FOLDS):
            model = LogisticRegression(C=1 / penalty, max_iter=200)
            model.fit((features[of != fold] - middle) / scale, search.labels[of != fold])
            weights, bias = np.zeros((search.num_classes, features.shape[1])), np.full(search.num_classes, -30.0)
            weights[model.classes_] = model.coef_ / scale
            bias[model.classes_] = model.intercept_ - (model.coef_ / scale) @ middle
            self.write_head(weights, bias, fold)
        by_id = np.full(len(search.all_labels), -1)
        by_id[search.ids] = of
        self.write_folds(by_id)


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
    new = {"uniform": anything, "next class": (truth + 1) % num_classes, "confusable class": likeliest[truth]}
    new |= {"least margin": rival, "own rival": rival, "two classes": pair, "one sink": np.zeros(n, int)}
    return np.where(wrong, new[name], truth)


def row(name: str, search: LabelSearch, wrong: np.ndarray) -> list[str]:
    """Return the average precision of each source, of the best, of all together, and the weights."""
    everyone = np.arange(len(search.ids))
    judged = search.judged(everyone, search.labels, keep=True)
    sources = [*SOURCES, *["votes"] * (search.votes is not None)]
    evidence = search.evidence(sources, everyone, search.labels, judged)
    evidence["cleanlab"] = replace(
        evidence["cleanlab"], doubts=prune(judged.probs, search.labels, np.unique(search.labels))
    )
    weighed = search.weighed(evidence, judged)
    alone = {one: average_precision_score(wrong, np.nan_to_num(evidence[one].score, nan=-1)) for one in evidence}
    together, best = average_precision_score(wrong, weighed.doubt), max(alone.values())
    scores = [f"{alone[one]:.3f}" if one in alone else "" for one in (*SOURCES, "votes")]
    shares = " ".join(f"{one} {share:.0%}" for one, share in weighed.weights.items() if share >= 0.005)
    line = [name, f"{wrong.sum():,}", *scores, f"{together:.3f}", f"{together - best:+.3f}", shares]
    print(" | ".join(line), flush=True)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--model", help="which run")
    parser.add_argument("--images", type=int, default=3000, help="at most so many, drawn by chance")
    parser.add_argument("--penalty", type=float, default=30.0, help="of the heads")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[*KINDS, "votes"])
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    data = open_table(Workspace(asked.workspace), asked.dataset, asked.model)
    near = find_neighbours(data.dataset, data.run, progress=SILENT).near()
    lines, rng = [], np.random.default_rng(asked.seed)

    def search() -> LabelSearch:
        found = LabelSearch(data, data.run, SILENT)
        found.votes = None
        found.near = near
        some = np.sort(np.random.default_rng(0).permutation(len(found.ids))[: asked.images])
        found.ids, found.labels = found.ids[some], found.labels[some]
        return found

    with tempfile.TemporaryDirectory() as folder:
        clean = search()
        truth, everyone = clean.labels, np.arange(len(clean.ids))
        clean.heads = Heads(Path(folder) / "clean", clean, asked.penalty)
        _, probs = clean.judged(everyone, truth, keep=True)
        print(f"{len(truth):,} images, heads {np.mean(probs.argmax(axis=1) == truth):.1%} right on the true labels")
        place = np.full(len(clean.all_labels), -1)
        place[clean.ids] = everyone
        around = place[near[clean.ids]]
        around = np.where(around < 0, everyone[:, None], around)
        for kind in (kind for kind in KINDS if kind in asked.only):
            noisy = search()
            noisy.labels = plant(kind, truth, probs, around, rng)
            noisy.all_labels = noisy.all_labels.copy()
            noisy.all_labels[:] = -1  # neighbours outside of the sample have no label
            noisy.all_labels[noisy.ids] = noisy.labels
            noisy.heads = Heads(Path(folder) / kind.replace(" ", "-"), noisy, asked.penalty)
            lines.append(row(kind, noisy, noisy.labels != truth))
    votes = data.vote_counts()
    if "votes" in asked.only and votes is not None and not data.simulated and data.run.has_class_weights:
        real = LabelSearch(data, data.run, SILENT)
        real.near = near
        counts = np.stack(votes.set_index("id")["counts"].loc[real.ids].to_list())
        for drawn, share in ((0, 0.0), (1, 1.0), (3, 1.0), (5, 1.0), (5, 0.3)):
            few = np.stack([rng.multivariate_hypergeometric(one, drawn) for one in counts])
            few[rng.random(len(few)) >= share] = 0
            real.votes = None
            if drawn:
                real.votes = pd.DataFrame({"id": real.ids, "counts": list(few)})
            rejected = (counts - few).argmax(axis=1) != real.labels
            name = f"people reject; {drawn} votes on {share:.0%} as a source"
            lines.append(row(name, real, rejected))
    print(table(["errors", "n", *SOURCES, "votes", "together", "less the best", "weights"], lines))


if __name__ == "__main__":
    main()

"""Label errors planted in a dataset, and what Suspects makes of them: `python -m benchmarks.label_noise --help`.

    python -m benchmarks.label_noise WORKSPACE DATASET [--model M] [--samples 2000] [--pixels] [--seed 1]

Errors of eight kinds are planted in the labels (and none, first), heads are cross-fitted on the features of a run as
`avhcurate suspects --out-of-fold` fits them, and every sample is judged by angles, neighbours and confident learning.
For each kind: how many errors are expected beside how many there are; average precision of the order, as it was (AVH's
and AVC's rank shares within classes, self-confidence) and as it is (AVC of the rival less that of the label, normalized
margin); how many labels are called wrong and ambiguous, and recall and precision of "wrong". `--pixels` judges by the
pixels of images of at most 8 x 8 instead of features.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax

from avhcurate import scores
from avhcurate.data.workspace import Workspace
from avhcurate.images.decoding import decode
from avhcurate.images.measures import luma
from avhcurate.stats.folds import stratified_folds
from avhcurate.stats.neighbours import nearest_of
from avhcurate.suspects import rules
from avhcurate.suspects.rules import Evidence
from avhcurate.table.dataset_table import open_table
from avhcurate.training.cross_fitting import fit_head
from avhcurate.training.linear_head import Samples

KINDS = (
    *("none", "uniform 5", "uniform 10", "uniform 20", "uniform 30"),
    *("confusable 10", "confusable 20", "one class 30", "nearest 10"),
)
_FOLDS = 5
#: Neighbours whose labels are compared, as in `avhcurate suspects`.
NEIGHBOURS = 12


def load(given: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) and labels (N,) of the chosen samples."""
    table = open_table(Workspace(given.workspace), given.dataset, given.model)
    labels = table.dataset.labels().astype(np.int64)
    ids = np.flatnonzero(labels >= 0)
    ids = np.sort(np.random.default_rng(0).permutation(ids)[: given.samples])
    if given.pixels:
        images = (decode(table.dataset.images().read_one(int(id))) for id in ids)
        features = np.stack([luma(rgb).ravel() for rgb in images]).astype(np.float32)
    else:
        assert table.run is not None, "score the dataset first"
        features = np.asarray(table.run.features_of(ids), np.float32)
    return features, np.unique(labels[ids], return_inverse=True)[1]


def cross_fit(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles and probabilities (N, K), each sample's by a head that was trained without it."""
    rows, classes = np.arange(len(labels)), int(labels.max()) + 1
    of_sample = stratified_folds(labels, rows, folds=_FOLDS, seed=0)
    samples = Samples(features, rows, labels, rows, classes)
    theta, probs = np.empty((len(labels), classes)), np.empty((len(labels), classes))
    for fold in range(_FOLDS):
        held = of_sample == fold
        head, _ = fit_head(samples.part(~held))
        embedded, weights = head.embed(features[held]).astype(np.float64), head.class_weights.astype(np.float64)
        theta[held] = scores.angles(embedded, weights)
        probs[held] = softmax(embedded @ weights.T + head.bias, axis=1)
    return theta, probs


def plant(kind: str, labels: np.ndarray, probs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels with errors: to any class, to the class that each is most often taken for, of one class alone, or of the
    images of the least margin to their rival."""
    if kind == "none":
        return labels
    how, share = kind.rsplit(" ", 1)[0], int(kind.rsplit(" ", 1)[1]) / 100
    rows, classes = np.arange(len(labels)), probs.shape[1]
    confusion = np.stack([probs[labels == label].sum(axis=0) for label in range(classes)])
    np.fill_diagonal(confusion, 0)
    chosen = rng.random(len(labels)) < share
    others = confusion.argmax(axis=1)[labels]
    if how == "uniform":
        others = (labels + rng.integers(1, classes, len(labels))) % classes
    elif how == "one class":
        chosen &= labels == rng.integers(classes)
    elif how == "nearest":
        rivals = probs.copy()
        rivals[rows, labels] = -1
        others = rivals.argmax(axis=1)
        margin = probs[rows, labels] - rivals.max(axis=1) + rng.normal(0, 0.1, len(labels))
        chosen = margin <= np.quantile(margin, share)
    return np.where(chosen, others, labels)


def average_precision(score: np.ndarray, wrong: np.ndarray) -> float:
    """Mean precision at the ranks of the errors, best score first."""
    hits = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


@dataclass(frozen=True)
class Judged:
    """What is said of labels of which some are `wrong`."""

    before: np.ndarray
    now: np.ndarray
    expected: rules.Expected
    verdict: np.ndarray
    wrong: np.ndarray

    def row(self, kind: str) -> str:
        """A row of the table in docs/results.md."""
        said, errors = self.verdict == "wrong", int(self.wrong.sum())
        order = ["-", "-"]
        if errors:
            order = [f"{average_precision(one, self.wrong):.3f}" for one in (self.before, self.now)]
        hits = int((said & self.wrong).sum())
        recall, precision = f"{hits / errors:.2f}" if errors else "-", f"{hits / said.sum():.2f}" if said.any() else "-"
        expected = f"{self.expected.errors:.0f} ({self.expected.low:.0f} to {self.expected.high:.0f})"
        ambiguous = int((self.verdict == "ambiguous").sum())
        cells = [kind, errors, expected, *order, int(said.sum()), recall, precision, ambiguous]
        return "| " + " | ".join(map(str, cells)) + " |"


class Opinion(NamedTuple):
    """What angles, neighbours and confident learning say of N labels, each and together, as in `avhcurate suspects`.

    combined: as `suspects.rules.combine` gives it. verdict (N,): "" of no suspect.
    """

    sources: dict[str, Evidence]
    combined: pd.DataFrame
    expected: rules.Expected
    verdict: np.ndarray


def opinion_of(theta: np.ndarray, probs: np.ndarray, near: np.ndarray, labels: np.ndarray) -> Opinion:
    """By angles and probabilities (N, K), the nearest samples (N, k), -1 for none, and the labels (N,)."""
    view = rules.angular_view(theta, labels)
    sources = {
        "angular": rules.angular(view, labels),
        "neighbours": rules.neighbours(near, labels, labels),
        "cleanlab": rules.confident_learning(probs, labels),
    }
    combined, expected = rules.combine(sources, probs.shape[1]), rules.expected_errors(probs, labels)
    doubted = np.any([one.doubts for one in sources.values()], axis=0)
    given, rank = probs[np.arange(len(labels)), labels], combined["rank"].to_numpy()
    return Opinion(sources, combined, expected, rules.verdicts(view, given, rank, doubted, expected=expected.errors))


def judge(features: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> Judged:
    """All labels by all three sources."""
    theta, probs = cross_fit(features, labels)
    rows = np.arange(len(labels))
    near = np.concatenate([nearest_of(features, part, count=NEIGHBOURS)[0] for part in np.array_split(rows, 8)])
    opinion = opinion_of(theta, probs, near, labels)
    angular = opinion.sources["angular"]
    earlier = {
        "angular": angular.details["avh_share"] * angular.details["avc_share"],
        "cleanlab": 1 - probs[rows, labels],
    }
    then = {
        name: Evidence(earlier.get(name, one.score), one.suggested, one.doubts, {})
        for name, one in opinion.sources.items()
    }
    before = rules.combine(then, probs.shape[1])["doubt"].to_numpy()
    return Judged(before, opinion.combined["doubt"].to_numpy(), opinion.expected, opinion.verdict, labels != truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--model")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--pixels", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    given = parser.parse_args()
    features, truth = load(given)
    _, probs = cross_fit(features, truth)
    print(f"{len(truth)} samples, {100 * (probs.argmax(axis=1) == truth).mean():.1f} % right out of fold")
    print("| errors | planted | expected | order before | order now | wrong | recall | precision | ambiguous |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in given.kinds:
        labels = plant(kind, truth, probs, np.random.default_rng(given.seed))
        print(judge(features, truth, labels).row(kind), flush=True)


if __name__ == "__main__":
    main()

"""The gain that `avhcurate payoff` says, beside the gain that is known because the true labels are.

    python -m benchmarks.payoff DATASET --workspace DIR --runs 30

Labels of a scored dataset count as true. For each run 800 images are drawn as somebody's data, others as the locked
part and up to 4,000 as the truth; errors are planted into the first two, decisions are made on the first, and heads
before and after them are compared on the other two. `--leak` lets the suspects see the locked labels too, which the
product never does: the figures then fail.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.payoff import expected, keep_rules, rules
from avhcurate.features.suspects import stopping
from avhcurate.measures.stats.softmax_heads import fit_softmax_heads
from avhcurate.workspace.data.workspace import Workspace
from benchmarks.markdown import table

ERRORS = ("uniform", "pair", "instance")
DECISIONS = ("accept all", "good reviewer", "exclude", "random tenth", "nothing")
CHECKS = 50
TRUTH = 4000


def plant(kind: str, share: float, truth: np.ndarray, weak: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return labels with a share of errors; `weak` (n, K) are probabilities of a weak head."""
    n, classes = weak.shape
    number = round(share * n)
    labels = truth.copy()
    wrong = rng.permutation(n)[:number]
    if kind == "instance":
        doubt = np.log(1 - weak[np.arange(n), truth] + 1e-3)
        wrong = np.argsort(-(doubt + rng.gumbel(size=n)))[:number]
        others = weak[wrong] + 1e-9
        others[np.arange(number), truth[wrong]] = 0
        labels[wrong] = [rng.choice(classes, p=row / row.sum()) for row in others]
    elif kind == "pair":
        confused = np.zeros((classes, classes))
        np.add.at(confused, truth, weak)
        np.fill_diagonal(confused, 0)
        labels[wrong] = confused.argmax(axis=1)[truth[wrong]]
    else:
        labels[wrong] = (truth[wrong] + rng.integers(1, classes, number)) % classes
    return labels


def decide(
    what: str, labels: np.ndarray, truth: np.ndarray, probs: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Return labels after decisions on the `number` most doubtful images: -1 where one is excluded."""
    n = len(labels)
    accepted = expected.labels_after(probs, labels, action="accept", number=number)
    after = labels.copy()
    if what == "accept all":
        after = accepted
    elif what == "good reviewer":
        after = np.where(accepted == labels, labels, np.where(rng.random(n) < 0.95, truth, accepted))
    elif what == "exclude":
        after = expected.labels_after(probs, labels, action="exclude", number=number)
    elif what == "random tenth":
        some = rng.permutation(n)[: n // 10]
        after[some] = (labels[some] + rng.integers(1, probs.shape[1], len(some))) % probs.shape[1]
    return after


class Run:
    """One draw of somebody's data, with errors of a kind."""

    def __init__(
        self, features: np.ndarray, truth: np.ndarray, seed: int, kind: str, share: float, asked: argparse.Namespace
    ) -> None:
        self.rng = np.random.default_rng([seed, ERRORS.index(kind), round(100 * share)])
        order = np.random.default_rng(seed).permutation(len(truth))[: asked.images + asked.locked + TRUTH]
        mine = order[: asked.images]
        x = rules.principal(features[order], np.arange(asked.images))
        self.classes = int(truth.max()) + 1
        ends = np.cumsum([asked.images, asked.locked])
        self.x, self.locked, self.outside = np.split(x, ends)
        self.truth, self.locked_truth, self.outside_truth = np.split(truth[order], ends)
        judge = fit_softmax_heads(self.outside[:400, :10], self.outside_truth[None, :400], self.classes, penalty=16.0)
        weak = softmax(judge.logits(x[: ends[1], :10])[:, 0], axis=1)
        self.labels = plant(kind, share, self.truth, weak[: len(mine)], self.rng)
        self.locked_labels = plant(kind, share, self.locked_truth, weak[len(mine) :], self.rng)
        self.penalty = asked.penalty
        if not asked.penalty:
            self.penalty = rules.choose_penalty(self.x, self.labels, self.classes, np.arange(len(mine))).value
        self.number = len(mine) // 5
        seen = self.x, self.labels
        if asked.leak:
            seen = np.concatenate([self.x, self.locked]), np.concatenate([self.labels, self.locked_truth])
        self.probs = expected.out_of_fold(
            *seen, np.arange(len(seen[0])), num_classes=self.classes, penalty=self.penalty
        )[: len(mine)]

    def beforehand(self, what: str) -> rules.Gain:
        """Return what accepting or excluding is expected to do, told without the locked part."""
        action: expected.Action = "accept"
        if what == "exclude":
            action = "exclude"
        groups = np.arange(len(self.x))
        (gain,) = expected.expected_gains(
            self.x,
            self.labels,
            groups,
            action=action,
            share=self.number / len(self.x),
            num_classes=self.classes,
            penalty=self.penalty,
        )
        return gain

    def row(self, what: str, checks: int, *, asked_before: bool) -> dict[str, float]:
        """Return true and estimated gain in points, and whether the interval holds the truth."""
        after = decide(what, self.labels, self.truth, self.probs, self.number, self.rng)
        everyone = np.concatenate([self.outside, self.locked])
        started = time.process_time()
        given = np.concatenate([self.outside_truth, self.locked_labels])
        (found,) = rules.differences(self.x, self.labels, [after], everyone, given, self.classes, self.penalty)
        seconds = time.process_time() - started
        outside = found.by_class[: len(self.outside)]
        here = found.by_class[len(self.outside) :]
        of_heads = rules.Difference(here, found.by_head[:, len(self.outside) :]).of_heads
        true = outside[np.arange(len(outside)), self.outside_truth]
        drawn = rules.draws(here, 20 * abs(checks)).tolist()
        some = list(dict.fromkeys(drawn))[:checks]
        checked: Mapping[int, int] = {row: int(self.locked_truth[row]) for row in some}
        if checks < 0:
            checked = dict(enumerate(self.locked_truth.tolist()))
        said = rules.gain(here, self.locked_labels, checked, drawn, of_heads=of_heads)
        if asked_before:
            said = self.beforehand(what)
        error = 1.96 * true.std() / np.sqrt(len(true))
        slack = np.hypot(said.gain - said.low, error)
        return {
            "true": 100 * true.mean(),
            "said": 100 * said.gain,
            "half": 100 * (said.gain - said.low),
            "holds": float(abs(said.gain - true.mean()) <= slack),
            "decided": float(said.verdict != "cannot tell"),
            "wrong": float((said.low > 0 and true.mean() < -0.003) or (said.high < 0 and true.mean() > 0.003)),
            "seconds": seconds,
        }

    def forecasts(self) -> list[tuple[float, float, float, float]]:
        """Return what is forecast after so many decisions of a good reviewer, its ends, and what came."""
        rows = np.arange(len(self.labels))
        others = self.probs.copy()
        others[rows, self.labels] = -1
        doubt = others.max(axis=1) - self.probs[rows, self.labels]
        order = np.argsort(-doubt)
        right = self.rng.random(len(rows)) < 0.95
        changed = np.where(right, self.truth != self.labels, self.truth == self.labels)
        said = []
        for reviewed in (50, 100, 150):
            done = order[:reviewed]
            following = order[reviewed : reviewed + stopping.NEXT]
            one = stopping.forecast(doubt[done], changed[done], doubt[following])
            said.append((one.changes, one.low, one.high, float(changed[following].sum())))
        return said


def line(name: str, rows: list[dict[str, float]]) -> list[str]:
    def mean(key: str) -> float:
        return float(np.mean([row[key] for row in rows]))

    bias = mean("said") - mean("true")
    spread = 1.96 * np.std([row["said"] - row["true"] for row in rows], ddof=1) / np.sqrt(len(rows))
    wrong = sum(row["wrong"] for row in rows)
    decided = sum(row["decided"] for row in rows)
    return [
        name,
        f"{len(rows)}",
        f"{mean('true'):+.2f}",
        f"{mean('said'):+.2f}",
        f"{bias:+.2f} ± {spread:.2f}",
        f"{mean('half'):.2f}",
        f"{mean('holds'):.3f}",
        f"{decided:.0f}",
        f"{wrong:.0f}",
    ]


def keep(features: np.ndarray, truth: np.ndarray, asked: argparse.Namespace) -> str:
    """Return a table of what each rule to keep images gives, less images by chance."""
    cells: list[pd.DataFrame] = []
    for share in (0.0, *asked.shares):
        for seed in range(asked.runs):
            run = Run(features, truth, seed, "uniform", share, asked)
            confidence = run.probs[np.arange(len(run.labels)), run.labels]
            found = keep_rules.curve(
                run.x,
                run.labels,
                confidence,
                run.outside,
                run.outside_truth,
                num_classes=run.classes,
                penalty=run.penalty,
            )
            cells.append(found.assign(noise=f"{share:.0%}"))
    rows = pd.concat(cells)
    rows["less_random"] *= 100
    means = rows.groupby(["rule", "noise", "share"], sort=False)["less_random"].agg(["mean", "std", "count"])
    half = 1.96 * means["std"] / np.sqrt(means["count"])
    text = (means["mean"].map("{:+.1f}".format) + " ± " + half.map("{:.1f}".format)).unstack("share")
    lines = [[f"{rule}, {noise} wrong", *map(str, row)] for (rule, noise), row in text.iterrows()]
    return table(["rule", *(f"{share:.0%} kept" for share in keep_rules.SHARES)], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--model", help="which run")
    parser.add_argument("--runs", type=int, default=5, help="draws of each kind and share of errors")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--locked", type=int, default=1000)
    parser.add_argument("--checks", type=int, default=CHECKS, help="-1: every locked image")
    parser.add_argument("--penalty", type=float, default=0.0, help="of the heads; 0: by cross-validation")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.1, 0.2])
    parser.add_argument("--errors", nargs="*", default=list(ERRORS))
    parser.add_argument("--decisions", nargs="*", default=list(DECISIONS))
    parser.add_argument("--leak", action="store_true")
    parser.add_argument("--beforehand", action="store_true", help="what is expected of accepting or excluding all")
    parser.add_argument("--keep", action="store_true", help="instead: accuracy by the share of the images that is kept")
    asked = parser.parse_args()
    data = open_dataset(Workspace(asked.workspace), asked.dataset, asked.model)
    assert data.run is not None
    features = np.asarray(data.run.features(), np.float32)
    truth = data.dataset.labels().astype(np.int64)
    if asked.keep:
        print(keep(features, truth, asked))
        return
    rows: dict[str, list[dict[str, float]]] = {}
    forecasts: list[tuple[float, float, float, float]] = []
    for kind in asked.errors:
        for share in asked.shares:
            for seed in range(asked.runs):
                run = Run(features, truth, seed, kind, share, asked)
                forecasts += run.forecasts()
                for what in asked.decisions:
                    found = run.row(what, asked.checks, asked_before=asked.beforehand)
                    rows.setdefault(what, []).append(found)
                    rows.setdefault(f"{what}, {kind} {share:.0%}", []).append(found)
            print(f"{kind} {share:.0%}: {time.process_time():.0f} processor seconds", flush=True)
    heads = ["decisions", "n", "true gain", "said", "bias", "half-width", "holds", "decided", "of them wrong sign"]
    lines = [line(name, found) for name, found in sorted(rows.items(), key=lambda item: ("," in item[0], item[0]))]
    print(table(heads, lines))
    said, low, high, came = np.array(forecasts).T
    holds = np.mean((low <= came) & (came <= high))
    print(
        f"\nchanges in the next {stopping.NEXT}, {len(said)} forecasts: bias {np.mean(said - came):+.1f}, error "
        f"{np.mean(np.abs(said - came)):.1f}, intervals hold in {holds:.3f}"
    )


if __name__ == "__main__":
    main()

"""How often the interval of `avhcurate payoff` holds the gain of heads that it does not fit.

    python -m benchmarks.payoff_heads DATASET --workspace DIR --draws 60

Labels of a scored dataset count as true. In each draw 800 images are somebody's data and 900 are locked, with wrong
labels in both; the 160 most doubtful are decided about; the gain on all other images, by heads of other kinds, is true.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.payoff import expected, rules
from avhcurate.workspace.data.workspace import Workspace
from benchmarks.markdown import table

IMAGES, LOCKED, DECIDED = 800, 900, 160
SHARES = (0.1, 0.15, 0.2)
DECISIONS = ("accept", "exclude", "reviewer right in 95 %")
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)


def with_errors(truth: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return labels (n,) of which a share is uniformly wrong."""
    labels = truth.copy()
    wrong = rng.permutation(len(truth))[: round(share * len(truth))]
    labels[wrong] = (truth[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return labels


def true_gains(
    features: np.ndarray, labels: list[np.ndarray], outside: np.ndarray, truth: np.ndarray
) -> dict[str, list[float]]:
    """Return by kind of head the gain of each of `labels` but the first, against it, on images outside."""
    axes = PCA(60, random_state=0).fit(features)
    on_axes = axes.transform(features), axes.transform(outside)
    scale = np.sqrt(np.mean(on_axes[0] ** 2))
    scaler = StandardScaler().fit(features)
    raw = scaler.transform(features), scaler.transform(outside)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    def accuracy(strength: float) -> float:
        head = LogisticRegression(C=strength, max_iter=60, tol=1e-3)
        return float(cross_val_score(head, raw[0], labels[0], cv=folds).mean())

    best = max(STRENGTHS, key=accuracy)
    kinds: dict[str, tuple[Callable[[], LogisticRegression | SVC], tuple[np.ndarray, np.ndarray]]] = {
        "60 components": (
            lambda: LogisticRegression(C=0.1, max_iter=300),
            (on_axes[0] / scale, on_axes[1] / scale),
        ),
        "cross-validated": (lambda: LogisticRegression(C=best, max_iter=100, tol=1e-3), raw),
        "support vectors": (SVC, on_axes),
    }
    gains = {}
    for kind, (make, (x, other)) in kinds.items():
        right = [np.mean(make().fit(x[one >= 0], one[one >= 0]).predict(other) == truth) for one in labels]
        gains[kind] = [float(one - right[0]) for one in right[1:]]
    return gains


def draw(features: np.ndarray, truth: np.ndarray, seed: int) -> list[tuple[str, str, bool, float]]:
    """Return kind of decisions, kind of head, whether the interval holds its gain, and half of its width."""
    classes = int(truth.max()) + 1
    rng = np.random.default_rng([seed, 7])
    mine, locked, rest = np.split(rng.permutation(len(truth)), [IMAGES, IMAGES + LOCKED])
    share = SHARES[seed % len(SHARES)]
    before = with_errors(truth[mine], share, classes, rng)
    given = with_errors(truth[locked], share, classes, rng)
    x = rules.principal(features[np.concatenate([mine, locked])], np.arange(IMAGES))
    groups = np.arange(IMAGES)
    penalty = rules.choose_penalty(x[:IMAGES], before, classes, groups).value
    probs = expected.out_of_fold(x[:IMAGES], before, groups, num_classes=classes, penalty=penalty)
    accepted = expected.labels_after(probs, before, action="accept", number=DECIDED)
    excluded = expected.labels_after(probs, before, action="exclude", number=DECIDED)
    right = rng.random(IMAGES) < 0.95
    reviewed = np.where(accepted == before, before, np.where(right, truth[mine], accepted))
    after = [accepted, excluded, reviewed]
    found = rules.differences(x[:IMAGES], before, after, x[IMAGES:], given, classes, penalty)
    true = true_gains(features[mine], [before, *after], features[rest], truth[rest])
    rows = []
    for number, one in enumerate(found):
        said = rules.gain(one.by_class, given, {}, [], of_heads=one.of_heads)
        for kind, gains in true.items():
            holds = said.low <= gains[number] <= said.high
            rows.append((DECISIONS[number], kind, holds, 100 * (said.gain - said.low)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--model", help="which run")
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--draws", type=int, default=60)
    asked = parser.parse_args()
    data = open_dataset(Workspace(asked.workspace), asked.dataset, asked.model)
    assert data.run is not None
    features = np.asarray(data.run.features(), np.float32)
    truth = data.dataset.labels().astype(np.int64)
    rows = []
    for seed in range(asked.first, asked.first + asked.draws):
        rows += draw(features, truth, seed)
    lines = []
    for what in ("all", *dict.fromkeys(kind for row in rows for kind in row[:2])):
        some = [row for row in rows if what in ("all", *row[:2])]
        held = sum(row[2] for row in some)
        lines.append(
            [what, f"{held} of {len(some)}", f"{held / len(some):.3f}", f"{np.median([r[3] for r in some]):.2f}"]
        )
    print(table(["", "held", "share", "median half-width"], lines))


if __name__ == "__main__":
    main()

"""Consensus beside the majority, Dawid and Skene's method and cleanlab's CROWDLAB, on votes of CIFAR-10H.

    python -m benchmarks.consensus cifar10h --workspace DIR --run NAME

The truth is what most of the 51 people say. Each seed draws 3,000 images, and answers to them: 2, 3 or 5 votes without
replacement, of a crowd of 60; three labelers who are right in 98, 90 and 70 %, and else say what people say wrongly of
the class; four votes and a fifth person who guesses. The networks are the run (heads fitted out of fold) and, since no
better one is at hand, the same with the logit of the true class raised alike on all images until 93 % are right.
Each method is judged by its own label and its probability that this is right, kept within .001 and .999.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.multiannotator import get_label_quality_multiannotator
from scipy.special import softmax
from scipy.stats import t
from sklearn.metrics import average_precision_score

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.people.consensus import consensus
from avhcurate.people.dawid_skene import dawid_skene
from avhcurate.workspace.data.workspace import Workspace
from benchmarks.markdown import table

IMAGES = 3000
CROWD = 60
SKILLS = (0.98, 0.9, 0.7)
SETTINGS = ("2 votes", "3 votes", "5 votes", ".98, .90, .70", "a spammer of 5")
BETTER = 0.93


class Draw:
    """Images with their true classes (n,), and `answers` (n, m) of the people `who` (n, m)."""

    def __init__(self, counts: np.ndarray, setting: str, seed: int) -> None:
        rng = np.random.default_rng([seed, 59])
        truth = counts.argmax(axis=1)
        self.ids = np.sort(rng.permutation(len(counts))[:IMAGES])
        self.truth = truth[self.ids]
        if setting == SETTINGS[3]:
            self.answers = np.stack([_labeler(counts, self.truth, skill, rng) for skill in SKILLS], axis=1)
            self.who = np.tile(np.arange(len(SKILLS)), (IMAGES, 1))
        elif setting == SETTINGS[4]:
            guesses = rng.integers(counts.shape[1], size=(IMAGES, 1))
            self.answers = np.concatenate([_votes(counts[self.ids], 4, rng), guesses], axis=1)
            self.who = np.tile(np.arange(5), (IMAGES, 1))
        else:
            number = int(setting[0])
            self.answers = _votes(counts[self.ids], number, rng)
            self.who = np.array([rng.permutation(CROWD)[:number] for _ in self.ids])
        self.shares = np.zeros((IMAGES, counts.shape[1]))
        np.add.at(self.shares, (np.arange(IMAGES)[:, None], self.answers), 1 / self.answers.shape[1])
        #: Ties are broken by chance.
        self.majority = (self.shares + 1e-6 * rng.random(self.shares.shape)).argmax(axis=1)

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.repeat(np.arange(IMAGES), self.answers.shape[1]), self.who.ravel(), self.answers.ravel()


def _votes(counts: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.permutation(np.repeat(np.arange(len(row)), row))[:number] for row in counts])


def _labeler(counts: np.ndarray, truth: np.ndarray, skill: float, rng: np.random.Generator) -> np.ndarray:
    of_class = np.array([counts[counts.argmax(axis=1) == label].sum(axis=0) for label in range(counts.shape[1])])
    wrong = of_class * (1 - np.eye(len(of_class)))
    wrong /= wrong.sum(axis=1, keepdims=True)
    others = np.array([rng.choice(len(wrong), p=wrong[label]) for label in truth])
    return np.where(rng.random(len(truth)) < skill, truth, others)


def opinions(draw: Draw, networks: dict[str, np.ndarray]) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield network, method, labels (n,) and the probability (n,) that each is right."""
    rows = np.arange(IMAGES)
    yield "none", "majority", draw.majority, draw.shares[rows, draw.majority]
    probs = dawid_skene(*draw.flat())
    yield "none", "Dawid and Skene", probs.argmax(axis=1), probs.max(axis=1)
    found = consensus(*draw.flat(), num_classes=draw.shares.shape[1])
    yield "none", "ours", found.labels, found.probs.max(axis=1)
    matrix = np.full((IMAGES, CROWD), np.nan)
    matrix[rows[:, None], draw.who] = draw.answers
    matrix = matrix[:, ~np.isnan(matrix).all(axis=0)]
    for network, probs in networks.items():
        found = consensus(*draw.flat(), probs[draw.ids], num_classes=draw.shares.shape[1])
        yield network, "ours", found.labels, found.probs.max(axis=1)
        for method in ("majority_vote", "best_quality"):
            told = get_label_quality_multiannotator(
                matrix,
                probs[draw.ids],
                consensus_method=method,
                return_detailed_quality=False,
                return_annotator_stats=False,
                verbose=False,
            )["label_quality"]
            labels = told["consensus_label"].to_numpy(int)
            yield network, f"CROWDLAB {method}", labels, told["consensus_quality_score"].to_numpy()


def judged(draw: Draw, labels: np.ndarray, sure: np.ndarray) -> dict[str, float]:
    """Return how good labels and their probabilities are; `by share`: average precision by the share of votes alone."""
    right = labels == draw.truth
    sure = np.clip(sure, 0.001, 0.999)
    place = np.minimum((15 * sure).astype(int), 14)
    gaps = [abs(sure[place == one].sum() - right[place == one].sum()) for one in np.unique(place)]
    return {
        "right": 100 * right.mean(),
        "log loss": -np.log(np.where(right, sure, 1 - sure)).mean(),
        "calibration": sum(gaps) / len(right),
        "wrong": average_precision_score(~right, 1 - sure),
        "by share": average_precision_score(~right, 1 - draw.shares[np.arange(len(labels)), labels]),
    }


def measure(counts: np.ndarray, networks: dict[str, np.ndarray], seeds: range) -> pd.DataFrame:
    """Return a row for each setting, seed, network and method."""
    rows = []
    for setting in SETTINGS:
        for seed in seeds:
            draw = Draw(counts, setting, seed)
            for network, method, labels, sure in opinions(draw, networks):
                rows.append(
                    {"setting": setting, "seed": seed, "network": network, "method": method}
                    | judged(draw, labels, sure)
                )
    return pd.DataFrame(rows)


def against_best(found: pd.DataFrame, ours: tuple[str, str]) -> tuple[str, str]:
    """Return the best other method of a setting by its mean, and how much more of ours is right, in points.

    With a network the methods without one count too. The interval (95 %) is over seeds, paired.
    """
    setting, network = ours
    rows = found[(found["setting"] == setting) & found["network"].isin(["none", network])]
    mine = rows[(rows["method"] == "ours") & (rows["network"] == network)].set_index("seed")["right"]
    others = rows[rows["method"] != "ours"].pivot(index="seed", columns="method", values="right")
    best = str(others.mean().idxmax())
    more = mine - others[best]
    reach = t.ppf(0.975, len(more) - 1) * more.std() / len(more) ** 0.5
    return best, f"{more.mean():+.2f} ± {reach:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    opened = open_dataset(Workspace(options.workspace), options.dataset, options.run)
    assert opened.run is not None
    votes = opened.votes.by_sample()
    assert votes is not None
    counts = np.stack(votes["counts"].to_list()).astype(np.int64)
    logits = opened.run.logits_of(votes["id"].to_numpy()).astype(float)
    networks = {}
    for raised in (0.0, raise_until(logits, counts.argmax(axis=1))):
        probs = softmax(logits + raised * np.eye(logits.shape[1])[counts.argmax(axis=1)], axis=1)
        networks[f"{(probs.argmax(axis=1) == counts.argmax(axis=1)).mean():.1%}"] = probs
    # The constants of `consensus` were chosen on draws 0 to 4 of another generator.
    found = measure(counts, networks, range(10, 10 + options.seeds))
    keys = ["setting", "network", "method"]
    means = found.groupby(keys, sort=False).mean().drop(columns="seed").reset_index()
    print(means.round(4).to_string(index=False))
    rows = []
    for setting in SETTINGS:
        for network in ["none", *networks]:
            rows.append([setting, network, *against_best(found, (setting, network))])
    print(table(["answers", "network", "best other", "ours more right"], rows))


def raise_until(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return how much the logit of the true class is raised, on all images alike, until `BETTER` of them are right."""
    own = logits[np.arange(len(truth)), truth]
    others = logits.copy()
    others[np.arange(len(truth)), truth] = -np.inf
    return float(np.quantile(others.max(axis=1) - own, BETTER))


if __name__ == "__main__":
    main()

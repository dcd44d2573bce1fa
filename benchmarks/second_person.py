"""Errors left after one and after two people, by CIFAR-10H's votes: `python -m benchmarks.second_person FILE`.

Every given label is looked at by two people, two votes of the image drawn without replacement. One person alone
relabels it as they see it; with a second one a new label counts only where both say the same, else the given label
stays. These are expectations over all draws, with a 95 % bootstrap interval over images; CIFAR-10's own label is taken
as the truth.
"""

import argparse

import numpy as np
import pyarrow.parquet as pq

#: Shares of given labels that are wrong.
PLANTED = (0.01, 0.02, 0.05, 0.1)
RESAMPLES = 2000


def chances(votes: np.ndarray, truth: np.ndarray, wrong: float) -> dict[str, np.ndarray]:
    """Return each image's chances, (N,): of a wrong label after one person and after two, that both say the same, and
    that they say the same wrong class. votes: (N, K) counts; truth: (N,); wrong: share of given labels that are wrong.

    >>> {name: round(float(value[0]), 3) for name, value in chances(np.array([[8, 2]]), np.array([0]), 0.5).items()}
    {'one': 0.2, 'two': 0.2, 'same': 0.644, 'same and wrong': 0.022}
    """
    number = votes.sum(axis=1)
    place = np.arange(len(votes)), truth
    pairs = votes * (votes - 1) / (number * (number - 1))[:, None]
    same = pairs.sum(axis=1)
    both_right = pairs[place]
    both_wrong = same - both_right
    return {
        "one": 1 - votes[place] / number,
        "two": (1 - wrong) * both_wrong + wrong * (1 - both_right),
        "same": same,
        "same and wrong": both_wrong,
    }


def percent(values: np.ndarray, below: np.ndarray | None = None) -> str:
    """Return the mean of (N,) values in percent, or its ratio to that of others, with the interval over images."""
    shares = np.random.default_rng(0).multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES)
    if below is None:
        below = np.ones(len(values))
    low, high = 100 * np.quantile(shares @ values / (shares @ below), [0.025, 0.975])
    return f"{100 * values.sum() / below.sum():.2f} % ({low:.2f} to {high:.2f})"


def main() -> None:
    """Print the shares of wrong labels that are left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="the test images with the columns label and human_counts")
    table = pq.read_table(parser.parse_args().file, columns=["label", "human_counts"])
    votes = np.array(table["human_counts"].to_pylist(), np.int64)
    truth = table["label"].to_numpy().astype(np.int64)
    print(f"{len(votes):,} images, {votes.sum():,} votes")
    for wrong in PLANTED:
        found = chances(votes, truth, wrong)
        print(f"{wrong:.0%} given wrong: {percent(found['one'])} after one, {percent(found['two'])} after two")
    print(
        f"both say the same: {percent(found['same'])}, wrong of these {percent(found['same and wrong'], found['same'])}"
    )


if __name__ == "__main__":
    main()

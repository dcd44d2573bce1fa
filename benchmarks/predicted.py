"""Predicted HSF from votes on few images, drawn from a dataset with votes on all: how close it is, what intervals hold.

    python -m benchmarks.predicted cifar10h --workspace DIR --run NAME --draws 10

A row a number of voted images, means over the draws: Spearman with HSF of all other images, of predictions and of
confidence; the share of HSF within the 90 % intervals over all, of the lowest twentieth by predicted HSF and by the HSF
that people gave; the mean width; processor seconds. `±` is half of a 95 % interval over the draws of these images.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr, t

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.predicted_hsf.inputs import Inputs
from avhcurate.features.predicted_hsf.service import fit_prediction
from avhcurate.features.predicted_hsf.vote_model import VotedSamples
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.workspace.data.workspace import Workspace

NUMBERS = (200, 1000, 5000)
BINS = (0, 0.4, 0.6, 0.8, 1.01)


def judged(drawn: np.ndarray, rest: np.ndarray, votes: VotedSamples, confidence: np.ndarray) -> dict[str, float]:
    """Return how good predictions for the rows `rest` are, from the votes of the rows `drawn`."""
    begun = time.process_time()
    prediction = fit_prediction(votes.of(drawn))
    columns = prediction.columns(votes.ids[rest], votes.inputs[rest])
    seconds = time.process_time() - begun
    hsf, predicted = votes.hsf[rest], columns["hsf_predicted"]
    low, high = columns["hsf_predicted_low"], columns["hsf_predicted_high"]
    inside = (low - 1e-9 <= hsf) & (hsf <= high + 1e-9)
    found = {
        "predicted": spearmanr(predicted, hsf).statistic,
        "confidence": spearmanr(confidence[rest], hsf).statistic,
        "held": inside.mean(),
        "lowest 5 %": inside[predicted <= np.quantile(predicted, 0.05)].mean(),
        "width": (high - low).mean(),
        "seconds": seconds,
    }
    part = np.digitize(hsf, BINS)
    names = [f"HSF {begin} to {end:g}" for begin, end in pairwise(BINS)]
    return found | {name: inside[part == number].mean() for number, name in enumerate(names, 1) if number in part}


def measure(workspace: Path, name: str, run: str, draws: int) -> pd.DataFrame:
    """Return a row for each number of voted images: means over the draws, and `±` of the predictions."""
    opened = open_dataset(Workspace(workspace), name, run)
    assert opened.run is not None
    inputs = Inputs(opened.dataset, [opened.run])
    counts, labels = opened.votes.counts, opened.votes.labels
    ids = inputs.ids[counts.asked[inputs.ids] > 0]
    ones = np.ones(len(ids))
    votes = VotedSamples(ids, inputs.of(ids), counts.hits[ids], counts.asked[ids], np.zeros(len(ids), int), ones)
    confidence = (
        opened.samples.frame(columns=["id", "confidence"]).set_index("id")["confidence"].loc[ids].to_numpy(float)
    )
    rows = {}
    for number in NUMBERS:
        if number > len(ids) / 2:
            continue
        found = []
        for draw in range(draws):
            order = np.random.default_rng(1000 + draw).permutation(len(ids))
            drawn, rest = np.sort(order[:number]), np.sort(order[number:])
            votes.folds[drawn] = stratified_folds(labels[ids[drawn]], np.arange(number), folds=5, seed=0)
            found.append(judged(drawn, rest, votes, confidence))
        every = pd.DataFrame(found)
        reach = t.ppf(0.975, draws - 1) * every["predicted"].std() / draws**0.5
        rows[number] = {"±": reach, **every.mean()}
    return pd.DataFrame(rows).T.rename_axis("voted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    print(measure(options.workspace, options.dataset, options.run, options.draws).round(3).to_string())


if __name__ == "__main__":
    main()

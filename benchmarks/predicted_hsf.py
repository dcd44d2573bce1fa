"""Predicted HSF from few votes, and asking where they teach most: `python -m benchmarks.predicted_hsf --help`.

    python -m benchmarks.predicted_hsf WORKSPACE DATASET --out FILE [--runs all] [--voted 1000,5000] [--draws 10]
    python -m benchmarks.predicted_hsf WORKSPACE DATASET --out FILE --replay [--draws 10] [--votes 10]

A dataset all of whose images have votes, as CIFAR-10H. Of each draw some images keep their votes, and all others are
predicted as `avhcurate predict` predicts them: Spearman with their HSF, beside confidence; the share of HSF that the
intervals hold, in all, by HSF bin and by fifth of the predicted HSF (1: the lowest). `--replay` asks in batches for
images of one half, `--votes` votes of each drawn from the real ones, by the queue `informative` or at random, and
compares Spearman over the other half. Results are lines of JSON in FILE; a call goes on where the last one of the same
dataset and runs stopped, and ends with the tables of these.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.files import write_atomic
from avhcurate.predicted_hsf.conformal import coverage_by_bin
from avhcurate.predicted_hsf.inputs import Inputs
from avhcurate.predicted_hsf.service import LEVEL, Voted, fit_prediction, runs_of
from avhcurate.predicted_hsf.vote_model import Design, VoteModel, choose_strength, fit_votes, told
from avhcurate.stats.folds import stratified_folds
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.stats.ranks import spearman, standard_ranks
from avhcurate.table.dataset_table import DatasetTable, open_table
from avhcurate.votes.queues import draw_rates, draw_times
from benchmarks.markdown import table as markdown

FOLDS = 5
#: Images with votes at which a replay is judged: the first batch is at random in both.
STEPS = (150, 225, 338, 506, 759, 1139, 1709, 2563)


class Replayed:
    """A dataset with votes on all images: its inputs, votes for the label and all, (N,) each by row of `ids`."""

    def __init__(self, table: DatasetTable, runs: Sequence[RunFolder]) -> None:
        inputs, counts = Inputs(table.dataset, runs), table.counter.counts
        self.ids = inputs.ids[counts.asked[inputs.ids] > 0]
        self.design = inputs.design(self.ids)
        self.hits, self.votes = counts.hits[self.ids], counts.asked[self.ids]
        self.labels = table.counter.labels[self.ids]
        self.confidence = table.frame(columns=["confidence"])["confidence"].to_numpy(float)[self.ids]

    @property
    def hsf(self) -> np.ndarray:
        return self.hits / self.votes


def rho(one: np.ndarray, other: np.ndarray) -> float:
    return spearman(standard_ranks(one), standard_ranks(other))


def predicted(data: Replayed, voted: int, draw: int) -> dict[str, Any]:
    """What votes on `voted` images, drawn at random, say of all others."""
    order = np.random.default_rng([voted, draw]).permutation(len(data.ids))
    rows, rest = np.sort(order[:voted]), np.sort(order[voted:])
    folds = stratified_folds(data.labels[rows], rows, folds=FOLDS, seed=draw)
    found = fit_prediction(data.design.of(rows), Voted(rows, data.hits[rows], data.votes[rows], folds))
    columns = found.columns(rest, data.design.of(rest))
    hsf, low, high = data.hsf[rest], columns["hsf_predicted_low"], columns["hsf_predicted_high"]
    bins = coverage_by_bin(low, high, hsf)
    fifths = coverage_by_bin(low, high, hsf, predicted=columns["hsf_predicted"])[1:]
    fifths["bin"] = [f"fifth {number}" for number in range(1, len(fifths) + 1)]
    return {
        "rho": rho(columns["hsf_predicted"], hsf),
        "confidence": rho(data.confidence[rest], hsf),
        "strength": [found.model.strength.penalty, found.model.strength.weight],
        "bins": pd.concat([bins, fifths])[["bin", "n", "coverage", "width"]].to_dict("records"),
    }


def replay(data: Replayed, queue: str, draw: int, votes: int) -> list[dict[str, Any]]:
    """Spearman over one half of the images as votes on images of the other half come in, in batches."""
    rng = np.random.default_rng([draw, votes])
    order = rng.permutation(len(data.ids))
    pool, judged = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    hits = rng.hypergeometric(data.hits, data.votes - data.hits, np.minimum(votes, data.votes))
    given = np.minimum(votes, data.votes)
    asked, rows = rng.permutation(pool)[: STEPS[0]], []
    for step, target in enumerate(STEPS):
        if target > len(pool):
            break
        if step:
            left = np.setdiff1d(pool, asked)
            wish = np.zeros(len(left)) if queue == "random" else worth(model, data.design.of(left), votes)  # noqa: F821
            rates = draw_rates(wish)
            asked = np.append(asked, left[np.argsort(draw_times(rates, draw * 100 + step))[: target - len(asked)]])
        some, folds = data.design.of(asked), np.arange(len(asked)) % 3
        strength = choose_strength(some, hits[asked], given[asked], folds)
        model = fit_votes(some, hits[asked], given[asked], strength)
        value = rho(model.odds(data.design.of(judged)), data.hsf[judged])
        rows.append({"asked": len(asked), "rho": value})
    return rows


def worth(model: VoteModel, design: Design, votes: int) -> np.ndarray:
    """What so many votes on each image would tell the model, as the queue has it."""
    return told(model.odds(design), model.log_precision, votes, model.variance(design))


def needed(asked: pd.Series, reached: pd.Series, target: float) -> float:
    """Images asked about until a curve reaches a Spearman, between its points by the logarithm; NaN outside of it.

    >>> needed(pd.Series([100, 400]), pd.Series([0.3, 0.5]), 0.4)
    200.0
    """
    best = np.maximum.accumulate(reached.to_numpy())
    if not best[0] <= target <= best[-1]:
        return float("nan")
    return round(float(np.exp(np.interp(target, best, np.log(asked.to_numpy(float))))), 6)


def work(given: argparse.Namespace) -> Iterator[tuple[dict[str, Any], Any]]:
    """The key of each result, and the function that makes it."""
    for draw in range(given.draws):
        if given.replay:
            for queue in ("random", "informative"):
                key = {"replay": queue, "votes": given.votes, "draw": draw}
                yield key, lambda data, queue=queue, draw=draw: {"curve": replay(data, queue, draw, given.votes)}
        else:
            for voted in map(int, given.voted.split(",")):
                yield {"voted": voted, "draw": draw}, lambda data, voted=voted, draw=draw: predicted(data, voted, draw)


def interval(values: pd.Series, digits: int = 3) -> str:
    """Mean over draws with its 95 % interval."""
    mean = mean_over_seeds(values)
    return f"{mean.value:.{digits}f} ({mean.low:.{digits}f} to {mean.high:.{digits}f})"


def prediction_tables(results: pd.DataFrame) -> str:
    """Spearman and coverage by the number of voted images."""
    rows, bins = [], []
    for voted, part in results.groupby("voted"):
        every = pd.DataFrame([row | {"draw": draw} for draw, one in enumerate(part["bins"]) for row in one])
        whole = every[every["bin"] == "all"]
        cells = [interval(part["rho"]), interval(part["confidence"]), interval(100 * whole["coverage"], 1)]
        rows.append([f"{voted:,}", str(len(part)), *cells, f"{whole['width'].mean():.3f}"])
        for name, of_bin in every[every["bin"] != "all"].groupby("bin"):
            mean_n = f"{of_bin['n'].mean():,.0f}"
            bins.append(
                [f"{voted:,}", name, mean_n, interval(100 * of_bin["coverage"], 1), f"{of_bin['width'].mean():.2f}"]
            )
    claim = f"held by {LEVEL:.0%} intervals, %"
    head = ["voted images", "draws", "Spearman, predicted", "Spearman, confidence", claim, "mean width"]
    by_bin = ["voted images", "HSF, or fifth of predicted HSF", "n", claim, "mean width"]
    return f"{markdown(head, rows)}\n\n{markdown(by_bin, bins)}"


def replay_table(results: pd.DataFrame) -> str:
    """Spearman by images asked about, and the share of them that the queue needs for what random asking reaches."""
    points = [{"queue": row.replay, "draw": row.draw, **point} for row in results.itertuples() for point in row.curve]
    wide = pd.DataFrame(points).pivot_table(index=["asked", "draw"], columns="queue", values="rho").dropna()
    means = wide.groupby("asked").mean().reset_index()
    rows = []
    for asked, part in wide.groupby("asked"):
        share = needed(means["asked"], means["informative"], part["random"].mean()) / asked
        difference = part["informative"] - part["random"]
        cells = [interval(part["random"]), interval(part["informative"]), interval(difference)]
        rows.append([f"{asked:,}", *cells, "-" if share != share else f"{share:.2f}"])
    head = ["images asked about", "at random", "where votes teach most", "difference within draws", "share needed"]
    return f"{len(part)} draws\n\n{markdown(head, rows)}"


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """The results in a file; what a killed call has left of its last line is cut off."""
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_atomic(path, whole)
    return [json.loads(line) for line in whole.splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Predicted HSF from votes on few images.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--out", type=Path, required=True, help="file of results, a line of JSON each")
    parser.add_argument("--runs", default="", help="runs to learn from, or all [the newest]")
    parser.add_argument("--voted", default="100,200,500,1000,2000,5000")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--votes", type=int, default=10, help="votes an image in a replay")
    parser.add_argument("--replay", action="store_true")
    given = parser.parse_args(arguments)
    table = open_table(Workspace(given.workspace), given.dataset)
    runs = runs_of(table, given.runs.split(",") if given.runs else ())
    learnt = {"dataset": table.dataset.record.fingerprint, "runs": [run.name for run in runs]}
    results = [
        row for row in whole_lines(given.out) if all(row.get(name, learnt[name]) == learnt[name] for name in learnt)
    ]
    done = {
        json.dumps({key: row[key] for key in row if key in ("replay", "votes", "voted", "draw")}) for row in results
    }
    data = None
    for key, make in work(given):
        if json.dumps(key) in done:
            continue
        data = data or Replayed(table, runs)
        results.append(key | make(data))
        with given.out.open("a") as stream:
            stream.write(json.dumps(results[-1] | learnt) + "\n")
    print(
        replay_table(pd.DataFrame([row for row in results if row.get("votes") == given.votes]))
        if given.replay
        else prediction_tables(pd.DataFrame([row for row in results if "voted" in row]))
    )


if __name__ == "__main__":
    main()

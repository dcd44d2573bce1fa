"""A budget well spent: labels and votes that each way to choose images needs, replayed on those that are known.

    python -m benchmarks.budget --task digits --out FOLDER
    python -m benchmarks.budget --task pacs --data pacs_128.parquet --out FOLDER
    python -m benchmarks.budget --task votes --workspace DIR --dataset cifar10h --out FOLDER

Half of the images can be asked about and the other half judges, drawn by the seed. A way asks in batches, each doubled
in turn, and learns from all answers so far before the next one. Labels: a linear head of one penalty is fitted to the
pixels of the digits, or to EfficientNet-lite0's features of PACS, and its accuracy is judged. Votes: HSF is predicted
by the product's model of the votes, and Spearman with the HSF of all votes is judged. One seed is one file under
FOLDER; the same command resumes where it stopped. `--report` prints the tables: how many a way needs for what random
asking reaches with some, as a share of what that needs, paired by seed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.predicted_hsf.inputs import Inputs
from avhcurate.features.predicted_hsf.vote_model import VotedSamples, fit_votes
from avhcurate.measures import scores
from avhcurate.measures.stats.coverage import Coverage
from avhcurate.measures.stats.neighbours import nearest_of, unit
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.networks.models.engine import Network, embed
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_atomic
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.images.decoding import decode
from benchmarks.markdown import table
from benchmarks.pacs_data import open_pacs
from benchmarks.resumable import add_results, run_until, say
from benchmarks.seeds import mean_over_seeds

#: Neighbours of each image, as `avhcurate neighbours` finds.
NEIGHBOURS = 16
#: Pixels a side of PACS. The penalty on half the squared weights of a head, for each feature of variance 1.
SIDE, PENALTY = 96, 1 / 16
BUDGETS = {
    "digits": (20, 40, 80, 160, 320),
    "pacs": (20, 40, 80, 160, 320),
    "votes": (100, 200, 400, 800),
}
#: What random asking reaches with so many is the goal.
GOALS = {"digits": (40, 80, 160), "pacs": (40, 80, 160), "votes": (200, 400)}


class Learner(Protocol):
    """What learns from answers: `features` (n, D) of the images that can be asked about."""

    features: np.ndarray

    def learn(self, asked: np.ndarray) -> float:
        """Learn from these places, and return how good that is over the other half."""

    def forget(self) -> None:
        """Know nothing again."""

    def doubts(self) -> Mapping[str, np.ndarray]:
        """Return how much each image is doubted by name, (n,), as far as is known."""


class Labels:
    """A head on frozen features of one half, judged by its accuracy on the other half."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, seed: int) -> None:
        half = np.random.default_rng(seed).permutation(len(labels))
        pool, rest = np.array_split(half, 2)
        mean = features[pool].mean(axis=0)
        scale = np.sqrt(np.mean((features[pool] - mean) ** 2))
        self.features, self._x, self._rest = (
            features[pool],
            (features[pool] - mean) / scale,
            (features[rest] - mean) / scale,
        )
        self._labels, self._truth = labels[pool], labels[rest]
        self._model: LogisticRegression | None = None

    def learn(self, asked: np.ndarray) -> float:
        self._model = LogisticRegression(C=1 / (PENALTY * self._x.shape[1]), max_iter=500)
        self._model.fit(self._x[asked], self._labels[asked])
        return float((self._model.predict(self._rest) == self._truth).mean())

    def forget(self) -> None:
        self._model = None

    def doubts(self) -> Mapping[str, np.ndarray]:
        if self._model is None:
            return {}
        avc = scores.avc(self._x.astype(np.float64), self._model.coef_.astype(np.float64)).max(axis=1)
        top = np.sort(self._model.predict_proba(self._x), axis=1)
        return {"AVC": -avc, "margin": top[:, -2] - top[:, -1]}


class Votes:
    """The product's model of the votes of one half, judged by Spearman with the HSF of the other half."""

    def __init__(self, workspace: Path, name: str, seed: int) -> None:
        data = open_dataset(Workspace(workspace), name)
        assert data.run is not None
        inputs = Inputs(data.dataset, [data.run])
        counts = data.votes.counts
        ids = inputs.ids[counts.asked[inputs.ids] > 0]
        pool, self._rest = (np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(ids), 2))
        self.features = np.asarray(data.run.features_of(pool), np.float32)
        ones = np.ones(len(pool))
        self._pool = VotedSamples(pool, inputs.of(pool), counts.hits[pool], counts.asked[pool], ones, ones)
        self._judge, self._hsf = inputs.of(self._rest), counts.hits[self._rest] / counts.asked[self._rest]
        self._avc = data.samples.frame(columns=["avc"])["avc"].to_numpy(float)[pool]
        self._ranks: np.ndarray | None = None

    def learn(self, asked: np.ndarray) -> float:
        model = fit_votes(self._pool.of(asked))
        self._ranks = model.ranks(self._pool.inputs)
        return float(spearmanr(model.ranks(self._judge), self._hsf).statistic)

    def forget(self) -> None:
        self._ranks = None

    def doubts(self) -> Mapping[str, np.ndarray]:
        known = {"AVC": -self._avc}
        if self._ranks is not None:
            known["predicted HSF"] = -self._ranks
        return known


class Asking:
    """The images asked about so far, and the ways to choose the next ones."""

    def __init__(self, learner: Learner, graph: tuple[np.ndarray, np.ndarray], seed: int) -> None:
        self.learner, self._graph, self._rng = learner, graph, np.random.default_rng(1000 + seed)
        self.asked = np.empty(0, np.int64)

    def ask(self, choose: Callable[["Asking", int], np.ndarray], budget: int) -> float:
        """Ask about more images, up to the budget, and return how good what is learnt from all is."""
        self.asked = np.concatenate([self.asked, choose(self, budget - len(self.asked))]).astype(np.int64)
        return self.learner.learn(self.asked)

    @property
    def left(self) -> np.ndarray:
        """Return a mask of those not asked about."""
        left = np.ones(len(self.learner.features), bool)
        left[self.asked] = False
        return left

    def random(self, count: int) -> np.ndarray:
        return self._rng.choice(np.flatnonzero(self.left), count, replace=False)

    def most(self, doubt: str, count: int) -> np.ndarray:
        """Return those doubted most, at random before anything is known."""
        values = self.learner.doubts().get(doubt)
        if values is None:
            return self.random(count)
        ids = np.flatnonzero(self.left)
        return ids[np.argsort(-values[ids], kind="stable")[:count]]

    def far(self, count: int) -> np.ndarray:
        """Return those farthest from all that are taken, one after the other (k-centre)."""
        u = unit(self.learner.features.astype(np.float64))
        taken = [*self.asked.tolist()] or self.random(1).tolist()
        new = [] if len(self.asked) else list(taken)
        nearest = np.max(u @ u[taken].T, axis=1)
        while len(new) < count:
            new.append(int(np.argmin(nearest)))
            nearest = np.maximum(nearest, u @ u[new[-1]])
        return np.array(new)

    def varied(self, doubt: str, count: int) -> np.ndarray:
        """Return those that cover most, times the rank of their doubt where one is named and known."""
        coverage, weights = Coverage(*self._graph), np.ones(len(self.learner.features))
        for id in self.asked.tolist():
            coverage.take(id)
        if (values := self.learner.doubts().get(doubt)) is not None:
            weights = rank_shares(values)
        return np.array(coverage.order(count, among=self.left, weights=weights))


#: Ways to choose, by task.
WAYS: dict[str, Callable[[Asking, int], np.ndarray]] = {
    "random": Asking.random,
    "lowest AVC": lambda asking, count: asking.most("AVC", count),
    "smallest margin": lambda asking, count: asking.most("margin", count),
    "lowest predicted HSF": lambda asking, count: asking.most("predicted HSF", count),
    "k-centre": Asking.far,
    "coverage": lambda asking, count: asking.varied("", count),
    "coverage, AVC": lambda asking, count: asking.varied("AVC", count),
    "coverage, margin": lambda asking, count: asking.varied("margin", count),
    "coverage, predicted HSF": lambda asking, count: asking.varied("predicted HSF", count),
}
OF_TASK = {
    "votes": ("random", "coverage", "coverage, AVC", "coverage, predicted HSF"),
}
OF_TASK["digits"] = OF_TASK["pacs"] = tuple(way for way in WAYS if "HSF" not in way)


def learner(options: argparse.Namespace, seed: int) -> Learner:
    """Return the task's learner on the halves of a seed."""
    if options.task == "votes":
        return Votes(options.workspace, options.dataset, seed)
    if options.task == "digits":
        digits = read_digits()
        return Labels(digits.images.reshape(len(digits.labels), -1).astype(np.float32), digits.labels, seed)
    return Labels(*pacs(options.data, options.out, options.images), seed)


def pacs(data: Path, out: Path, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features of some images, computed once and kept in `out`, and their labels."""
    kept, found = out / "pacs-features.npy", open_pacs(data)
    some = np.sort(np.random.default_rng(0).permutation(len(found.labels))[:images])
    if not kept.exists():
        model, encoded = (
            load_model(ModelSpec(name="efficientnet-lite0", resize=SIDE, crop=SIDE)),
            found.file.read(["image"]),
        )
        batches = (encoded["image"].take(rows) for rows in np.array_split(some, 1 + len(some) // 16))

        def prepare(images: pa.ChunkedArray) -> tuple[np.ndarray, None]:
            return np.stack([model.preprocess.prepare(decode(one["bytes"])) for one in images.to_pylist()]), None

        np.save(kept, np.concatenate([features for _, features, _ in embed(Network(model), batches, prepare)]))
    return np.load(kept), found.labels[some]


def run(options: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Replay the seeds that are missing; return True once all are there."""
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        file = options.out / f"{options.task}-{seed}.json"
        if file.exists():
            continue
        chosen, found = learner(options, seed), {}
        graph = nearest_in_parts(chosen.features)
        for way in OF_TASK[options.task]:
            progress.check("stopped: the same command goes on")
            chosen.forget()
            asking = Asking(chosen, graph, seed)
            found[way] = [asking.ask(WAYS[way], budget) for budget in BUDGETS[options.task]]
        record = {"budgets": BUDGETS[options.task], "images": len(chosen.features), "found": found}
        write_atomic(file, json.dumps(record, indent=2) + "\n")
        say(f"{options.task} seed {seed}: " + ", ".join(f"{way} {values[-1]:.3f}" for way, values in found.items()))
    return True


def nearest_in_parts(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of each image and their angles, (n, 16) each."""
    parts = np.array_split(np.arange(len(features)), 1 + len(features) // 500)
    found = [nearest_of(features, rows, count=NEIGHBOURS) for rows in parts]
    return np.concatenate([near for near, _ in found]), np.concatenate([angles for _, angles in found])


def needed(budgets: np.ndarray, values: np.ndarray, goal: float) -> float:
    """Return the budget at which the values first reach the goal, on a line over the log; the last where they do not.

    >>> needed(np.array([10, 20, 40]), np.array([0.2, 0.6, 0.7]), 0.4).round(2).item()
    14.14
    """
    for at in np.flatnonzero(values >= goal)[:1]:
        if at == 0:
            return budgets[0]
        share = (goal - values[at - 1]) / (values[at] - values[at - 1])
        return np.exp(np.log(budgets[at - 1]) + share * np.log(budgets[at] / budgets[at - 1]))
    return budgets[-1]


def report(out: Path, task: str) -> str:
    """Return what each way reaches at each budget, and its share of what random asking needs for the same."""
    seeds = [json.loads(file.read_text()) for file in sorted(out.glob(f"{task}-*.json"))]
    budgets, by_way = np.array(seeds[0]["budgets"], float), {}
    for way in seeds[0]["found"]:
        by_way[way] = np.array([one["found"][way] for one in seeds])
    usual, rows, needs = by_way["random"], [], []
    for way, values in by_way.items():
        gains = [mean_over_seeds(values[:, at] - usual[:, at]) for at in range(len(budgets))]
        rows.append(
            [
                way,
                *(
                    f"{values[:, at].mean():.3f} ({g.value:+.3f} ± {g.high - g.value:.3f})"
                    for at, g in enumerate(gains)
                ),
            ]
        )
        cells = []
        for goal_at in GOALS[task]:
            goal = float(usual[:, budgets == goal_at].mean())
            ratio = mean_over_seeds(
                [
                    np.log(needed(budgets, mine, goal) / needed(budgets, theirs, goal))
                    for mine, theirs in zip(values, usual, strict=True)
                ]
            )
            cells.append("{:.2f} ({:.2f} to {:.2f})".format(*np.exp([ratio.value, ratio.low, ratio.high])))
        needs.append([way, *cells])
    heads = [
        [f"with {budget:.0f}" for budget in budgets],
        [f"for what random reaches with {goal}" for goal in GOALS[task]],
    ]
    return f"{task}, {len(seeds)} seeds, {seeds[0]['images']} images to ask about\n\n" + "\n\n".join(
        table(["", *head], lines) for head, lines in zip(heads, (rows, needs), strict=True)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=list(BUDGETS), required=True)
    parser.add_argument("--data", type=Path, help="the Parquet file of PACS")
    parser.add_argument("--workspace", type=Path, help="where a dataset with votes is scored")
    parser.add_argument("--dataset", help="its name")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, default=3000, help="of PACS, drawn by chance")
    add_results(parser)
    options = parser.parse_args()
    if options.report:
        print(report(options.out, options.task))
        return 0
    return run_until(lambda progress: run(options, progress), options.minutes)


if __name__ == "__main__":
    sys.exit(main())

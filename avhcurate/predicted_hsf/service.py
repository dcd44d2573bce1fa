"""Predicts HSF of every sample from the votes that some samples have, with intervals, and stores it for the table."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from avhcurate.data.prediction import (
    PREDICTED,
    CoverageRow,
    CurvePoint,
    PredictionFolder,
    PredictionRecord,
    StrengthRecord,
)
from avhcurate.data.runs import RunFolder
from avhcurate.data.sample_groups import duplicates_digest, sample_groups
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.predicted_hsf.conformal import Interval, conformal_interval, coverage_by_bin, distances
from avhcurate.predicted_hsf.inputs import Inputs
from avhcurate.predicted_hsf.learning_curve import learning_curve
from avhcurate.predicted_hsf.vote_model import (
    Check,
    CrossFit,
    Design,
    VoteModel,
    cross_fit,
    fit_votes,
    told,
)
from avhcurate.stats.folds import stratified_folds
from avhcurate.stats.rank_influence import estimate, spearman_influence
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes import reliability
from avhcurate.votes.queues import queue_use

#: Fewest samples with votes that a model is made from, and most that it learns from.
FEWEST, MOST = 30, 20_000
FOLDS, LEVEL = 5, 0.9
#: Samples a shard: what a killed job loses at most.
_SHARD = 16_384
#: Part of the folder's name: raise it when the same settings give other predictions.
_VERSION = 3


@dataclass(frozen=True)
class PredictSettings:
    """How HSF is predicted: names of runs (none: the table's), level of the intervals, folds and their seed."""

    runs: tuple[str, ...] = ()
    level: float = LEVEL
    folds: int = FOLDS
    seed: int = 0


@dataclass(frozen=True)
class Voted:
    """The samples with votes: ids, hits of votes, folds, how many samples each stands for (None: one); all (n,)."""

    ids: np.ndarray
    hits: np.ndarray
    votes: np.ndarray
    folds: np.ndarray
    weights: np.ndarray | None = None

    @property
    def usual(self) -> int:
        """The median number of votes, which the intervals are for."""
        return max(1, round(float(np.median(self.votes))))


@dataclass(frozen=True)
class Prediction:
    """A fitted model of the votes: each voted sample's cross-fitted log odds, the model of all, and the intervals."""

    voted: Voted
    crossed: CrossFit
    model: VoteModel
    interval: Interval
    reached: np.ndarray

    def columns(self, ids: np.ndarray, design: Design) -> dict[str, np.ndarray]:
        """The columns of the samples `ids`, ascending, (n,) each."""
        odds = self.model.odds(design)
        place = np.minimum(np.searchsorted(self.voted.ids, ids), len(self.voted.ids) - 1)
        known = self.voted.ids[place] == ids
        odds[known] = self.crossed.odds[place[known]]
        low, high = self.interval.of(odds)
        variance = self.model.variance(design)
        for fold, model in enumerate(self.crossed.models):
            # As if it had no votes: what a queue's chances rest on must not depend on who was asked about before.
            rows = np.flatnonzero(known & (self.voted.folds[place] == fold))
            variance[rows] = model.variance(design.of(rows))
        predicted = expit(odds)
        ends = {"hsf_predicted_low": np.minimum(low, predicted), "hsf_predicted_high": np.maximum(high, predicted)}
        information = told(odds, self.crossed.log_precision, self.voted.usual, variance)
        return {"hsf_predicted": predicted, **ends, "information": information}


def predict_hsf(
    table: DatasetTable, settings: PredictSettings | None = None, *, progress: Progress = SILENT
) -> PredictionFolder:
    """Predicts HSF of every sample that has a label and that the runs have scored, from the samples with votes.

    A sample with votes is predicted by a model that did not know them; copies share a fold. The same call again resumes
    or, where votes, runs and copies are the same, does nothing; another prediction replaces the one before once it is
    complete. Raises Cancelled when asked to stop, and CurateError for too few votes or no run.
    """
    settings = settings or PredictSettings()
    if not 0.5 <= settings.level <= 0.99:
        raise CurateError(f"the level of the intervals lies between 0.5 and 0.99; it was {settings.level:g}")
    started, dataset, votes = time.perf_counter(), table.dataset, table.votes
    if votes is None:
        raise CurateError(f"dataset {dataset.name} has no votes to learn from: `avhcurate votes {dataset.name} FILE`")
    runs = runs_of(table, settings.runs)
    use = queue_use(table.counter)
    named = {
        "version": _VERSION,
        "dataset": dataset.record.fingerprint,
        "runs": [[run.name, run.scores_path.stat().st_mtime_ns] for run in runs],
        "votes": votes.key,
        "level": settings.level,
        "folds": settings.folds,
        "seed": settings.seed,
        **duplicates_digest(dataset),
    }
    folder = PredictionFolder.of(dataset, settings_digest(named)[:12])
    with folder.alone():
        if folder.complete:
            return folder
        progress.tell(0, 1, "reading the inputs")
        inputs = Inputs(dataset, runs)
        voted = _voted(table, inputs, runs[0], settings, use.weights)
        if not folder.begun:
            folder.write_record(
                PredictionRecord(
                    name=folder.name,
                    runs=[run.name for run in runs],
                    dataset_fingerprint=dataset.record.fingerprint,
                    votes_fingerprint=votes.fingerprint,
                    votes_simulated=votes.simulated,
                    queues=use.votes,
                    samples=len(inputs.ids),
                    voted=int((table.counter.counts.asked > 0).sum()),
                    learnt=len(voted.ids),
                    votes=voted.usual,
                    level=settings.level,
                    folds=settings.folds,
                    seed=settings.seed,
                    weighted=voted.weights is not None,
                    inputs={"scores": inputs.scores, "features": inputs.features},
                    versions=versions("numpy", "scipy"),
                    started=now(),
                )
            )
        work = _Predicting(folder, inputs, voted, settings, progress)
        found = work.fit()
        work.predict(found, len(table.counter.labels))
        work.finish(found, _beside_confidence(runs[0], voted, found[0].crossed.odds), time.perf_counter() - started)
    for other in PredictionFolder.all_of(dataset):
        if other.name != folder.name:
            shutil.rmtree(other.root, ignore_errors=True)
    return folder


def fit_prediction(design: Design, voted: Voted, *, level: float = LEVEL, check: Check = lambda: None) -> Prediction:
    """The model of the votes of samples whose inputs are `design`, cross-fitted, with its conformal intervals."""
    crossed = cross_fit(design, voted.hits, voted.votes, voted.folds, check)
    model = fit_votes(design, voted.hits, voted.votes, crossed.strength)
    reached = distances(crossed.odds, crossed.log_precision, voted.hits, voted.votes)
    interval = conformal_interval(
        crossed.odds, reached, crossed.log_precision, voted.usual, level=level, weights=voted.weights
    )
    return Prediction(voted, crossed, model, interval, reached)


def covered(found: Prediction, *, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n,) of the intervals of the voted samples, those of a fold from the distances of the other folds."""
    voted, low, high = found.voted, np.empty(len(found.reached)), np.empty(len(found.reached))
    for fold in range(len(found.crossed.models)):
        held = voted.folds == fold
        weights = None if voted.weights is None else voted.weights[~held]
        odds, reached = found.crossed.odds[~held], found.reached[~held]
        ends = conformal_interval(odds, reached, found.crossed.log_precision, voted.usual, level=level, weights=weights)
        low[held], high[held] = ends.of(found.crossed.odds[held])
    return low, high


@dataclass(frozen=True)
class _Predicting:
    """A prediction under way: half of the steps are the fit, half the samples."""

    folder: PredictionFolder
    inputs: Inputs
    voted: Voted
    settings: PredictSettings
    progress: Progress

    def fit(self) -> tuple[Prediction, list[CurvePoint]]:
        """The model, and its learning curve; the same each time."""
        cancelled = "cancelled while the model was fitted: the same command begins again"
        total = 2 * len(self.inputs.ids)
        self.progress.tell(0, total, "fitting the model of votes", cancelled=cancelled)
        design, voted = self.inputs.design(self.voted.ids), self.voted

        def check() -> None:
            self.progress.check(cancelled)

        found = fit_prediction(design, voted, level=self.settings.level, check=check)
        self.progress.tell(total // 3, total, "measuring the learning curve", cancelled=cancelled)
        curve = learning_curve(
            design,
            voted.hits,
            voted.votes,
            voted.folds,
            found.crossed,
            weights=voted.weights,
            seed=self.settings.seed,
            check=check,
        )
        rows = ({key: _known(value) for key, value in row.items()} for row in curve.to_dict("records"))
        return found, [CurvePoint.model_validate(row) for row in rows]

    def predict(self, fitted: tuple[Prediction, list[CurvePoint]], samples: int) -> None:
        """Every shard that is not committed; samples without inputs have nulls."""
        has_inputs = np.zeros(samples, bool)
        has_inputs[self.inputs.ids] = True
        for shard in range(-(-samples // _SHARD)):
            ids = np.arange(shard * _SHARD, min(samples, (shard + 1) * _SHARD))
            rows = ids[has_inputs[ids]]
            done = len(self.inputs.ids) + int(has_inputs[: ids[0]].sum())
            self.progress.tell(done, 2 * len(self.inputs.ids), "predicting")
            if self.folder.has_shard(shard):
                continue
            began = time.perf_counter()
            found = fitted[0].columns(rows, self.inputs.design(rows)) if len(rows) else {}
            columns = {"id": pa.array(ids)}
            for key in (*PREDICTED, "information"):
                values = np.full(len(ids), np.nan)
                values[has_inputs[ids]] = found.get(key, np.empty(0))
                columns[key] = pa.array(values, pa.float32(), from_pandas=True)
            self.folder.write_shard(shard, pa.table(columns), seconds=time.perf_counter() - began)

    def finish(
        self, fitted: tuple[Prediction, list[CurvePoint]], beside: dict[str, float | None], seconds: float
    ) -> None:
        found, curve = fitted
        low, high = covered(found, level=self.settings.level)
        hsf, weights = self.voted.hits / self.voted.votes, self.voted.weights
        coverage = coverage_by_bin(low, high, hsf, weights=weights)
        by_predicted = coverage_by_bin(low, high, hsf, weights=weights, predicted=expit(found.crossed.odds))
        shards = sorted((self.folder.root / "scores").glob("shard-*.parquet"))
        strengths = [model.strength for model in (*found.crossed.models, found.model)]
        changes = {
            "chosen": [StrengthRecord(**asdict(strength)) for strength in strengths],
            # Single votes say nothing of it.
            "within": float(1 / (1 + np.exp(found.crossed.log_precision))) if self.voted.votes.max() > 1 else None,
            "curve": curve,
            "coverage": [CoverageRow.model_validate(row) for row in coverage.to_dict("records")],
            "coverage_predicted": [CoverageRow.model_validate(row) for row in by_predicted.to_dict("records")[1:]],
            **beside,
            **self._ceiling(),
            "finished": now(),
            "seconds": round(seconds, 3),
        }
        self.folder.finish((self.folder.shard(number) for number in range(len(shards))), changes)
        self.progress.report(2 * len(self.inputs.ids), 2 * len(self.inputs.ids), "")

    def _ceiling(self) -> dict[str, float | None]:
        """The noise ceiling of these votes; none where they are weighted to the dataset, whose ceiling it is not."""
        if self.voted.weights is not None:
            return {}
        found = reliability.of_ticks(self.voted.hits, self.voted.votes)
        return {key: _known(getattr(found, key)) for key in ("ceiling", "ceiling_low", "ceiling_high")}


def runs_of(table: DatasetTable, names: Sequence[str]) -> list[RunFolder]:
    """The runs to learn from: those named, all complete ones for "all", the table's without a name."""
    if list(names) == ["all"]:
        return [run for run in table.dataset.runs() if run.complete]
    if not names:
        return [table.run] if table.run else []
    runs = [table.dataset.run(name) for name in names]
    if unfinished := [run.name for run in runs if not run.complete]:
        raise CurateError(f"the run {unfinished[0]} is not finished: score again to resume it, or leave it out")
    return runs


def _voted(
    table: DatasetTable, inputs: Inputs, run: RunFolder, settings: PredictSettings, weights: np.ndarray | None
) -> Voted:
    """The samples with inputs and votes, at most `MOST` of them at random, in folds."""
    counts = table.counter.counts
    ids = inputs.ids[counts.asked[inputs.ids] > 0]
    if len(ids) < max(FEWEST, 2 * settings.folds):
        raise CurateError(
            f"{len(ids)} samples of {table.dataset.name} have votes, a label and scores; a prediction needs {FEWEST} "
            "or more: collect more votes first, best of images in a random order"
        )
    if len(ids) > MOST:
        ids = np.sort(np.random.default_rng(settings.seed).choice(ids, MOST, replace=False))
    groups = sample_groups(table.dataset, run, ids)[0] if run.has_features else np.arange(len(ids))
    folds = stratified_folds(table.counter.labels[ids], groups, folds=settings.folds, seed=settings.seed)
    known = None if weights is None or np.isnan(weights[ids]).any() else weights[ids]
    return Voted(ids, counts.hits[ids], counts.asked[ids], folds, known)


def _beside_confidence(run: RunFolder, voted: Voted, odds: np.ndarray) -> dict[str, float | None]:
    """Spearman of the run's confidence with HSF over the voted samples, the bar that a prediction has to pass, and by
    how much predictions with these log odds (n,) pass it, over the samples that have a confidence.
    """
    if "confidence" not in pq.read_schema(run.scores_path).names:
        return {}
    rows = pq.read_table(run.scores_path, columns=["id", "confidence"]).to_pandas().set_index("id")["confidence"]
    confidence = rows.reindex(voted.ids).to_numpy(float)
    known = ~np.isnan(confidence)
    if known.sum() < 3:
        return {}
    weights, hsf = None if voted.weights is None else voted.weights[known], (voted.hits / voted.votes)[known]
    bar, of_bar = spearman_influence(confidence[known], hsf, weights)
    reached, of_reached = spearman_influence(odds[known], hsf, weights)
    gain = estimate(reached - bar, of_reached - of_bar)
    found = {"confidence_rho": bar, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return {key: _known(value) for key, value in found.items()}


def _known(value: float) -> float | None:
    return None if value != value else value

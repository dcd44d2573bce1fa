"""Predicts HSF of every sample from the votes that some samples have, with intervals, and stores it for the table."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from avhcurate.datasets.curate.locked import refuse_before_lock
from avhcurate.datasets.table.columns import PREDICTED_COLUMNS
from avhcurate.datasets.table.dataset_table import DatasetTable, finished_run
from avhcurate.datasets.table.empty_view import no_votes
from avhcurate.errors import CurateError
from avhcurate.features.predicted_hsf.conformal import Interval, conformal_interval, coverage_by_bin, distances
from avhcurate.features.predicted_hsf.inputs import Inputs
from avhcurate.features.predicted_hsf.learning_curve import SHARES, learning_curve
from avhcurate.features.predicted_hsf.settings import LEVEL, PredictSettings
from avhcurate.features.predicted_hsf.vote_model import (
    PENALTIES,
    WIDE_WEIGHTS,
    Check,
    CrossFit,
    Design,
    VotedSamples,
    VoteModel,
    cross_fit,
    fit_votes,
    held_out_odds,
    information_gain,
)
from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.measures.stats.rank_influence import estimate, spearman_influence
from avhcurate.people import reliability
from avhcurate.people.queues import queue_use
from avhcurate.workspace.data.prediction import (
    PREDICTED,
    CoverageRow,
    CurvePoint,
    PredictionFolder,
    PredictionRecord,
    RunGain,
)
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import duplicates_digest, sample_groups
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Fewest samples with votes that a model is made from, and most that it learns from.
FEWEST = 30
MOST = 20_000
FOLDS = 5
#: Samples whose inputs are in memory at once.
_BLOCK = 16_384
#: The most runs that a prediction learns from unless they are named.
MOST_RUNS = 8
#: Part of the folder's name: raise it when the same settings give other predictions.
_VERSION = 6


@dataclass(frozen=True)
class Prediction:
    """A fitted model of the votes: each voted sample's cross-fitted log odds, the model of all, and the intervals."""

    voted: VotedSamples
    crossed: CrossFit
    model: VoteModel
    interval: Interval
    reached: np.ndarray

    def columns(self, ids: np.ndarray, design: Design) -> dict[str, np.ndarray]:
        """Return the columns of the samples `ids`, ascending, (n,) each."""
        odds = self.model.odds(design)
        variance = self.model.variance(design)
        place = np.minimum(np.searchsorted(self.voted.ids, ids), len(self.voted.ids) - 1)
        has_votes = self.voted.ids[place] == ids
        odds[has_votes] = self.crossed.odds[place[has_votes]]
        for fold, model in enumerate(self.crossed.models):
            # As if it had no votes: what a queue's chances depend on must not depend on who was asked about before.
            rows = np.flatnonzero(has_votes & (self.voted.folds[place] == fold))
            variance[rows] = model.variance(design.of(rows))
        low, high = self.interval.of(odds)
        predicted = expit(odds)
        return {
            "hsf_predicted": predicted,
            "hsf_predicted_low": np.minimum(low, predicted),
            "hsf_predicted_high": np.maximum(high, predicted),
            "information": information_gain(odds, self.crossed.log_precision, self.voted.usual, variance),
        }


def predictions(table: DatasetTable) -> pd.DataFrame:
    """Return HSF and what was predicted of it, a row a sample that is not excluded, by id."""
    return table.frame().filter(["id", "hsf", *PREDICTED_COLUMNS])


@one_thread()
def predict_hsf(
    table: DatasetTable, settings: PredictSettings | None = None, *, progress: Progress = SILENT
) -> PredictionFolder:
    """Predict HSF of every sample that has a label and that the runs have scored, from the samples with votes.

    A sample with votes is predicted by a model that did not know them; copies share a fold. Where votes, runs and
    copies are the same, the same call does nothing; another prediction replaces the one before once it is complete.
    Raises Cancelled when asked to stop, and CurateError for too few votes or no run.
    """
    dataset = table.dataset
    votes = table.votes
    settings = settings or PredictSettings(dataset=dataset.name)
    if votes is None:
        raise no_votes(dataset.name)
    started = time.perf_counter()
    runs = runs_of(table, settings.runs)
    locked_by = dataset.locked_by
    for run in runs:
        refuse_before_lock(dataset, run)
    use = queue_use(table.counter)
    inputs_of = {
        "version": _VERSION,
        "dataset": dataset.record.fingerprint,
        "runs": [[run.name, run.scores_path.stat().st_mtime_ns] for run in runs],
        "votes": votes.key,
        "level": settings.level,
        "seed": settings.seed,
        **duplicates_digest(dataset),
        **dataset.lock_note(),
    }
    folder = PredictionFolder.of(dataset, settings_digest(inputs_of)[:12])
    with folder.alone():
        if folder.complete:
            return folder
        # Each fold chooses a strength, and the curve and each run fit it again: all about as long.
        total = FOLDS * (len(PENALTIES) + len(WIDE_WEIGHTS) + len(SHARES) + len(runs)) + 1
        progress.tell(0, total, "reading the inputs")
        inputs = Inputs(dataset, runs)
        voted = _voted(table, inputs, runs[0], settings.seed, use.weights)
        record = PredictionRecord(
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
            folds=FOLDS,
            seed=settings.seed,
            weighted=bool((voted.weights != 1).any()),
            inputs={"scores": inputs.scores, "features": inputs.features},
            versions=versions("numpy", "scipy", "scikit-learn"),
            started=now(),
            locked=locked_by,
        )
        folder.write_record(record)
        fits = count(1)

        def check() -> None:
            progress.tell(min(next(fits), total), total, "fitting models of the votes")

        prediction = fit_prediction(voted, level=settings.level, check=check)
        changes = _reached(prediction, runs[0], settings, check)
        if len(runs) > 1:
            changes["added"] = _added(prediction, inputs, check)
        dataset.refuse_another_lock(locked_by)
        folder.write_shard(0, _table(prediction, inputs, len(table.counter.labels)), seconds=0.0)
        changes |= {"finished": now(), "seconds": round(time.perf_counter() - started, 3)}
        folder.finish([folder.shard(0)], changes)
        progress.report(total, total, "")
    for other in PredictionFolder.all_of(dataset):
        if other.name != folder.name:
            shutil.rmtree(other.root, ignore_errors=True)
    return folder


def fit_prediction(voted: VotedSamples, *, level: float = LEVEL, check: Check = lambda: None) -> Prediction:
    """Return the model of the votes of samples, cross-fitted, with conformal intervals."""
    crossed = cross_fit(voted, check)
    reached = distances(crossed.odds, crossed.log_precision, voted.hits, voted.votes)
    interval = conformal_interval(crossed.odds, reached, voted.weights, crossed.log_precision, voted.usual, level=level)
    return Prediction(voted, crossed, fit_votes(voted, crossed.strength), interval, reached)


def _covered(prediction: Prediction, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends (n,) of the intervals of the voted samples, those of a fold from the other folds' distances."""
    voted = prediction.voted
    crossed = prediction.crossed
    low, high = np.empty((2, len(prediction.reached)))
    for fold in range(len(crossed.models)):
        held_out = voted.folds == fold
        interval = conformal_interval(
            crossed.odds[~held_out],
            prediction.reached[~held_out],
            voted.weights[~held_out],
            crossed.log_precision,
            voted.usual,
            level=level,
        )
        low[held_out], high[held_out] = interval.of(crossed.odds[held_out])
    return low, high


def _reached(prediction: Prediction, run: RunFolder, settings: PredictSettings, check: Check) -> dict[str, Any]:
    """Return the fields of the record that say how good the prediction is."""
    voted = prediction.voted
    odds = prediction.crossed.odds
    hsf = voted.hsf
    weights = voted.weights
    curve = learning_curve(voted, prediction.crossed, seed=settings.seed, check=check)
    coverage = coverage_by_bin(*_covered(prediction, settings.level), hsf, weights, predicted=expit(odds))
    changes: dict[str, Any] = {
        "curve": [CurvePoint.model_validate(row) for row in curve.to_dict("records")],
        "coverage": [CoverageRow.model_validate(row) for row in coverage.to_dict("records")],
    }
    if (weights == 1).all():  # weighted votes have not the dataset's ceiling
        ceiling = reliability.of_ticks(voted.hits, voted.votes)
        changes |= {key: getattr(ceiling, key) for key in ("ceiling", "ceiling_low", "ceiling_high")}
    # Over the samples that have a confidence, paired by sample.
    rows = pq.read_table(run.scores_path).to_pandas().set_index("id").reindex(voted.ids)
    if "confidence" in rows and rows["confidence"].count() >= 3:
        confidence = rows["confidence"].to_numpy(float)
        sure = ~np.isnan(confidence)
        bar, of_bar = spearman_influence(confidence[sure], hsf[sure], weights[sure])
        rho, of_rho = spearman_influence(odds[sure], hsf[sure], weights[sure])
        gain = estimate(rho - bar, of_rho - of_bar)
        changes |= {"confidence_rho": bar, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return changes


def _table(prediction: Prediction, inputs: Inputs, samples: int) -> pa.Table:
    """Return the columns of all samples by id; null for samples without inputs."""
    parts = []
    for start in range(0, len(inputs.ids), _BLOCK):
        ids = inputs.ids[start : start + _BLOCK]
        parts.append(pd.DataFrame(prediction.columns(ids, inputs.design(ids)), index=ids, dtype=np.float32))
    columns = pd.concat(parts).reindex(range(samples)).rename_axis("id").reset_index()
    return pa.Table.from_pandas(columns[["id", *PREDICTED, "information"]], preserve_index=False)


def runs_of(table: DatasetTable, names: Sequence[str]) -> list[RunFolder]:
    """Return the runs to learn from: those named, else the table's and the newest that scored all that it did."""
    if names:
        return [run for name in names if (run := finished_run(table.dataset, name))]
    if table.run is None:
        return []
    ids = table.run.scored_ids()
    others = [run for run in reversed(table.dataset.runs()) if run.complete and run.name != table.run.name]
    others = [run for run in others if not run.record.knows(table.locked_by)]
    return [table.run, *(run for run in others if np.isin(ids, run.scored_ids()).all())][:MOST_RUNS]


def _added(prediction: Prediction, inputs: Inputs, check: Check) -> list[RunGain]:
    """Return what each run adds to Spearman over held-out samples: all less all but this one, at the same strengths."""
    voted = prediction.voted
    rho, of_rho = spearman_influence(prediction.crossed.odds, voted.hsf, voted.weights)
    gains = []
    for run in inputs.runs:
        others = replace(voted, design=inputs.without(voted.design, run))
        odds = held_out_odds(others, prediction.crossed.models, check)
        less, of_less = spearman_influence(odds, voted.hsf, voted.weights)
        gain = estimate(rho - less, of_rho - of_less)
        gains.append(RunGain(run=run, adds=gain.value, low=gain.low, high=gain.high))
    return gains


def added_text(record: PredictionRecord) -> str:
    """Return what each run adds, in a sentence; "" for one run."""
    parts = [f"{gain.run} {gain.adds:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})" for gain in record.added]
    if not parts:
        return ""
    return f"What each run adds to Spearman: {', '.join(parts)}."


def coverage_text(record: PredictionRecord) -> str:
    """Return what the intervals claim, and for which images they hold less, in a few sentences."""
    short = [f"{row.of} {row.bin}" for row in record.coverage if row.coverage_high < record.level]
    text = (
        f"Intervals are for HSF of {record.votes} votes. They claim {record.level:.0%} over all images like the voted "
        "ones and by predicted HSF, not by the HSF that people gave."
    )
    if short:
        text += f" They hold less for {', '.join(short)}."
    return text


def _voted(table: DatasetTable, inputs: Inputs, run: RunFolder, seed: int, weights: np.ndarray | None) -> VotedSamples:
    """Return the samples with inputs and votes, at most `MOST` of them at random, in folds."""
    counts = table.counter.counts
    ids = inputs.ids[counts.asked[inputs.ids] > 0]
    if len(ids) < FEWEST:
        raise CurateError(
            f"{len(ids)} samples of {table.dataset.name} have votes, a label and scores. A prediction needs {FEWEST} "
            "or more. Collect more votes first, best of images in a random order."
        )
    if len(ids) > MOST:
        ids = np.sort(np.random.default_rng(seed).choice(ids, MOST, replace=False))
    groups = np.arange(len(ids))
    if run.has_features:
        groups, _ = sample_groups(table.dataset, run.features(), ids)
    if (different := len(np.unique(groups))) < FOLDS:
        raise CurateError(
            f"Different images among the voted samples of {table.dataset.name}: {different}. A prediction needs "
            f"{FOLDS} or more. Collect votes on others."
        )
    folds = stratified_folds(table.counter.labels[ids], groups, folds=FOLDS, seed=seed)
    stands_for = np.ones(len(ids))
    if weights is not None and not np.isnan(weights[ids]).any():
        stands_for = weights[ids]
    return VotedSamples(ids, inputs.design(ids), counts.hits[ids], counts.asked[ids], folds, stands_for)

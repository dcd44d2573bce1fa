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

from avhcurate.datasets.curate.locked import may_know, refuse_before_lock
from avhcurate.datasets.table.columns import PREDICTED_COLUMNS
from avhcurate.datasets.table.empty_view import no_votes
from avhcurate.datasets.table.open_dataset import finished_run
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.predicted_hsf.conformal import Interval, conformal_interval, coverage_by_bin
from avhcurate.features.predicted_hsf.inputs import Inputs
from avhcurate.features.predicted_hsf.learning_curve import SHARES, learning_curve
from avhcurate.features.predicted_hsf.settings import LEVEL, PredictSettings
from avhcurate.features.predicted_hsf.vote_model import (
    Check,
    Curve,
    VotedSamples,
    VoteModel,
    cross_fit,
    curve_through,
    fit_votes,
    held_out_ranks,
)
from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.measures.stats.rank_influence import estimate, spearman_influence
from avhcurate.people import reliability
from avhcurate.people.queues import queue_use
from avhcurate.workspace.data.datasets import DatasetFolder
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
_VERSION = 7


@dataclass(frozen=True)
class Prediction:
    """A model of the votes, those of folds that predict each voted sample without its votes, and HSF by their ranks.

    ranks (n,): the predicted ranks of the voted samples by the models of folds.
    """

    voted: VotedSamples
    model: VoteModel
    of_folds: list[VoteModel]
    ranks: np.ndarray
    curve: Curve
    interval: Interval

    def columns(self, ids: np.ndarray, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of the samples `ids`, ascending, (n,) each."""
        ranks = self.model.ranks(inputs)
        information = self.model.information(inputs)
        positions = np.minimum(np.searchsorted(self.voted.ids, ids), len(self.voted.ids) - 1)
        has_votes = self.voted.ids[positions] == ids
        ranks[has_votes] = self.ranks[positions[has_votes]]
        for fold, model in enumerate(self.of_folds):
            # As if it had no votes: what a queue's chances depend on must not depend on who was asked about before.
            rows = np.flatnonzero(has_votes & (self.voted.folds[positions] == fold))
            information[rows] = model.information(inputs[rows])
        predicted = self.curve.hsf(ranks)
        low, high = self.interval.of(predicted)
        return {
            "hsf_predicted": predicted,
            "hsf_predicted_low": low,
            "hsf_predicted_high": high,
            "information": information,
        }


def predictions(samples: SampleTable) -> pd.DataFrame:
    """Return HSF and what was predicted of it, a row a sample that is not excluded, by id."""
    return samples.frame().filter(["id", "hsf", *PREDICTED_COLUMNS])


@one_thread()
def predict_hsf(
    samples: SampleTable,
    run: RunFolder | None,
    votes: Votes,
    settings: PredictSettings | None = None,
    *,
    progress: Progress = SILENT,
) -> PredictionFolder:
    """Predict HSF of every sample that has a label and that the runs have scored, from the samples with votes.

    A sample with votes is predicted by a model that did not know them; copies share a fold. Where votes, runs and
    copies are the same, the same call does nothing; another prediction replaces the one before once it is complete.
    Raises Cancelled when asked to stop, and CurateError for too few votes or no run.
    """
    dataset = votes.dataset
    counted = samples.votes
    settings = settings or PredictSettings(dataset=dataset.name)
    if counted is None:
        raise no_votes(dataset.name)
    started = time.perf_counter()
    runs = runs_of(run, dataset, settings.runs)
    locked_by = dataset.locked_by
    for each in runs:
        refuse_before_lock(dataset, each)
    use = queue_use(votes)
    folder = PredictionFolder.of(dataset, _digest(dataset, runs, counted.key, settings))
    with folder.alone():
        if folder.complete:
            return folder
        # The models of all folds are fitted once, for each point of the curve and without each run.
        total = FOLDS * (1 + len(SHARES) + len(runs)) + 1
        progress.tell(0, total, "reading the inputs")
        inputs = Inputs(dataset, runs)
        voted = _voted(samples, votes, inputs, runs[0], settings.seed, use.weights)
        record = {
            "name": folder.name,
            "runs": [run.name for run in runs],
            "dataset_fingerprint": dataset.record.version,
            "votes_fingerprint": counted.fingerprint,
            "votes_simulated": counted.simulated,
            "queues": use.votes,
            "voted": int((votes.counts.asked > 0).sum()),
            "locked": locked_by,
        }
        folder.write_record(_record(inputs, voted, settings, **record))
        fits = count(1)

        def check() -> None:
            progress.tell(min(next(fits), total), total, "fitting models of the votes")

        prediction = fit_prediction(voted, level=settings.level, check=check)
        changes = _reached(prediction, runs[0], settings, check)
        if len(runs) > 1:
            changes["added"] = _added(prediction, inputs, check)
        dataset.refuse_another_lock(locked_by)
        folder.write_shard(0, _table(prediction, inputs, len(votes.labels)), seconds=0.0)
        changes |= {"finished": now(), "seconds": round(time.perf_counter() - started, 3)}
        folder.finish([folder.shard(0)], changes)
        progress.report(total, total, "")
    _remove_others(dataset, folder)
    return folder


def _digest(dataset: DatasetFolder, runs: Sequence[RunFolder], votes: str, settings: PredictSettings) -> str:
    """Return what a prediction is named by: another where anything that decides its numbers differs."""
    decides = {
        "version": _VERSION,
        "dataset": dataset.record.version,
        "runs": [[run.name, run.scores_path.stat().st_mtime_ns] for run in runs],
        "votes": votes,
        "level": settings.level,
        "seed": settings.seed,
        **duplicates_digest(dataset),
        **dataset.lock_note(),
    }
    return settings_digest(decides)[:12]


def _record(inputs: Inputs, learnt: VotedSamples, settings: PredictSettings, **facts: Any) -> PredictionRecord:
    """Return the record of a prediction as it begins; `facts` is what it says of the votes and the dataset."""
    return PredictionRecord(
        samples=len(inputs.ids),
        learnt=len(learnt.ids),
        votes=round(float(np.median(learnt.votes))),
        level=settings.level,
        folds=FOLDS,
        seed=settings.seed,
        weighted=bool((learnt.weights != 1).any()),
        inputs={"scores": inputs.scores, "features": inputs.features},
        versions=versions("numpy", "scipy", "scikit-learn"),
        started=now(),
        **facts,
    )


def _remove_others(dataset: DatasetFolder, kept: PredictionFolder) -> None:
    for other in PredictionFolder.all_of(dataset):
        if other.name != kept.name:
            shutil.rmtree(other.root, ignore_errors=True)


def fit_prediction(voted: VotedSamples, *, level: float = LEVEL, check: Check = lambda: None) -> Prediction:
    """Return the model of the votes of samples, cross-fitted, with conformal intervals."""
    models = cross_fit(voted, check)
    ranks = held_out_ranks(voted, models)
    curve = curve_through(ranks, voted.hsf, voted.weights)
    interval = conformal_interval(curve.hsf(ranks), voted.hsf, voted.weights, level=level)
    return Prediction(voted, fit_votes(voted), models, ranks, curve, interval)


def _covered(prediction: Prediction, level: float) -> pd.DataFrame:
    """Return what intervals of the voted samples hold, those of a fold made from the other folds."""
    voted = prediction.voted
    predicted = prediction.curve.hsf(prediction.ranks)
    low, high = np.empty((2, len(predicted)))
    for fold in range(len(prediction.of_folds)):
        held_out = voted.folds == fold
        others = voted.of(~held_out)
        interval = conformal_interval(predicted[~held_out], others.hsf, others.weights, level=level)
        low[held_out], high[held_out] = interval.of(predicted[held_out])
    return coverage_by_bin(low, high, voted.hsf, voted.weights, predicted=predicted)


def _reached(prediction: Prediction, run: RunFolder, settings: PredictSettings, check: Check) -> dict[str, Any]:
    """Return the fields of the record that say how good the prediction is."""
    voted = prediction.voted
    ranks = prediction.ranks
    hsf = voted.hsf
    weights = voted.weights
    curve = learning_curve(voted, ranks, seed=settings.seed, check=check)
    coverage = _covered(prediction, settings.level)
    changes: dict[str, Any] = {
        "curve": [CurvePoint.model_validate(row) for row in curve.to_dict("records")],
        "coverage": [CoverageRow.model_validate(row) for row in coverage.to_dict("records")],
    }
    if (weights == 1).all():  # weighted votes have not the dataset's ceiling
        ceiling = reliability.of_ticks(voted.hits, voted.votes)
        changes |= {key: getattr(ceiling, key) for key in ("ceiling", "ceiling_low", "ceiling_high")}
    # Over the samples that have a confidence, paired by sample.
    rows = pq.read_table(run.scores_today).to_pandas().set_index("id").reindex(voted.ids)
    if "confidence" in rows and rows["confidence"].count() >= 3:
        confidence = rows["confidence"].to_numpy(float)
        sure = ~np.isnan(confidence)
        bar, of_bar = spearman_influence(confidence[sure], hsf[sure], weights[sure])
        rho, of_rho = spearman_influence(ranks[sure], hsf[sure], weights[sure])
        gain = estimate(rho - bar, of_rho - of_bar)
        changes |= {"confidence_rho": bar, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return changes


def _table(prediction: Prediction, inputs: Inputs, samples: int) -> pa.Table:
    """Return the columns of all samples by id; null for samples without inputs."""
    parts = []
    for start in range(0, len(inputs.ids), _BLOCK):
        ids = inputs.ids[start : start + _BLOCK]
        parts.append(pd.DataFrame(prediction.columns(ids, inputs.of(ids)), index=ids, dtype=np.float32))
    columns = pd.concat(parts).reindex(range(samples)).rename_axis("id").reset_index()
    return pa.Table.from_pandas(columns[["id", *PREDICTED, "information"]], preserve_index=False)


def runs_of(run: RunFolder | None, dataset: DatasetFolder, names: Sequence[str]) -> list[RunFolder]:
    """Return the runs to learn from: those named, else the open one and the newest that scored all that it did."""
    if names:
        return [found for name in names if (found := finished_run(dataset, name))]
    if run is None:
        return []
    ids = run.scored_ids()
    others = [other for other in reversed(dataset.runs()) if other.complete and other.name != run.name]
    others = [other for other in others if not may_know(dataset, other.record)]
    return [run, *(other for other in others if np.isin(ids, other.scored_ids()).all())][:MOST_RUNS]


def _added(prediction: Prediction, inputs: Inputs, check: Check) -> list[RunGain]:
    """Return what each run adds to Spearman over held-out samples: all less all but this one."""
    voted = prediction.voted
    rho, of_rho = spearman_influence(prediction.ranks, voted.hsf, voted.weights)
    gains = []
    for run in inputs.runs:
        others = replace(voted, inputs=inputs.without(voted.inputs, run))
        ranks = held_out_ranks(others, cross_fit(others, check))
        less, of_less = spearman_influence(ranks, voted.hsf, voted.weights)
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
    short = [row for row in record.coverage if row.coverage_high < record.level]
    others = [f"{row.of} {row.bin}" for row in short if row.of != "HSF"]
    hard = [f"{row.coverage:.0%} of an HSF in {row.bin}" for row in short if row.of == "HSF"]
    text = (
        f"Intervals are for HSF of {record.votes} votes. They claim {record.level:.0%} over all images like the "
        f"{record.learnt:,} voted ones and by predicted HSF. They are not for naming the hard ones"
    )
    if hard:
        text += f": by the HSF that people gave they hold {', '.join(hard)}"
    text += "."
    if others:
        text += f" They hold less for {', '.join(others)}."
    return text


def _voted(
    samples: SampleTable, votes: Votes, inputs: Inputs, run: RunFolder, seed: int, weights: np.ndarray | None
) -> VotedSamples:
    """Return the samples with inputs and votes, at most `MOST` of them at random, in folds."""
    counts = votes.counts
    ids = inputs.ids[counts.asked[inputs.ids] > 0]
    if len(ids) < FEWEST:
        raise CurateError(
            f"{len(ids)} images of {samples.name} have votes, a label and scores. A prediction needs {FEWEST} "
            "or more. Collect more votes first, best of images in a random order."
        )
    if len(ids) > MOST:
        ids = np.sort(np.random.default_rng(seed).choice(ids, MOST, replace=False))
    groups = np.arange(len(ids))
    if run.has_features:
        groups, _ = sample_groups(votes.dataset, run.features(), ids)
    if (different := len(np.unique(groups))) < FOLDS:
        raise CurateError(
            f"Different images among the voted images of {samples.name}: {different}. A prediction needs "
            f"{FOLDS} or more. Collect votes on others."
        )
    folds = stratified_folds(votes.labels[ids], groups, folds=FOLDS, seed=seed)
    stands_for = np.ones(len(ids))
    if weights is not None and not np.isnan(weights[ids]).any():
        stands_for = weights[ids]
    return VotedSamples(ids, inputs.of(ids), counts.hits[ids], counts.asked[ids], folds, stands_for)

"""Results over the recorded epochs of trainings: curves, the data map, models and HSF, and the five discoveries."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import learnt_here, titles
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.compare.discoveries import Finding, Model, avh_follows_hsf, norm_is_inconsistent
from avhcurate.features.compare.samples import RunScores, comparable_runs, labelled_samples
from avhcurate.lab.training_dynamics.discoveries import (
    FALLS,
    TrainingCurves,
    lower_where_better,
    norm_increases,
    settles_early,
)
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.epoch_scores import KEYS
from avhcurate.people.bins import bin_labels
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.trainings import Part, TrainingFolder

#: What curves are drawn of.
MEASURES = ("avh", "norm", "accuracy", "loss", "confidence")
#: The columns of an evaluation that hold them.
_RECORDED = ["avh", "norm", "correct", "loss", "confidence"]
#: The newest models that are compared, so that many runs over many samples fit into memory.
MOST_MODELS = 12

#: Random parts of the samples that a curve's chance is worked out from, fewer where they would hold less than so many
#: samples: one without a value must not leave its part without.
_PARTS = 64
_LEAST_IN_PART = 4


def curves(
    samples: SampleTable, votes: Votes, training: TrainingFolder, *, filters: Filters | None = None
) -> pd.DataFrame:
    """Return means over the recorded samples in view at each evaluation: `epoch, step, bin, n`, and each of `MEASURES`
    with its standard error as `KEY_se`. Bin `all` comes first, then the HSF bins where there are votes.

    n counts samples with a label. One evaluation is in memory at a time.
    """
    groups = _groups(samples, votes, training, filters)
    means = []
    for number, evaluation in enumerate(training.evaluations().itertuples()):
        values = _values(training, number, groups[ALL])
        for name, members in groups.items():
            part = values.loc[members]
            row = {"epoch": evaluation.epoch, "step": evaluation.step, "bin": name, "n": len(part)}
            means.append(row | part.mean().to_dict() | part.sem().add_suffix("_se").to_dict())
    names = [f"{key}{end}" for key in MEASURES for end in ("", "_se")]
    return pd.DataFrame(means, columns=["epoch", "step", "bin", "n", *names])


def images(
    samples: SampleTable, votes: Votes, training: TrainingFolder, *, filters: Filters | None = None
) -> dict[str, Filters]:
    """Return the filters of the samples that the curves of each bin count."""
    ids = training.ids(training.main_part)
    return {
        name: Filters(ids=tuple(ids[rows].tolist()))
        for name, rows in _groups(samples, votes, training, filters).items()
    }


def parts(dataset: DatasetFolder, training: TrainingFolder) -> list[Part]:
    """Return what a training was evaluated on of this dataset: samples held out, samples learnt from."""
    fingerprint = dataset.record.fingerprint
    record = training.record
    of_part: dict[Part, str] = {
        "held out": record.held_out_fingerprint,
        "learnt from": record.dataset_fingerprint,
    }
    return [part for part, imported in of_part.items() if imported == fingerprint and len(training.ids(part))]


def data_map(
    samples: SampleTable, training: TrainingFolder, *, part: Part = "held out", filters: Filters | None = None
) -> pd.DataFrame:
    """Return a row per recorded sample in view: `id, label_name, hsf, hsf_bin, avh` and the scores of the epochs.

    AVH is that of the last evaluation. Empty before the first epoch is over; samples without a label are left out.
    """
    frame = samples.frame(filters or Filters(), columns=["id", "label_name", "hsf", "hsf_bin"])
    scores = training.epoch_scores(part).assign(avh=np.nan)
    if len(training.evaluations()):
        scores["avh"] = training.samples(-1, ["avh"], part=part)["avh"]
    joined = frame.merge(scores, on="id", how="inner")[[*frame.columns, "avh", *KEYS]]
    return joined[joined["confidence_mean"].notna()].reset_index(drop=True)


def findings(
    samples: SampleTable,
    run: RunFolder | None,
    votes: Votes,
    trainings: Sequence[TrainingFolder],
    *,
    filters: Filters | None = None,
) -> list[Finding]:
    """Test the five discoveries on trainings, and on models where they are about models: see `compared_models`."""
    names = titles(votes.dataset)
    curves = [_training_curves(samples, votes, training, names[training.name], filters) for training in trainings]
    models, rows = compared_models(samples, run, votes, trainings, filters)
    hsf = rows["hsf"].to_numpy(float)
    return [
        settles_early(curves),
        lower_where_better(models, rows["bin"].to_numpy(), bin_labels(samples.edges)),
        norm_increases(curves),
        avh_follows_hsf(models, hsf),
        norm_is_inconsistent(models, hsf),
    ]


# --- what is evaluated -------------------------------------------------------------------------------------------


def _in_view(samples: SampleTable, votes: Votes, training: TrainingFolder, filters: Filters | None) -> pd.DataFrame:
    """Return `hsf, bin` by row of an evaluation, of the labelled samples in view."""
    labelled = labelled_samples(samples, votes, filters)
    ids = training.ids(training.main_part)
    rows = np.flatnonzero(np.isin(ids, labelled.index))
    return labelled.loc[ids[rows], ["hsf", "bin"]].set_index(rows)


def _groups(
    samples: SampleTable, votes: Votes, training: TrainingFolder, filters: Filters | None
) -> dict[str, np.ndarray]:
    """Return the rows of an evaluation in view, of all samples and of each HSF bin."""
    rows = _in_view(samples, votes, training, filters)
    groups = {ALL: rows.index.to_numpy()}
    if rows["hsf"].notna().any():
        for number, label in enumerate(bin_labels(samples.edges)):
            groups[label] = rows.index[rows["bin"] == number].to_numpy()
    return groups


def _values(training: TrainingFolder, number: int, rows: np.ndarray) -> pd.DataFrame:
    """Return `MEASURES` of some rows of an evaluation, NaN where not finite."""
    samples = training.samples(number, _RECORDED, part=training.main_part)
    recorded = samples.loc[rows, _RECORDED].set_axis(MEASURES, axis=1)
    return recorded.astype(np.float64).replace([np.inf, -np.inf], np.nan)


def _training_curves(
    samples: SampleTable, votes: Votes, training: TrainingFolder, name: str, filters: Filters | None
) -> TrainingCurves:
    """Return the curves as means over random parts of the samples, without evaluations at which a part has no value.

    One evaluation is in memory at a time.
    """
    rows = _in_view(samples, votes, training, filters).index.to_numpy()
    part = np.random.default_rng(0).permutation(len(rows)) % max(1, min(_PARTS, len(rows) // _LEAST_IN_PART))
    epochs = training.evaluations()["epoch"]
    means = {epoch: _values(training, number, rows).groupby(part).mean() for number, epoch in enumerate(epochs)}
    whole = {epoch: mean for epoch, mean in means.items() if mean.notna().all(axis=None)}
    parts = {key: np.array([mean[key] for mean in whole.values()]) for key in (*FALLS, "norm")}
    return TrainingCurves(name, np.array(list(whole)), parts, len(rows), float(training.record.epochs))


# --- models --------------------------------------------------------------------------------------------------


def compared_models(
    samples: SampleTable,
    run: RunFolder | None,
    votes: Votes,
    trainings: Sequence[TrainingFolder],
    filters: Filters | None = None,
) -> tuple[list[Model], pd.DataFrame]:
    """Return every complete run with as many classes, on samples that all of them and all of `trainings` saw, and these
    samples as of `labelled_samples`.

    Runs that saw less than half of these are left out, and so are all but the `MOST_MODELS` newest. Of weights that a
    training made from this dataset, only the samples that it held out count as seen.
    """
    rows = labelled_samples(samples, votes, filters)
    for training in trainings:
        rows = rows[rows.index.isin(training.ids())]
    learnt = learnt_here(votes.dataset)
    held_out = _held_out(votes.dataset)
    runs = []
    shared = np.full(len(rows), True)
    for network in _networks(run, votes.dataset, trainings):
        scored = RunScores(network, rows)["predicted"].notna().to_numpy()
        if network.name in learnt:
            scored = scored & rows.index.isin(held_out.get(network.record.weights_sha256, ()))
        if 2 * scored.sum() > len(rows):
            runs.append(network)
            shared &= scored
    rows = rows[shared]
    names = titles(votes.dataset)
    models = []
    for network in runs:
        scores = RunScores(network, rows)
        avh, norm = (scores[key].to_numpy(np.float32) for key in ("avh", "norm"))
        models.append(Model(names[network.name], scores.right.to_numpy(), avh, norm))
    return models, rows


def _networks(run: RunFolder | None, dataset: DatasetFolder, trainings: Sequence[TrainingFolder]) -> list[RunFolder]:
    """Return the newest complete runs with the classes of the open one, at most `MOST_MODELS`.

    Weights that were scored more than once count once, except for heads fitted on their features.
    """
    classes = [training.record.num_classes for training in trainings]
    if run:
        classes = [run.num_classes]
    by_network: dict[tuple[str, ...], RunFolder] = {}
    for other in comparable_runs(dataset):
        if other.num_classes in classes and other.has_class_weights:
            by_network.setdefault(other.record.network, other)
    return list(by_network.values())[:MOST_MODELS]


def _held_out(dataset: DatasetFolder) -> dict[str, np.ndarray]:
    """Return the ids of the samples that each training of a dataset held out, by the digest of its weights."""
    ids = {}
    for training in dataset.trainings():
        record = training.record
        if record.weights_sha256 and record.held_out_fingerprint == dataset.record.fingerprint:
            ids[record.weights_sha256] = training.ids()
    return ids

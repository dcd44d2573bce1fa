"""Find labels that are likely wrong, from several sources of evidence, and store them by rank."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from avhcurate.datasets.curate.locked import refuse_before_lock
from avhcurate.datasets.table.empty_view import not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Option
from avhcurate.features.suspects import out_of_fold, rules, weighing
from avhcurate.features.suspects.rules import SOURCES, VERDICTS
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import OutOfFoldFolder, SuspectsFolder, SuspectsRecord
from avhcurate.features.suspects.study import LabelStudy, Predictions
from avhcurate.measures import scores
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.networks.neighbours.service import SEARCH_SECONDS, find_neighbours
from avhcurate.networks.scoring.heads import RECIPE, seconds_of_heads
from avhcurate.workspace.data.dataset_records import VotesRecord
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import FoldHeads, RunFolder
from avhcurate.workspace.data.sample_groups import duplicates_digest
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.jobs import SILENT, Progress, Stages
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Nearest images of either label that are shown with a suspect.
SHOWN = 6
#: Probabilities that fit in memory, for cleanlab: N times K.
_MOST_PROBS = 400_000_000
_ROWS = 1024
#: The most samples of a label, drawn at random, that are searched for the nearest of a suspect: the cost would grow
#: with the square of the dataset otherwise.
_MEMBERS = 20_000
#: Suspects, the first by rank, whose nearest samples of either label are searched: few people ever look at more.
_SHOWN_TO = 20_000
#: Part of the folder's name: raise it when the same settings give other suspects.
_VERSION = 7


def find_suspects(
    run: RunFolder | None, votes: Votes, settings: SuspectsSettings, *, progress: Progress = SILENT
) -> SuspectsFolder:
    """Examine the label of every labelled sample that the run has scored. Store those in doubt, by rank.

    With `out_of_fold`, angles and probabilities come from heads cross-fitted on the run's features; those of a run with
    fitted heads, or trained in folds, are out of fold already. Attached probabilities are enough for cleanlab and
    votes. Neighbours and folds are stored as they come, so the same call resumes; without changes it does nothing.
    Raises CurateError for a named source that is not available, and Cancelled.
    """
    dataset = votes.dataset
    if run is None:
        raise not_scored(dataset.name)
    refuse_before_lock(dataset, run)
    locked_by = dataset.locked_by
    cross_validated = settings.out_of_fold and run.record.fitted is None
    _refuse_without_scores(run, settings, cross_validated)
    started = time.perf_counter()
    search = LabelSearch(run, votes, progress)
    sources, missing = _available(search, settings)
    counted = None
    if "votes" in sources:
        counted = votes.record
    identity = _identity(dataset, sources, counted)
    if cross_validated:
        identity |= {"out_of_fold": [settings.folds, RECIPE]} | duplicates_digest(dataset)
    folder = SuspectsFolder.of(run, settings_digest(identity)[:12])
    stages = progress.stages(search.seconds(settings.folds))
    with folder.alone():
        if folder.complete:
            folder.write_record(folder.record.model_copy(update={"asked": now()}))
            return folder
        if cross_validated:
            heads = stages.begin("heads")
            search.heads = out_of_fold.cross_validate(dataset, run, folds=settings.folds, progress=heads)
        suspects, doubting, weighed = search.examine(sources, stages)
        judged_by = None
        if search.heads:
            judged_by = search.heads.record  # with their accuracy
        dataset.refuse_another_lock(locked_by)
        write_parquet(folder.table_path, suspects)
        folder.write_record(
            SuspectsRecord(
                name=folder.name,
                run=run.name,
                dataset_fingerprint=dataset.record.version,
                sources=sources,
                missing=missing,
                heads=judged_by,
                votes=counted,
                samples=len(search.ids),
                **_found(suspects, doubting, weighed),
                versions=versions("numpy", "scipy", "scikit-learn", "cleanlab"),
                locked=locked_by,
                asked=now(),
                finished=now(),
                seconds=round(time.perf_counter() - started, 3),
            )
        )
    return folder


def _identity(dataset: DatasetFolder, sources: Sequence[str], counted: VotesRecord | None) -> dict[str, Any]:
    """Return what makes suspects others: of what they are, and by which sources."""
    votes = counted and counted.key
    identity = {"version": _VERSION, "sources": sources, "dataset": dataset.record.version, "votes": votes}
    return identity | dataset.lock_note()


def _found(suspects: pd.DataFrame, doubting: dict[str, int], weighed: weighing.Weighed) -> dict[str, Any]:
    """Return what the record says of the suspects."""
    return {
        "listed": len(suspects),
        "doubting": doubting,
        "weights": weighed.weights,
        "often": weighed.often,
        "verdicts": {key: int((suspects["verdict"] == key).sum()) for key in VERDICTS},
    }


def _refuse_without_scores(run: RunFolder, settings: SuspectsSettings, cross_validated: bool) -> None:
    if cross_validated and not run.has_features:
        raise CurateError(
            f"The run {run.name} has no embeddings to fit heads on.",
            fix=f"Attach it again with {Option('features', 'FILE')}, or leave out {Option('out_of_fold', True)}",
        )
    if not (settings.out_of_fold or run.has_logits):
        raise CurateError(
            f"The run {run.name} has no class weights and no probabilities.",
            fix=f"Add {Option('out_of_fold', True)} to train heads on its embeddings",
        )


def seconds_of_sources(samples: int) -> float:
    """Return the seconds that it may take on two quiet cores to examine so many labels, their neighbours known."""
    return 1.5 + 5e-5 * samples


def export_table(samples: SampleTable, suspects: pd.DataFrame, record: SuspectsRecord) -> pd.DataFrame:
    """Return the suspects as a file has them. A column `votes_source` marks simulated votes."""
    ids = Filters(excluded=None, ids=tuple(suspects["id"].tolist()))
    rows = samples.frame(ids, columns=["id", "path", "label_name"])
    rows = suspects.merge(rows, on="id", how="left").assign(
        suggested=suspects["suggested"].astype("Int64").where(suspects["suggested"] >= 0).to_numpy(),
        suggested_name=suspects["suggested"].map(dict(enumerate(samples.classes))).to_numpy(),
    )
    columns = ["id", "path", "label", "label_name", "suggested", "suggested_name", "verdict"]
    rows = rows[[*columns, *(f"{source}_score" for source in record.sources), "rank"]]
    if record.simulated:
        return rows.assign(votes_source="simulated")
    return rows


# --- the search --------------------------------------------------------------------------------------------------


class LabelSearch(LabelStudy):
    """The study of a run: of the labelled samples that it has scored.

    `heads` are those out of fold, None for the run's own.
    """

    heads: OutOfFoldFolder | None = None

    def __init__(self, run: RunFolder, votes: Votes, progress: Progress) -> None:
        self.dataset = votes.dataset
        self.run = run
        ids, labels = out_of_fold.labelled(self.dataset, run)
        super().__init__(
            self.dataset.labels_to_learn().astype(np.int64),
            ids,
            num_classes=max(len(votes.samples.classes), int(labels.max()) + 1),
            progress=progress,
        )
        self.counted = votes.by_sample()

    @property
    def fits(self) -> bool:
        """Whether the probabilities fit in memory."""
        return len(self.ids) * self.num_classes <= _MOST_PROBS

    def seconds(self, folds: int) -> dict[str, float]:
        """Return the seconds that each stage may take on two quiet cores."""
        samples = len(self.ids)
        return {
            "heads": seconds_of_heads(folds, samples, self.run.record.width, self.num_classes),
            "neighbours": SEARCH_SECONDS * samples,
            "sources": seconds_of_sources(samples),
        }

    def examine(self, sources: Sequence[str], stages: Stages) -> tuple[pd.DataFrame, dict[str, int], weighing.Weighed]:
        """Return the suspects (`SuspectsFolder.suspects`), how many each source doubts, and what all say together."""
        if "neighbours" in sources:
            progress = stages.begin("neighbours")
            self.near = find_neighbours(self.dataset, self.run, progress=progress).near()
        self.progress = stages.begin("sources")
        self.progress.tell(len(self.ids), len(self.ids), "angles and probabilities")
        predictions = self.predictions()
        if self.heads:
            accuracy = float((predictions.view["predicted"] == self.labels).mean())
            self.heads.write_record(self.heads.record.model_copy(update={"accuracy": accuracy}))
        suspects, doubting, weighed = self.examined(sources, predictions)
        for column, name in (("label", "near_given"), ("suggested", "near_suggested")):
            nearest = self._nearest_labelled(suspects["id"].to_numpy(), suspects[column].to_numpy())
            suspects[name] = [row[row >= 0] for row in nearest]
        self.progress.report(len(self.ids), len(self.ids), "")
        return suspects, doubting, weighed

    def _nearest_labelled(self, ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return ids (n, SHOWN) of the nearest samples with the `wanted` label (n,), -1 after the last; `ids` by rank.

        The nearest of any label have them for most. For the others, down to `_SHOWN_TO`, at most
        `_MEMBERS` samples of the label are searched, the same each time.
        """
        if not self.run.has_features:
            return np.full((len(ids), SHOWN), -1)
        near = self.near[ids]
        right = (near >= 0) & (self.all_labels[near] == wanted[:, None]) & (wanted >= 0)[:, None]
        first = np.argsort(~right, axis=1, kind="stable")[:, :SHOWN]
        nearest = np.where(np.take_along_axis(right, first, 1), np.take_along_axis(near, first, 1), -1)
        short = (nearest[:, -1] < 0) & (wanted >= 0) & (np.arange(len(ids)) < _SHOWN_TO)
        for label in np.unique(wanted[short]):
            members = self.ids[self.labels == label]
            if len(members) > _MEMBERS:
                members = np.sort(np.random.default_rng(label).choice(members, _MEMBERS, replace=False))
            asking = np.flatnonzero(short & (wanted == label))
            for rows in np.split(asking, range(_ROWS, len(asking), _ROWS)):
                self.progress.tell(len(self.ids), len(self.ids), "neighbours of the suspects")
                nearest[rows], _ = nearest_of(self.run.features(), ids[rows], count=SHOWN, among=members)
        return nearest

    def predictions(self) -> Predictions:
        """Return a view of the samples, their probabilities, none unless they fit, and confusions of few classes.

        The view is `rules.angular_view`, or `rules.softmax_view` without class weights, with prediction and confidence.
        Each sample is judged by its own head.
        """
        classes = np.arange(self.run.num_classes)
        if self.heads:
            classes = np.array(self.heads.record.classes)
        if len(classes) < 2:
            raise CurateError(f"The run {self.run.name} has one class. Suspects need two: attach outputs with more.")
        row_of = np.full(max(self.num_classes, int(classes.max()) + 1), -1)
        row_of[classes] = np.arange(len(classes))
        targets = row_of[self.labels]
        if targets.min() < 0:
            raise CurateError(
                f"The run {self.run.name} has {len(classes)} classes and the labels go up to {self.labels.max()}.",
                fix=f"Add {Option('out_of_fold', True)} to train a head for these classes",
            )
        probs = np.zeros((len(self.ids) * self.fits, len(row_of)), np.float32)
        views = []
        step = max(1, min(8192, (1 << 23) // len(classes)))
        for at in range(0, len(self.ids), step):
            block = slice(at, at + step)
            ids = self.ids[block]
            if self.heads or self.run.has_heads:
                angles, logits = self._by_heads(ids, len(classes))
                softmaxed = softmax(logits, axis=1)
                view = rules.angular_view(angles, targets[block])
            else:
                softmaxed = softmax(self.run.logits_of(ids), axis=1)
                view = rules.softmax_view(softmaxed, targets[block])
            view["predicted"] = classes[softmaxed.argmax(axis=1)]
            view["confidence"] = softmaxed[np.arange(len(ids)), targets[block]]
            view["rival"] = classes[view["rival"]]
            views.append(view)
            if self.fits:
                probs[block, classes] = softmaxed
        confused = None
        if self.fits:
            confused = self.confused(probs)
        return Predictions(pd.concat(views, ignore_index=True), probs, confused)

    def _by_heads(self, ids: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the angles to the class weights and the logits (n, K) of some samples."""
        features = self.run.features_of(ids).astype(np.float64)
        angles, logits = np.empty((2, len(ids), num_classes))
        heads: FoldHeads = self.heads or self.run
        for places, class_weights, bias in heads.heads_of(ids):
            weights = class_weights.astype(np.float64)
            angles[places] = scores.angles(features[places], weights)
            logits[places] = features[places] @ weights.T + bias
        if not self.heads:  # the run may have logits of its own
            logits = self.run.logits_of(ids)
        return angles, logits


def _available(search: LabelSearch, settings: SuspectsSettings) -> tuple[list[str], dict[str, str]]:
    """Return the sources to use, in the order of SOURCES, and why others are not available.

    Without wanted ones all that are available are used. A wanted one that is not available is refused.
    """
    missing = {}
    wanted = settings.sources
    run = search.run
    if not (settings.out_of_fold or run.has_heads):
        missing["angular"] = "the run has no class weights"
    if not run.has_features:
        missing["neighbours"] = "the run has no embeddings"
        if run.has_heads:
            missing["neighbours"] = "the embeddings are of several networks, which cannot be compared"
    if not search.fits:
        missing["cleanlab"] = f"{len(search.ids):,} x {search.num_classes:,} probabilities do not fit in memory"
    if search.counted is None:
        missing["votes"] = "the dataset has none; attach some"
    available = [name for name in SOURCES if name not in missing]
    refused = [name for name in wanted if name in missing]
    if not (wanted or available):
        refused = ["cleanlab"]
    if refused:
        raise CurateError(f"The source {refused[0]} is not available: {missing[refused[0]]}.")
    if wanted:
        return [name for name in available if name in wanted], {}
    return available, missing

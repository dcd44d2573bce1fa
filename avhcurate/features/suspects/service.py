"""Find labels that are likely wrong, from several sources of evidence, and store them by rank."""

import time
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pandas as pd
from scipy.special import softmax

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.suspects import out_of_fold, rules
from avhcurate.features.suspects.rules import SOURCES, AngularView, Evidence, Expected
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import OutOfFoldFolder, SuspectsFolder, SuspectsRecord
from avhcurate.measures import scores
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.networks.neighbours.service import find_neighbours
from avhcurate.networks.scoring.heads import RECIPE
from avhcurate.workspace.data.runs import FoldHeads, RunFolder
from avhcurate.workspace.data.sample_groups import duplicates_digest
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Neighbours whose labels are compared, and those of either label that are shown with a suspect.
NEIGHBOURS = 12
SHOWN = 6
#: Probabilities that fit in memory, for cleanlab and for the number of errors: N times K.
_MOST_PROBS = 400_000_000
_ROWS = 1024
#: The most samples of a label, drawn at random, that are searched for the nearest of a suspect: the cost would grow
#: with the square of the dataset otherwise.
_MEMBERS = 20_000
#: Part of the folder's name: raise it when the same settings give other suspects.
_VERSION = 3


def find_suspects(table: DatasetTable, settings: SuspectsSettings, *, progress: Progress = SILENT) -> SuspectsFolder:
    """Examine the label of every labelled sample that the run has scored. Store those in doubt, by rank.

    With `out_of_fold`, angles and probabilities come from heads cross-fitted on the run's features; the heads of a run
    with fitted heads are out of fold already. Neighbours and folds are stored as they come, so the same call resumes;
    without changes it does nothing. Raises CurateError for a named source that is not available, and Cancelled.
    """
    run = table.run
    if run is None:
        name = table.dataset.name
        raise CurateError(f"The dataset {name} has no run. Run `avhcurate score {name} --model MODEL` first.")
    check_run(run, out_of_fold=settings.out_of_fold)
    started = time.perf_counter()
    search = _Search(table, run, progress)
    chosen, missing = _available(table, search, settings.sources)
    votes = None
    if "votes" in chosen:
        votes = table.votes
    cross_validated = settings.out_of_fold and run.record.fitted is None
    identity = {
        "version": _VERSION,
        "sources": chosen,
        "dataset": table.dataset.record.fingerprint,
        "votes": votes and votes.key,
    }
    if cross_validated:
        identity |= {"out_of_fold": [settings.folds, settings.seed, RECIPE]}
        identity |= duplicates_digest(table.dataset)
    folder = SuspectsFolder.of(run, settings_digest(identity)[:12])
    with folder.alone():
        if folder.complete:
            folder.write_record(folder.record.model_copy(update={"asked": now()}))
            return folder
        heads = None
        if cross_validated:
            heads = out_of_fold.cross_validate(
                table.dataset, run, folds=settings.folds, seed=settings.seed, progress=progress
            )
        suspects, doubting, expected = search.examine(chosen, heads)
        write_parquet(folder.table_path, suspects)
        ended = now()
        record = SuspectsRecord(
            name=folder.name,
            run=run.name,
            dataset_fingerprint=table.dataset.record.fingerprint,
            sources=chosen,
            missing=missing,
            heads=heads.record if heads is not None else None,
            votes_fingerprint=votes.fingerprint if votes is not None else None,
            votes_simulated=votes is not None and votes.simulated,
            votes_kind=votes.kind if votes is not None else None,
            samples=len(search.ids),
            listed=len(suspects),
            expected=expected,
            doubting=doubting,
            verdicts={key: int((suspects["verdict"] == key).sum()) for key in rules.VERDICTS},
            versions=versions("numpy", "scipy", "scikit-learn"),
            asked=ended,
            finished=ended,
            seconds=round(time.perf_counter() - started, 3),
        )
        folder.write_record(record)
    return folder


def check_run(run: RunFolder, *, out_of_fold: bool) -> None:
    """Refuse an attached run that lacks what suspects need."""
    if not run.has_features:
        raise CurateError(f"The run {run.name} has no embeddings. Attach it again with --features FILE.")
    if not (out_of_fold or run.has_class_weights):
        raise CurateError(
            f"The run {run.name} has no class weights. Add --out-of-fold to train heads on its embeddings."
        )


def export_table(table: DatasetTable, suspects: pd.DataFrame, record: SuspectsRecord) -> pd.DataFrame:
    """Return the suspects as a file has them. A column `votes_source` marks simulated votes."""
    ids = Filters(excluded=None, ids=tuple(suspects["id"].tolist()))
    rows = table.frame(ids, columns=["id", "path", "label_name"]).set_index("id")
    named = suspects.assign(
        path=suspects["id"].map(rows["path"]),
        label_name=suspects["id"].map(rows["label_name"]),
        suggested=suspects["suggested"].astype("Int64").where(suspects["suggested"] >= 0),
        suggested_name=suspects["suggested"].map(dict(enumerate(table.classes))),
    )
    columns = ["id", "path", "label", "label_name", "suggested", "suggested_name", "verdict"]
    named = named[[*columns, *(f"{source}_score" for source in record.sources), "rank"]]
    if record.votes_simulated:
        named = named.assign(votes_source="simulated")
    return named


# --- the search --------------------------------------------------------------------------------------------------


class _Search:
    """One search: `ids` and `labels` of the N samples that are labelled and scored."""

    def __init__(self, table: DatasetTable, run: RunFolder, progress: Progress) -> None:
        self.dataset, self.table, self.run, self.progress = table.dataset, table, run, progress
        self.all_labels = table.dataset.labels().astype(np.int64)
        self.ids, self.labels = out_of_fold.labelled(table.dataset, run)
        self.num_classes = max(len(table.classes), int(self.labels.max()) + 1)

    @property
    def fits(self) -> bool:
        """Whether the probabilities fit in memory."""
        return len(self.ids) * self.num_classes <= _MOST_PROBS

    def examine(
        self, sources: Sequence[str], heads: OutOfFoldFolder | None
    ) -> tuple[pd.DataFrame, dict[str, int], Expected | None]:
        """Return the suspects (`SuspectsFolder.suspects`), how many each source doubts, and the expected errors."""
        near = np.full((len(self.all_labels), SHOWN), -1)
        if "neighbours" in sources:
            near = find_neighbours(self.dataset, self.run, progress=self.progress).near()
        self.progress.tell(len(self.ids), len(self.ids), "angles and probabilities")
        if heads is None:
            view, columns, probs = self._judged(self.run, np.arange(self.run.record.num_classes))
        else:
            view, columns, probs = self._judged(heads, np.array(heads.record.classes))
            right = float((columns["predicted"] == self.labels).mean())
            heads.write_record(heads.record.model_copy(update={"accuracy": right}))
        angular = rules.angular(view, self.labels)
        evidence, expected = {"angular": angular}, None
        if self.fits:
            expected = rules.expected_errors(probs, self.labels)
        if "neighbours" in sources:
            evidence["neighbours"] = rules.neighbours(near[self.ids, :NEIGHBOURS], self.all_labels, self.labels)
        if "cleanlab" in sources:
            evidence["cleanlab"] = rules.confident_learning(probs, self.labels)
        if "votes" in sources:
            evidence["votes"] = self._votes()
        evidence = {source: evidence[source] for source in sources}
        listed = self._listed(evidence, view, columns, expected, angular)
        listed = self._with_neighbours(listed, near[listed["id"].to_numpy()])
        self.progress.report(len(self.ids), len(self.ids), "")
        return listed, {name: int(one.doubts.sum()) for name, one in evidence.items()}, expected

    def _listed(
        self,
        evidence: dict[str, Evidence],
        view: AngularView,
        columns: dict[str, np.ndarray],
        expected: Expected | None,
        angular: Evidence,
    ) -> pd.DataFrame:
        doubted = np.any([one.doubts for one in evidence.values()], axis=0)
        samples = rules.combine(evidence, self.num_classes)
        count = angular.doubts.sum()
        if expected is not None:
            count = expected.errors
        verdicts = rules.verdicts(view, columns["confidence"], samples["rank"].to_numpy(), doubted, expected=count)
        samples = samples.assign(verdict=verdicts)
        samples.insert(0, "id", self.ids)
        samples.insert(1, "label", self.labels)
        samples = samples.assign(**columns, **view.__dict__, **angular.details, **_source_columns(evidence))
        return samples[samples["verdict"] != ""].sort_values("rank").reset_index(drop=True)

    # neighbours

    def _with_neighbours(self, listed: pd.DataFrame, near: np.ndarray) -> pd.DataFrame:
        """Add near_given and near_suggested: for each suspect the nearest samples of either label.

        `near` (n, k), the nearest of any label, has them for most. For the others at most `_MEMBERS` samples of the
        label are searched.
        """
        for column, name in (("label", "near_given"), ("suggested", "near_suggested")):
            nearest = self._nearest_labelled(listed["id"].to_numpy(), listed[column].to_numpy(), near)
            listed[name] = [[int(id) for id in row if id >= 0] for row in nearest]
        return listed

    def _nearest_labelled(self, ids: np.ndarray, wanted: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Return ids (n, SHOWN) of the nearest samples with the `wanted` label, -1 after the last."""
        labels = np.where(near >= 0, self.all_labels[near], -1)
        nearest = _first(near, (labels == wanted[:, None]) & (labels >= 0), SHOWN)
        short = (nearest[:, -1] < 0) & (wanted >= 0)
        features = self.run.features()
        for label in np.unique(wanted[short]):
            members = self._some_labelled(label)
            if not len(members):
                continue
            asking = np.flatnonzero(short & (wanted == label))
            for at in range(0, len(asking), _ROWS):
                self.progress.tell(len(self.ids), len(self.ids), "neighbours of the suspects")
                some = asking[at : at + _ROWS]
                nearest[some], _ = nearest_of(features, ids[some], count=SHOWN, among=members)
        return nearest

    def _some_labelled(self, label: int) -> np.ndarray:
        """Return ids of samples with the label, ascending, at most `_MEMBERS`, the same each time."""
        members = self.ids[self.labels == label]
        if len(members) <= _MEMBERS:
            return members
        return np.sort(np.random.default_rng(label).choice(members, _MEMBERS, replace=False))

    # by the model

    def _judged(self, heads: FoldHeads, classes: np.ndarray) -> tuple[AngularView, dict[str, np.ndarray], np.ndarray]:
        """Return angles, prediction and confidence by heads whose rows are `classes`, and probabilities (N, K).

        Each sample is judged by its own head. The probabilities have no rows where they do not fit in memory.
        """
        row_of = np.full(max(self.num_classes, int(classes.max()) + 1), -1)
        row_of[classes] = np.arange(len(classes))
        targets = row_of[self.labels]
        if targets.min() < 0:
            raise CurateError(
                f"The run {self.run.name} has {len(classes)} classes and the labels go up to {self.labels.max()}. "
                "Add --out-of-fold to train a head for these classes."
            )
        probs = np.zeros((len(self.ids) * self.fits, len(row_of)), np.float32)
        predicted, confidence = np.empty(len(self.ids), np.int64), np.empty(len(self.ids))
        views: list[AngularView] = []
        step = max(1, min(8192, (1 << 23) // len(classes)))
        for at in range(0, len(self.ids), step):
            block = slice(at, at + step)
            angles, logits = self._by_heads(heads, self.ids[block], len(classes))
            softmaxed = softmax(logits, axis=1)
            views.append(rules.angular_view(angles, targets[block]))
            predicted[block] = classes[softmaxed.argmax(axis=1)]
            confidence[block] = softmaxed[np.arange(len(softmaxed)), targets[block]]
            if self.fits:
                probs[block, classes] = softmaxed
        joined = {name: np.concatenate([getattr(view, name) for view in views]) for name in views[0].__dict__}
        joined["rival"] = classes[joined["rival"]]
        return AngularView(**joined), {"predicted": predicted, "confidence": confidence}, probs

    def _by_heads(self, heads: FoldHeads, ids: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the angles to the class weights and the logits (n, K) of some samples."""
        features = self.run.features_of(ids).astype(np.float64)
        angles, logits = np.empty((len(ids), num_classes)), np.empty((len(ids), num_classes))
        for places, class_weights, bias in heads.heads_of(ids):
            weights = class_weights.astype(np.float64)
            angles[places] = scores.angles(features[places], weights)
            logits[places] = features[places] @ weights.T + bias
        if heads is self.run:  # it may have logits of its own
            logits = self.run.logits_of(ids)
        return angles, logits

    # by people

    def _votes(self) -> Evidence:
        """Return the evidence of the votes that HSF counts; samples without votes have none."""
        votes = self.table.vote_counts()
        assert votes is not None  # `_available` has checked
        votes = votes[votes["id"].isin(self.ids)]
        at = np.searchsorted(self.ids, votes["id"].to_numpy())
        if "counts" not in votes:
            selected, shown = np.zeros(len(self.ids), np.int64), np.zeros(len(self.ids), np.int64)
            selected[at], shown[at] = votes["selected"], votes["shown"]
            return rules.tick_votes(selected, shown)
        counts = np.zeros((len(self.ids), self.num_classes), np.int64)
        if len(votes):
            rows = np.stack(votes["counts"].to_list())
            counts = np.zeros((len(self.ids), max(self.num_classes, rows.shape[1])), np.int64)
            counts[at, : rows.shape[1]] = rows
        return rules.kway_votes(counts, self.labels)


def _available(table: DatasetTable, search: _Search, wanted: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the sources to use, in the order of SOURCES, and why others are not available.

    Without `wanted` all that are available are used. A wanted one that is not available is refused.
    """
    if unknown := [name for name in wanted if name not in SOURCES]:
        raise CurateError(f"Unknown source {', '.join(unknown)}. Choose from {', '.join(SOURCES)}.")
    missing = {}
    if find_spec("cleanlab") is None:
        missing["cleanlab"] = "the extra cleanlab is not installed, see docs/install.md"
    elif not search.fits:
        missing["cleanlab"] = f"{len(search.ids):,} x {search.num_classes:,} probabilities do not fit in memory"
    if table.votes is None:
        missing["votes"] = f"there are no votes: run `avhcurate votes {table.dataset.name} FILE`"
    if refused := [name for name in wanted if name in missing]:
        raise CurateError(f"The source {refused[0]} is not available: {missing[refused[0]]}.")
    available = [name for name in SOURCES if name not in missing]
    if wanted:
        return [name for name in available if name in wanted], {}
    return available, missing


def _first(near: np.ndarray, wanted: np.ndarray, count: int) -> np.ndarray:
    """Return the first `count` of each row of near (n, k) that are `wanted` (n, k), in order, -1 after the last.

    >>> _first(np.array([[7, 8, 9]]), np.array([[False, True, True]]), 3)
    array([[ 8,  9, -1]])
    """
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :count]
    return np.where(np.take_along_axis(wanted, order, 1), np.take_along_axis(near, order, 1), -1)


def _source_columns(evidence: dict[str, Evidence]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, one in evidence.items():
        columns |= {f"{name}_score": one.score, f"{name}_suggested": one.suggested, f"{name}_doubts": one.doubts}
        if name != "angular":  # its details are columns for every sample
            columns |= {f"{name}_{detail}": values for detail, values in one.details.items()}
    return columns

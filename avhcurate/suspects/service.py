"""Finds labels that are likely wrong, from several sources of evidence, and stores them by rank."""

import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.special import softmax

from avhcurate import scores
from avhcurate.data.runs import RunFolder
from avhcurate.data.sample_groups import duplicates_digest
from avhcurate.disk.files import write_parquet
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.neighbours.service import find_neighbours
from avhcurate.stats.neighbours import nearest_of
from avhcurate.suspects import out_of_fold, rules
from avhcurate.suspects.rules import SOURCES, AngularView, Evidence, Expected
from avhcurate.suspects.store import OutOfFoldFolder, SuspectsFolder, SuspectsRecord
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters

#: Neighbours whose labels are compared, and those of either class that are shown beside a suspect.
NEIGHBOURS = 12
BESIDE = 6
#: Probabilities that fit in memory, for cleanlab and for the number of errors: N times K.
_MOST_PROBS = 400_000_000
_ROWS = 1024
#: Of a label with more samples, so many drawn at random are searched for those beside a suspect: else the cost would
#: grow with the square of the dataset.
_MEMBERS = 20_000
#: Part of the folder's name: raise it when the same settings give other suspects.
_VERSION = 2


def find_suspects(
    table: DatasetTable,
    *,
    sources: Sequence[str] | None = None,
    honest: bool = False,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = SILENT,
) -> SuspectsFolder:
    """Examines the label of every sample that has one and that the run has scored; stores those in doubt, by rank.

    `honest` takes angles and probabilities from heads cross-fitted on the run's features (`folds`, `seed`), for a model
    that was trained on these samples and labels; a run of fitted heads is out of fold already. `sources` None takes all
    that are available; an unavailable one is refused where it is named. Neighbours and folds are stored as they come,
    so the same call resumes; where nothing has changed it does nothing. Raises Cancelled when asked to stop.
    """
    if table.run is None:
        raise CurateError(f"dataset {table.dataset.name} has no run: `avhcurate score {table.dataset.name} ...` first")
    check_run(table.run, honest=honest)
    started = time.perf_counter()
    honest = honest and table.run.record.fitted is None
    search = _Search(table, table.run, progress)
    chosen, missing = _available(table, search, sources)
    votes = table.votes if "votes" in chosen else None
    settings = {
        "version": _VERSION,
        "sources": chosen,
        "neighbours": NEIGHBOURS,
        "dataset": table.dataset.record.fingerprint,
        "out_of_fold": [folds, seed, out_of_fold.recipe()] if honest else None,
        "votes": votes.key if votes else None,
        **(duplicates_digest(table.dataset) if honest else {}),
    }
    folder = SuspectsFolder.of(table.run, settings_digest(settings)[:12])
    with folder.alone():
        if folder.complete:
            folder.write_record(folder.record.model_copy(update={"asked": now()}))
            return folder
        oof = search.cross_validated(folds, seed) if honest else None
        suspects, doubting, expected = search.examine(chosen, oof)
        write_parquet(folder.table_path, suspects)
        heads, ended = oof.record if oof else None, now()
        record = SuspectsRecord(
            name=folder.name,
            run=table.run.name,
            dataset_fingerprint=table.dataset.record.fingerprint,
            sources=chosen,
            missing=missing,
            out_of_fold=heads.name if heads else None,
            folds=heads.folds if heads else None,
            seed=heads.seed if heads else None,
            accuracy=heads.accuracy if heads else None,
            neighbours=NEIGHBOURS,
            votes_fingerprint=votes.fingerprint if votes else None,
            votes_simulated=bool(votes and votes.simulated),
            votes_kind=votes.kind if votes else None,
            samples=len(search.ids),
            listed=len(suspects),
            expected=round(expected.errors, 1) if expected else None,
            expected_low=round(expected.low, 1) if expected else None,
            expected_high=round(expected.high, 1) if expected else None,
            doubting=doubting,
            verdicts={key: int((suspects["verdict"] == key).sum()) for key in rules.VERDICTS},
            versions=versions("torch", "numpy", "scipy"),
            asked=ended,
            finished=ended,
            seconds=round(time.perf_counter() - started, 3),
        )
        folder.write_record(record)
    return folder


def check_run(run: RunFolder, *, honest: bool) -> None:
    """Refuses a run that was attached without what suspects are found by."""
    if not run.has_features:
        raise CurateError(f"run {run.name} has no embeddings to find suspects by: attach it again with --features")
    if not (honest or run.has_class_weights):
        raise CurateError(
            f"run {run.name} has no class weights: give --out-of-fold, which trains heads on its embeddings"
        )


def export_table(table: DatasetTable, suspects: pd.DataFrame, record: SuspectsRecord) -> pd.DataFrame:
    """The suspects as a file has them; a column `votes_source` marks simulated votes."""
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
    return named.assign(votes_source="simulated") if record.votes_simulated else named


# --- the search --------------------------------------------------------------------------------------------------


class _Search:
    """One search under way: `ids` and `labels` of the N samples that are labelled and scored."""

    def __init__(self, table: DatasetTable, run: RunFolder, progress: Progress) -> None:
        self.dataset, self.table, self.run, self.progress = table.dataset, table, run, progress
        self.all_labels = table.dataset.labels().astype(np.int64)
        self.ids, self.labels = out_of_fold.labelled(table.dataset, run)
        self.num_classes = max(len(table.classes), int(self.labels.max()) + 1)

    def cross_validated(self, folds: int, seed: int) -> OutOfFoldFolder:
        return out_of_fold.cross_validate(self.dataset, self.run, folds=folds, seed=seed, progress=self.progress)

    def examine(
        self, sources: Sequence[str], oof: OutOfFoldFolder | None
    ) -> tuple[pd.DataFrame, dict[str, int], Expected | None]:
        """The suspects, columns as in `SuspectsFolder.suspects`, how many each source doubts, and expected errors."""
        near = np.full((len(self.all_labels), BESIDE), -1)
        if "neighbours" in sources:
            near = find_neighbours(self.dataset, self.run, progress=self.progress).near()
        self.progress.tell(len(self.ids), len(self.ids), "angles and probabilities")
        view, columns = self._cross_validated_view(oof) if oof else self._own_view()
        angular = rules.angular(view, self.labels)
        fits = len(self.ids) * self.num_classes <= _MOST_PROBS  # where it does not, cleanlab is not among the sources
        probs = self._probs(oof) if fits else np.empty((0, self.num_classes), np.float32)
        evidence_of = {
            "angular": lambda: angular,
            "neighbours": lambda: rules.neighbours(near[self.ids, :NEIGHBOURS], self.all_labels, self.labels),
            "cleanlab": lambda: rules.confident_learning(probs, self.labels),
            "votes": self._votes,
        }
        evidence = {source: evidence_of[source]() for source in sources}
        doubted = np.any([one.doubts for one in evidence.values()], axis=0)
        samples = rules.combine(evidence, self.num_classes)
        expected = rules.expected_errors(probs, self.labels) if fits else None
        count = expected.errors if expected else angular.doubts.sum()
        verdicts = rules.verdicts(view, columns["confidence"], samples["rank"].to_numpy(), doubted, expected=count)
        samples = samples.assign(verdict=verdicts)
        samples.insert(0, "id", self.ids)
        samples.insert(1, "label", self.labels)
        samples = samples.assign(**columns, **view.__dict__, **angular.details, **_source_columns(evidence))
        listed = samples[samples["verdict"] != ""].sort_values("rank").reset_index(drop=True)
        listed = self._with_neighbours(listed, near[listed["id"].to_numpy()])
        self.progress.report(len(self.ids), len(self.ids), "")
        return listed, {name: int(one.doubts.sum()) for name, one in evidence.items()}, expected

    # neighbours

    def _with_neighbours(self, listed: pd.DataFrame, near: np.ndarray) -> pd.DataFrame:
        """The columns near_given and near_suggested: for each suspect the nearest samples of either label.

        `near` (n, k), the nearest of any label, nearest first, has them for most; for the others at most `_MEMBERS`
        samples of the label are searched.
        """
        features, ids = self.run.features(), listed["id"].to_numpy()
        of = np.where(near >= 0, self.all_labels[near], -1)
        for column in ("label", "suggested"):
            wanted = listed[column].to_numpy()
            beside = _first(near, (of == wanted[:, None]) & (of >= 0), BESIDE)
            short = (beside[:, -1] < 0) & (wanted >= 0)
            for label in np.unique(wanted[short]):
                members, asking = self._some_labelled(label), np.flatnonzero(short & (wanted == label))
                for at in range(0, len(asking) if len(members) else 0, _ROWS):
                    self.progress.tell(len(self.ids), len(self.ids), "neighbours beside the suspects")
                    some = asking[at : at + _ROWS]
                    beside[some], _ = nearest_of(features, ids[some], count=BESIDE, among=members)
            kept = [[int(id) for id in row if id >= 0] for row in beside]
            listed[f"near_{'given' if column == 'label' else column}"] = kept
        return listed

    def _some_labelled(self, label: int) -> np.ndarray:
        """Ids of the samples labelled so, ascending, at most `_MEMBERS`, the same ones each time."""
        members = self.ids[self.labels == label]
        if len(members) <= _MEMBERS:
            return members
        return np.sort(np.random.default_rng(label).choice(members, _MEMBERS, replace=False))

    # by the model

    def _own_view(self) -> tuple[AngularView, dict[str, np.ndarray]]:
        """Angles and scores by the run's own head; a label beyond its classes is refused."""
        num_classes = self.run.record.num_classes
        if self.labels.max() >= num_classes:
            raise CurateError(
                f"run {self.run.name} has {num_classes} classes and the labels go up to {self.labels.max()}: "
                "give --out-of-fold, which trains a head for these classes"
            )
        views: list[AngularView] = []
        for block in self._blocks():
            features = self.run.features_of(self.ids[block]).astype(np.float64)
            angles = np.empty((len(features), num_classes))
            for places, class_weights, _ in self.run.heads_of(self.ids[block]):
                angles[places] = scores.angles(features[places], class_weights.astype(np.float64))
            views.append(rules.angular_view(angles, self.labels[block]))
        joined = {name: np.concatenate([getattr(view, name) for view in views]) for name in views[0].__dict__}
        rows = pq.read_table(self.run.scores_path, columns=["id", "predicted", "confidence"]).to_pandas()
        rows = rows.set_index("id").loc[self.ids]
        columns = {name: rows[name].to_numpy() for name in ("predicted", "confidence")}
        return AngularView(**joined), columns

    def _cross_validated_view(self, oof: OutOfFoldFolder) -> tuple[AngularView, dict[str, np.ndarray]]:
        """The same by the head that was not trained on each sample."""
        rows = pq.read_table(oof.scores_path)
        columns = {name: rows[name].to_numpy() for name in ("predicted", "confidence", "fold")}
        return out_of_fold.view_of(rows), columns

    def _probs(self, oof: OutOfFoldFolder | None) -> np.ndarray:
        """Softmax probabilities (N, K) float32."""
        if oof:
            return out_of_fold.probabilities(oof, self.run, self.num_classes)[1]
        probs = np.empty((len(self.ids), self.run.record.num_classes), np.float32)
        for block in self._blocks():
            probs[block] = softmax(self.run.logits_of(self.ids[block]), axis=1)
        return probs

    def _blocks(self) -> Iterator[slice]:
        step = max(1, min(8192, (1 << 23) // self.num_classes))
        return (slice(at, at + step) for at in range(0, len(self.ids), step))

    # by people

    def _votes(self) -> Evidence:
        """The votes that HSF counts, of one kind of question; none for samples without votes."""
        votes = self.table.vote_counts()
        assert votes is not None  # `_available` has checked
        votes = votes[votes["id"].isin(self.ids)]
        at = np.searchsorted(self.ids, votes["id"].to_numpy())
        if "counts" not in votes:
            selected, shown = np.zeros(len(self.ids), np.int64), np.zeros(len(self.ids), np.int64)
            selected[at], shown[at] = votes["selected"], votes["shown"]
            return rules.tick_votes(selected, shown)
        rows = np.stack(votes["counts"].to_list()) if len(votes) else np.zeros((0, self.num_classes), np.int64)
        counts = np.zeros((len(self.ids), max(self.num_classes, rows.shape[1])), np.int64)
        counts[at, : rows.shape[1]] = rows
        return rules.kway_votes(counts, self.labels)


def _available(table: DatasetTable, search: _Search, wanted: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The sources to use, in the order of SOURCES, and why others are unavailable; refused where one was named."""
    if unknown := [name for name in wanted or () if name not in SOURCES]:
        raise CurateError(f"no source is called {', '.join(unknown)}: choose from {', '.join(SOURCES)}")
    if wanted is not None and not wanted:
        raise CurateError(f"name one source or more: {', '.join(SOURCES)}")
    missing = {}
    if find_spec("cleanlab") is None:
        missing["cleanlab"] = "the extra cleanlab is not installed, see docs/install.md"
    elif len(search.ids) * search.num_classes > _MOST_PROBS:
        missing["cleanlab"] = f"{len(search.ids):,} x {search.num_classes:,} probabilities are more than it can hold"
    if table.votes is None:
        missing["votes"] = f"there are none: `avhcurate votes {table.dataset.name} FILE`"
    if refused := [name for name in wanted or () if name in missing]:
        raise CurateError(f"the source {refused[0]} cannot be asked: {missing[refused[0]]}")
    chosen = [name for name in SOURCES if name not in missing and (wanted is None or name in wanted)]
    return chosen, {name: why for name, why in missing.items() if wanted is None}


def _first(near: np.ndarray, wanted: np.ndarray, count: int) -> np.ndarray:
    """The first `count` of each row of near (n, k) that are `wanted` (n, k), in their order, -1 after the last.

    >>> _first(np.array([[7, 8, 9]]), np.array([[False, True, True]]), 3)
    array([[ 8,  9, -1]])
    """
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :count]
    return np.where(np.take_along_axis(wanted, order, 1), np.take_along_axis(near, order, 1), -1)


def _source_columns(evidence: dict[str, Evidence]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, one in evidence.items():
        columns |= {f"{name}_score": one.score, f"{name}_suggested": one.suggested, f"{name}_doubts": one.doubts}
        if name != "angular":  # its details are shown of every sample
            columns |= {f"{name}_{detail}": values for detail, values in one.details.items()}
    return columns

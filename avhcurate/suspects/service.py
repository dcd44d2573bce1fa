"""Finds the labels of a run's samples that are likely wrong, from several sources, and stores them by rank."""

import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate import scores
from avhcurate.curate.annotations import annotate
from avhcurate.data.datasets import VotesRecord
from avhcurate.data.runs import RunFolder
from avhcurate.disk.files import write_parquet
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.stats.neighbours import nearest_of
from avhcurate.suspects import out_of_fold, rules
from avhcurate.suspects.rules import SOURCES, AngularView, Evidence
from avhcurate.suspects.store import (
    SHARD,
    NeighboursFolder,
    NeighboursRecord,
    SuspectsFolder,
    SuspectsRecord,
    neighbours_at,
    suspects_at,
    suspects_of,
)
from avhcurate.suspects.store_out_of_fold import OutOfFoldFolder
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters

#: Neighbours that are asked about a label, and those of either class that are shown beside a suspect.
NEIGHBOURS = 12
BESIDE = 6
#: The tag of a sample whose given label was confirmed: it does not come back as a suspect.
KEPT = "label-ok"

#: Probabilities that fit in memory for cleanlab: N times K.
_MOST_PROBS = 400_000_000
_ROWS = 1024
#: Part of the name of what is stored: to be raised when the same settings give other suspects.
_VERSION = 1


def find_suspects(
    table: DatasetTable,
    *,
    sources: Sequence[str] | None = None,
    honest: bool = False,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = SILENT,
) -> SuspectsFolder:
    """Judges the label of every sample that has one and that the run has scored; stores those in doubt, by rank.

    `honest` takes angles and probabilities from heads cross-validated on the run's features (`folds`, `seed`), for a
    model that has seen these samples and their labels. `sources` None takes all that can be had; one that is asked for
    and cannot be had is refused. Neighbours and folds are stored as they come, so the same call resumes; where nothing
    has changed it does nothing. Raises Cancelled when asked to stop.
    """
    if table.run is None:
        raise CurateError(f"dataset {table.dataset.name} has no run: `avhcurate score {table.dataset.name} ...` first")
    started = time.perf_counter()
    judging = _Judging(table, table.run, progress)
    chosen, missing = _available(table, judging, sources)
    votes = table.votes if "votes" in chosen else None
    settings = {
        "version": _VERSION,
        "sources": chosen,
        "neighbours": NEIGHBOURS,
        "dataset": table.dataset.record.fingerprint,
        "out_of_fold": [folds, seed, out_of_fold.recipe_for(len(judging.ids))] if honest else None,
        "votes": votes.fingerprint if votes else None,
    }
    folder = suspects_at(table.run, settings_digest(settings)[:12])
    with folder.alone():
        if folder.complete:
            folder.write_record(folder.record.model_copy(update={"asked": now()}))
            return folder
        oof = judging.cross_validated(folds, seed) if honest else None
        found, doubting = judging.judge(chosen, oof)
        write_parquet(folder.table_path, found)
        folder.write_record(_record(folder, judging, missing, oof, found, doubting, votes, started))
    return folder


def _record(
    folder: SuspectsFolder,
    judging: "_Judging",
    missing: dict[str, str],
    oof: OutOfFoldFolder | None,
    found: pd.DataFrame,
    doubting: dict[str, int],
    votes: VotesRecord | None,
    started: float,
) -> SuspectsRecord:
    ended, folds = now(), oof.record if oof else None
    return SuspectsRecord(
        name=folder.name,
        run=judging.run.name,
        dataset_fingerprint=judging.dataset.record.fingerprint,
        sources=list(doubting),
        missing=missing,
        out_of_fold=folds.name if folds else None,
        folds=folds.folds if folds else None,
        seed=folds.seed if folds else None,
        accuracy=folds.accuracy if folds else None,
        neighbours=NEIGHBOURS,
        votes_fingerprint=votes.fingerprint if votes else None,
        votes_simulated=bool(votes and votes.simulated),
        votes_kind=votes.kind if votes else None,
        samples=len(judging.ids),
        listed=len(found),
        doubting=doubting,
        verdicts={key: int((found["verdict"] == key).sum()) for key in rules.VERDICTS},
        versions=versions("torch", "numpy", "scipy"),
        asked=ended,
        finished=ended,
        seconds=round(time.perf_counter() - started, 3),
    )


def newest(run: RunFolder) -> SuspectsFolder | None:
    """The suspects of a run that were last asked for; None before any were found."""
    return next(iter(reversed(suspects_of(run))), None)


def read(folder: SuspectsFolder) -> pd.DataFrame:
    """The suspects by rank, a row each.

    id, label, suggested (-1 for none), verdict, rank, doubt, agreement, spoke; SOURCE_score, SOURCE_suggested,
    SOURCE_doubts of each source; predicted, confidence, avh, avh_share, avc_given, avc_rival, rival, avc_share, margin
    (rad), avc_entropy (nats), flatness; neighbours_known (how many of them have a label); votes_n, votes_share,
    votes_low, votes_high of the votes' suggestion; near_given and near_suggested, ids of the nearest samples of either
    label.
    """
    return pq.read_table(folder.table_path).to_pandas()


def decided(table: DatasetTable, ids: Sequence[int]) -> pd.Series:
    """What stands about some samples, by id in their order: "accepted" (its label was changed), "kept", or ""."""
    rows = table.frame(Filters(excluded=None, ids=tuple(ids)), columns=["id", "label", "curated_label", "tags"])
    changed = (rows["curated_label"] != rows["label"]).fillna(True)
    kept = [KEPT in tags for tags in rows["tags"]]
    stands = pd.Series(np.select([changed, kept], ["accepted", "kept"], ""), index=rows["id"].astype("int64"))
    return stands.loc[list(ids)]


def accept(table: DatasetTable, suggested: dict[int, int], *, who: str = "") -> int:
    """Relabels samples, by id, to what was suggested; one entry of the log a label, and how many entries."""
    labels = sorted(set(suggested.values()))
    for label in labels:
        annotate(table, [id for id, other in suggested.items() if other == label], "relabel", label, who=who)
    return len(labels)


def keep(table: DatasetTable, ids: Sequence[int], *, who: str = "") -> int:
    """Confirms the given labels for good, by a tag; one entry of the log."""
    annotate(table, ids, "tag", KEPT, who=who)
    return 1


def take_back(table: DatasetTable, id: int, *, who: str = "") -> None:
    """Makes a sample undecided again: its label is that of the source and it has no `label-ok`; the log keeps all."""
    stands = decided(table, [id])[id]
    if stands == "accepted":
        annotate(table, [id], "relabel", None, who=who)
    elif stands == "kept":
        annotate(table, [id], "untag", KEPT, who=who)


def export_table(table: DatasetTable, found: pd.DataFrame, record: SuspectsRecord) -> pd.DataFrame:
    """The suspects as a file has them; `votes_source` says so where votes are simulated."""
    rows = table.frame(
        Filters(excluded=None, ids=tuple(int(id) for id in found["id"])), columns=["id", "path", "label_name"]
    ).set_index("id")
    names = dict(enumerate(table.classes))
    out = pd.DataFrame(
        {
            "id": found["id"],
            "path": found["id"].map(rows["path"]),
            "label": found["label"],
            "label_name": found["id"].map(rows["label_name"]),
            "suggested": found["suggested"].astype("Int64").where(found["suggested"] >= 0),
            "suggested_name": found["suggested"].map(names),
            "verdict": found["verdict"],
            **{f"{source}_score": found[f"{source}_score"] for source in record.sources},
            "rank": found["rank"],
        }
    )
    return out.assign(votes_source="simulated") if record.votes_simulated else out


# --- the work ----------------------------------------------------------------------------------------------------


class _Judging:
    """One judging under way: `ids` and `labels` of the samples that can be judged, N of them."""

    def __init__(self, table: DatasetTable, run: RunFolder, progress: Progress) -> None:
        self.dataset, self.table, self.run = table.dataset, table, run
        self.progress = progress
        self.all_labels = table.dataset.labels().astype(np.int64)
        self.ids, self.labels = out_of_fold.labelled(table.dataset, run)
        self.num_classes = max(len(table.classes), int(self.labels.max()) + 1)

    def cross_validated(self, folds: int, seed: int) -> OutOfFoldFolder:
        return out_of_fold.cross_validate(self.dataset, self.run, folds=folds, seed=seed, progress=self.progress)

    def judge(self, sources: Sequence[str], oof: OutOfFoldFolder | None) -> tuple[pd.DataFrame, dict[str, int]]:
        """The suspects among the samples as `read` has them, and how many samples each source doubts."""
        near = self.neighbours() if "neighbours" in sources else None
        self.progress.tell(len(self.ids), len(self.ids), "angles and probabilities")
        view, columns = self._cross_validated_view(oof) if oof else self._own_view()
        angular = rules.angular(view, self.labels)
        evidence: dict[str, Evidence] = {}
        for source in sources:
            if source == "angular":
                evidence[source] = angular
            elif source == "neighbours" and near is not None:
                evidence[source] = rules.neighbours(near, self.all_labels, self.labels)
            elif source == "cleanlab":
                evidence[source] = rules.confident_learning(self._probs(oof), self.labels)
            elif source == "votes":
                evidence[source] = self._votes()
        found = rules.combine(evidence, self.num_classes)
        doubted = np.any([one.doubts for one in evidence.values()], axis=0)
        found["verdict"] = rules.verdicts(view, angular, doubted)
        found.insert(0, "id", self.ids)
        found.insert(1, "label", self.labels)
        found = found.assign(**columns, **self._view_columns(view, angular), **_source_columns(evidence))
        listed = found[found["verdict"] != ""].sort_values("rank").reset_index(drop=True)
        listed = self._with_neighbours(listed)
        self.progress.report(len(self.ids), len(self.ids), "")
        return listed, {name: int(one.doubts.sum()) for name, one in evidence.items()}

    # neighbours

    def neighbours(self) -> np.ndarray:
        """Ids of the nearest samples of each of `ids`, (N, NEIGHBOURS), from the run's folder or searched now."""
        folder = neighbours_at(self.run, NEIGHBOURS)
        with folder.alone():
            if not folder.complete or folder.record.samples != len(self.ids):
                self._search(folder)
        return np.stack(pq.read_table(folder.scores_path, columns=["near"])["near"].to_numpy())

    def _search(self, folder: NeighboursFolder) -> None:
        record = NeighboursRecord(
            run=self.run.name,
            dataset_fingerprint=self.dataset.record.fingerprint,
            count=NEIGHBOURS,
            samples=len(self.ids),
            started=now(),
        )
        if not folder.begun:
            folder.write_record(record)
        features, shards = self.run.features(), range(-(-len(self.ids) // SHARD))
        for shard in shards:
            ids = self.ids[shard * SHARD : (shard + 1) * SHARD]
            self.progress.tell(shard * SHARD, len(self.ids), "nearest neighbours")
            if not folder.has_shard(shard):
                started = time.perf_counter()
                near, _ = nearest_of(features, ids, count=NEIGHBOURS)
                rows = pa.table({"id": ids, "near": pa.array(list(near), pa.list_(pa.int64()))})
                folder.write_shard(shard, rows, seconds=time.perf_counter() - started)
        seconds = sum(map(folder.shard_seconds, shards))
        folder.finish(map(folder.shard, shards), {"finished": now(), "seconds": round(seconds, 3)})

    def _with_neighbours(self, listed: pd.DataFrame) -> pd.DataFrame:
        """The columns near_given and near_suggested: for each suspect the nearest samples of either label."""
        features = self.run.features()
        for column in ("label", "suggested"):
            wanted, near = listed[column].to_numpy(), np.full((len(listed), BESIDE), -1)
            for label in np.unique(wanted[wanted >= 0]):
                members, asking = self.ids[self.labels == label], np.flatnonzero(wanted == label)
                for at in range(0, len(asking) if len(members) else 0, _ROWS):
                    self.progress.tell(len(self.ids), len(self.ids), "neighbours beside the suspects")
                    some = asking[at : at + _ROWS]
                    near[some], _ = nearest_of(features, listed["id"].to_numpy()[some], count=BESIDE, among=members)
            kept = [[int(id) for id in row if id >= 0] for row in near]
            listed[f"near_{'given' if column == 'label' else column}"] = kept
        return listed

    # what the model says

    def _own_view(self) -> tuple[AngularView, dict[str, np.ndarray]]:
        """Angles and scores by the run's own head; a label beyond its classes is refused."""
        class_weights = self.run.class_weights().astype(np.float64)
        if self.labels.max() >= len(class_weights):
            raise CurateError(
                f"run {self.run.name} tells {len(class_weights)} classes apart and the labels go up to "
                f"{self.labels.max()}: give --out-of-fold, which learns a head for these classes"
            )
        views: list[AngularView] = []
        for block in self._blocks():
            features = self.run.features_of(self.ids[block]).astype(np.float64)
            views.append(rules.angular_view(scores.angles(features, class_weights), self.labels[block]))
        joined = {name: np.concatenate([getattr(view, name) for view in views]) for name in views[0].__dict__}
        rows = pq.read_table(self.run.scores_path, columns=["id", "predicted", "confidence"]).to_pandas()
        rows = rows.set_index("id").loc[self.ids]
        columns = {name: rows[name].to_numpy() for name in ("predicted", "confidence")}
        return AngularView(**joined), columns

    def _cross_validated_view(self, oof: OutOfFoldFolder) -> tuple[AngularView, dict[str, np.ndarray]]:
        """The same by the heads that did not see each sample."""
        rows = pq.read_table(oof.scores_path)
        columns = {name: rows[name].to_numpy() for name in ("predicted", "confidence", "fold")}
        return out_of_fold.view_of(rows), columns

    def _probs(self, oof: OutOfFoldFolder | None) -> np.ndarray:
        """Softmax probabilities (N, K) float32."""
        if oof:
            return out_of_fold.probabilities(oof, self.run, self.num_classes)[1]
        weights, bias = self.run.class_weights(), self.run.bias()
        found = np.empty((len(self.ids), len(weights)), np.float32)
        for block in self._blocks():
            found[block] = out_of_fold.softmax(self.run.features_of(self.ids[block]) @ weights.T + bias)
        return found

    def _blocks(self) -> Iterator[slice]:
        step = max(1, min(8192, (1 << 23) // self.num_classes))
        return (slice(at, at + step) for at in range(0, len(self.ids), step))

    def _view_columns(self, view: AngularView, angular: Evidence) -> dict[str, np.ndarray]:
        return view.__dict__ | angular.details | {"flatness": rules.flatness(view)}

    # what people say

    def _votes(self) -> Evidence:
        """The votes that HSF counts, of one kind of question; samples without any say nothing."""
        votes = self.table.vote_counts()
        assert votes is not None  # it was checked that there are some
        at = np.searchsorted(self.ids, votes["id"].to_numpy())
        some = (at < len(self.ids)) & (self.ids[np.minimum(at, len(self.ids) - 1)] == votes["id"].to_numpy())
        at, votes = at[some], votes[some]
        if "counts" not in votes:
            selected, shown = np.zeros(len(self.ids), np.int64), np.zeros(len(self.ids), np.int64)
            selected[at], shown[at] = votes["selected"], votes["shown"]
            return rules.tick_votes(selected, shown)
        rows = np.stack(votes["counts"].to_list()) if len(votes) else np.zeros((0, self.num_classes), np.int64)
        counts = np.zeros((len(self.ids), max(self.num_classes, rows.shape[1])), np.int64)
        counts[at, : rows.shape[1]] = rows
        return rules.kway_votes(counts, self.labels)


def _available(
    table: DatasetTable, judging: _Judging, wanted: Sequence[str] | None
) -> tuple[list[str], dict[str, str]]:
    """The sources to ask, in the order of SOURCES, and why others cannot be; refused where one was asked for."""
    if unknown := [name for name in wanted or () if name not in SOURCES]:
        raise CurateError(f"no source is called {', '.join(unknown)}: choose from {', '.join(SOURCES)}")
    if wanted is not None and not wanted:
        raise CurateError(f"name one source or more: {', '.join(SOURCES)}")
    missing = {}
    if find_spec("cleanlab") is None:
        missing["cleanlab"] = "it is not installed: `pip install avhcurate[cleanlab]`"
    elif len(judging.ids) * judging.num_classes > _MOST_PROBS:
        missing["cleanlab"] = f"{len(judging.ids):,} x {judging.num_classes:,} probabilities are more than it can hold"
    if table.votes is None:
        missing["votes"] = f"there are none: `avhcurate votes {table.dataset.name} FILE`"
    if refused := [name for name in wanted or () if name in missing]:
        raise CurateError(f"the source {refused[0]} cannot be asked: {missing[refused[0]]}")
    chosen = [name for name in SOURCES if name not in missing and (wanted is None or name in wanted)]
    return chosen, {name: why for name, why in missing.items() if wanted is None}


def _source_columns(evidence: dict[str, Evidence]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, one in evidence.items():
        columns |= {f"{name}_score": one.score, f"{name}_suggested": one.suggested, f"{name}_doubts": one.doubts}
        if name != "angular":  # its details are shown of every sample
            columns |= {f"{name}_{detail}": values for detail, values in one.details.items()}
    return columns

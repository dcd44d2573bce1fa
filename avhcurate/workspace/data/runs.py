"""One model run over a dataset: its record, features, class weights and scores, written shard by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.workspace.data.class_changes import Today, merged_logits
from avhcurate.workspace.data.run_records import SHARD, RunRecord
from avhcurate.workspace.disk.arrays import read_npy, write_zeros
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import derived, flush, replacing, write_array, write_parquet
from avhcurate.workspace.disk.folders import ShardedFolder, spread
from avhcurate.workspace.disk.room import check_room

#: A file with a row for each sample.
Rows = Literal["features.npy", "logits.npy", "fold_features.npy"]
_FEATURES: Rows = "features.npy"
_LOGITS: Rows = "logits.npy"
#: Embeddings by several networks, each of the samples of its fold.
FOLD_FEATURES: Rows = "fold_features.npy"
_WEIGHTS = "class_weights.npy"
_BIAS = "bias.npy"
#: What the names of columns of words begin with.
WORDS = "like: "


class FoldHeads:
    """The linear heads of a folder: of each fold, in `heads/`, and of all, and which one has scored each sample."""

    root: Path

    def folds(self) -> np.ndarray | None:
        """Return the fold whose head has scored each sample, (N,) by id, -1 for the head of all; None without folds."""
        path = self.root / "folds.npy"
        return np.load(path) if path.exists() else None

    def write_folds(self, folds: np.ndarray) -> None:
        write_array(self.root / "folds.npy", folds)

    def heads_of(self, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield positions in `ids`, class weights (K, D) and bias (K,) of each head that has scored some of them."""
        folds = self.folds()
        fold_of = np.full(len(ids), -1)
        if folds is not None:
            fold_of = folds[ids]
        for fold in np.unique(fold_of).tolist():
            yield np.flatnonzero(fold_of == fold), *self.head(fold)

    def head(self, fold: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Return class weights (K, D) and bias (K,) of the head of a fold; -1 is the head of all."""
        return np.array(self._array(_WEIGHTS, fold)), np.array(self._array(_BIAS, fold))

    def has_head(self, fold: int = -1) -> bool:
        return self._head_path(_WEIGHTS, fold).exists()

    def write_head(self, class_weights: np.ndarray, bias: np.ndarray, fold: int = -1) -> None:
        """Write (K, D) and (K,) of the last layer, or of the head of a fold; class weights last."""
        write_array(self._head_path(_BIAS, fold), bias)
        write_array(self._head_path(_WEIGHTS, fold), class_weights)

    def _array(self, file: str, fold: int = -1) -> np.memmap:
        path = self._head_path(file, fold)
        if not path.exists():
            title = path.stem.replace("_", "-")
            if self.has_head(0):
                raise CurateError(
                    f"Run {self.root.name} is of several networks, each of a fold, which share no {title}. Choose a "
                    "run of one network."
                )
            raise CurateError(
                f"Run {self.root.name} was attached without {title}.", fix=f"Attach it again with {Option(path.stem)}"
            )
        return read_npy(path)

    def _head_path(self, file: str, fold: int) -> Path:
        if fold < 0:
            return self.root / file
        return self.root / "heads" / str(fold) / file


class RunFolder(FoldHeads, ShardedFolder[RunRecord]):
    """The folder of one run.

    Files: `run.json`, `class_weights.npy`, `bias.npy`, `features.npy`; `scores.parquet` once it is complete, and until
    then `scores/shard-XXXXX.parquet`. A shard's file is renamed into place after its rows of `features.npy` are on
    disk: where the file is, the shard is whole. `logits.npy` where the logits are not those of class weights and bias.
    A run that was attached may lack features, class weights, or both. One that fits heads has `folds.npy` and `heads/`
    of each fold too, and `class_weights.npy` and `bias.npy` are those of the head of all. One whose folds trained
    networks has `folds.npy`, `heads/` and `fold_features.npy`, and nothing of all. A zero-shot run that was
    asked for words has `words.parquet`: id, and a column of angles for each text.

    A row of scores: id, predicted, a column a score, problem. A sample that could not be scored has a `problem` and
    nulls; a score that is not defined is null.
    """

    HOME = "runs"
    FILE = "run.json"
    KIND = RunRecord
    WHAT = "run"
    AGAIN = "remove the folder and score again"

    #: The classes of today, where people have changed those that it was made with.
    today: Today | None = None

    @property
    def as_made(self) -> "RunFolder":
        """The run by the classes that it was made with."""
        return RunFolder(self.root)

    @property
    def num_classes(self) -> int:
        """Return K, the number of columns of its logits."""
        return len(self.today.classes) if self.today else self.record.num_classes

    def has_head(self, fold: int = -1) -> bool:
        return super().has_head(fold) and not (self.today and self.today.lacking)

    def head(self, fold: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Return class weights (K, D) and bias (K,) of the head of a fold, of the classes of today."""
        class_weights, bias = super().head(fold)
        if self.today is None:
            return class_weights, bias
        if self.today.lacking:
            raise CurateError(
                f"Run {self.name} has no class weights of {listed(self.today.lacking, 5)}: classes changed after it "
                "was made.",
                fix=f"Fit a head for those of today by {Option('head', 'fit')}",
            )
        return class_weights[self.today.rows], bias[self.today.rows]

    @property
    def scores_today(self) -> Path:
        """The table of scores, by the classes of today.

        Scores of the softmax follow from sums of probabilities. Another score of a label stands where its class has
        class weights of its own. An image whose class the run does not know has no prediction, and none where it knows
        no class. Where images have other labels by votes since, class weights that no label has shaped judge them anew.
        """
        if self.today is None:
            return self.scores_path
        return derived(self.scores_path, self.today.key, self._write_scores)

    def _write_scores(self, path: Path) -> None:
        from avhcurate.measures.scores import SCORES

        assert self.today is not None
        table = pq.read_table(self.scores_path)
        ids = table["id"].to_numpy()
        usable = table["problem"].is_null().to_numpy()
        labels = self.today.labels()[ids]
        known = np.append(np.isin(np.arange(self.num_classes), self.today.numbers), self.today.knows_any)[labels]
        alone = np.append(self.today.rows >= 0, True)[labels] & (not self.today.relabelled)
        scored = self._scores_of(ids[usable], np.where(known, labels, -1)[usable], table.column_names)
        for position, field in enumerate(table.schema):
            column = table[position].combine_chunks()
            if field.name in scored:
                column = spread(scored[field.name], usable, field.type)
            elif field.name in SCORES and SCORES[field.name].needs_label:
                column = pc.if_else(alone, column, pa.scalar(None, field.type))
            if field.name == "predicted":
                column = pc.if_else(known, column, pa.scalar(None, field.type))
            table = table.set_column(position, field, column)
        write_parquet(path, table)

    def _scores_of(self, ids: np.ndarray, labels: np.ndarray, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the scores of some ids (n,) among some columns that follow from what is stored, and `predicted`."""
        from avhcurate.measures.scores import SCORES, per_sample

        assert self.today is not None
        if not self.has_logits:
            return {}
        features = class_weights = None
        keys = [key for key in columns if key in SCORES and SCORES[key].needs == "logits"]
        if not self.today.knows_any:
            return dict.fromkeys(keys, np.full(len(ids), np.nan))
        if self.today.relabelled and self.record.fitted is None and self.has_class_weights and self.has_features:
            class_weights = self.class_weights()
            keys += [key for key in columns if key in SCORES and SCORES[key].needs == "class_weights"]
        parts = []
        for start in range(0, max(1, len(ids)), SHARD):
            block = slice(start, start + SHARD)
            logits = self.logits_of(ids[block])
            if class_weights is not None:
                features = self.features_of(ids[block])
                logits = logits.astype(features.dtype)
            parts.append(per_sample(features, class_weights, logits, labels[block], keys=keys))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def scored_ids(self, limit: int | None = None) -> np.ndarray:
        """Return ids of the scored samples of a complete run, ascending; `limit` of them, evenly spread."""
        table = pq.read_table(self.scores_path, columns=["id", "problem"])
        ids = np.sort(table["id"].to_numpy()[table["problem"].is_null().to_numpy()])
        return ids[evenly_spread(len(ids), limit)]

    @property
    def words_path(self) -> Path:
        return self.root / "words.parquet"

    @property
    def has_features(self) -> bool:
        return (self.root / _FEATURES).exists()

    @property
    def has_class_weights(self) -> bool:
        return self.has_head()

    @property
    def has_heads(self) -> bool:
        """Whether class weights have judged each sample: those of all, or only of the network of its fold."""
        return self.has_class_weights or self.has_head(0)

    @property
    def has_logits(self) -> bool:
        """Whether there is a softmax output: logits of its own, or those of its class weights."""
        return self.as_made.has_heads or (self.root / _LOGITS).exists()

    def features(self) -> np.memmap:
        """(N, D) float32, mapped from disk, by id; zeros for samples that were not scored."""
        return self._array(_FEATURES)

    def features_of(self, ids: np.ndarray) -> np.ndarray:
        """(n, D) float32 of some ids, in memory, each by the network that has scored it; nothing stays mapped."""
        if (self.root / FOLD_FEATURES).exists():
            return np.asarray(self._array(FOLD_FEATURES)[ids])
        return np.asarray(self.features()[ids])

    def class_weights(self) -> np.ndarray:
        """(K, D) float32; of the head of all where heads were fitted."""
        return self.head()[0]

    def bias(self) -> np.ndarray:
        """(K,) float32; of the head of all where heads were fitted."""
        return self.head()[1]

    def refuse_without_logits(self) -> None:
        if not self.has_logits:
            raise CurateError(
                f"Run {self.name} was attached without logits.",
                fix=f"Attach {Option('logits')} or {Option('probs')} too",
            )

    def logits_of(self, ids: np.ndarray) -> np.ndarray:
        """(n, K) float64 of some ids: those stored, else features @ class_weights.T + bias of the head of each."""
        if self.today is not None:
            return merged_logits(self.as_made.logits_of(ids), self.today.numbers, self.num_classes)
        if (self.root / _LOGITS).exists():
            return np.asarray(read_npy(self.root / _LOGITS)[ids], np.float64)
        self.refuse_without_logits()
        features = self.features_of(ids).astype(np.float64)
        logits = np.empty((len(ids), self.record.num_classes))
        for places, class_weights, bias in self.heads_of(ids):
            logits[places] = features[places] @ class_weights.T.astype(np.float64) + bias
        return logits

    def create(
        self, record: RunRecord, class_weights: np.ndarray | None = None, bias: np.ndarray | None = None, *, rows: int
    ) -> None:
        """Begin the run, with places for the features of `rows` samples; the record is written last.

        A run that fits its heads has no class weights yet. Refused where the disk has too little room for the features
        of the samples to be scored.
        """
        check_room(self.root, 4 * record.samples * record.width, f"A run on {record.samples} images")
        if class_weights is not None and bias is not None:
            self.write_head(class_weights, bias)
        file = _FEATURES
        if record.fitted and record.fitted.networks:
            file = FOLD_FEATURES
        self.reserve(file, (rows, record.width), sparse=record.samples < rows)
        self.write_record(record)

    def reserve(self, file: Rows, shape: tuple[int, int], *, sparse: bool) -> None:
        """Places for the rows of all samples, zeros until written; their room is taken unless few come (`sparse`)."""
        with replacing(self.root / file) as stream:
            write_zeros(stream, "<f4", shape, sparse=sparse)

    def write_rows(self, file: Rows, ids: np.ndarray, rows: np.ndarray) -> None:
        """Put rows (n, D) into their places `ids` of a file that was reserved, and on disk."""
        with open(self.root / file, "r+b") as stream:
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            start = stream.tell()
            content = np.ascontiguousarray(rows, dtype=np.float32)
            breaks = np.flatnonzero(np.diff(ids) != 1) + 1  # consecutive ids are written together
            for first, stretch in zip([0, *breaks], np.split(content, breaks), strict=True):
                if len(stretch):
                    stream.seek(start + int(ids[first]) * content.strides[0])
                    stream.write(stretch.data)
            flush(stream)

    def _check_rows(self, rows: int, record: RunRecord) -> None:
        if rows != record.samples:
            raise RuntimeError(f"run {self.name} has {rows} rows for {record.samples} images")

"""Measures every image of a dataset in one pass and groups near duplicates."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.curate.annotations import annotate
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.quality import SHARD, QualityFolder, QualityRecord
from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, versions
from avhcurate.errors import CurateError
from avhcurate.images.decoding import (
    BrokenImage,
    ImageHeader,
    decode,
    fitted,
    format_of_suffix,
    read_header,
    square_luma,
)
from avhcurate.images.measures import (
    HASH_SIDE,
    OF_PIXELS,
    SIDE,
    TURNS,
    UNIFORM,
    measure_pixels,
    perceptual_hash,
    turned_hashes,
)
from avhcurate.neighbours.service import find_neighbours
from avhcurate.quality import duplicates
from avhcurate.quality.duplicates import BITS
from avhcurate.scoring.shards import LOCAL, Engine, ShardResult, Step, work_through
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters

#: The tag that an excluded copy gets.
TAG = "duplicate"
#: Encoded images held at a time.
_BATCH = 32

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64()),
        *(pa.field(key, pa.float64()) for key in OF_PIXELS),
        *(pa.field(key, pa.int32()) for key in ("width", "height")),
        pa.field("aspect", pa.float64()),
        pa.field("file_bytes", pa.int64()),
        pa.field("phash", pa.uint64()),
        *(pa.field(f"phash_{turn}", pa.uint64()) for turn in TURNS),
        pa.field("sha256", pa.string()),
        pa.field("oddity", pa.string()),
        pa.field("problem", pa.string()),
    ]
)


def measure_dataset(
    workspace: Workspace,
    name: str,
    model: str | None = None,
    *,
    hashes: bool = True,
    near: float | None = None,
    bits: int = BITS,
    upright: bool = False,
    engine: Engine = LOCAL,
    progress: Progress = SILENT,
) -> QualityFolder:
    """Measures the images of dataset `name` and groups near duplicates; returns the complete folder.

    Duplicates have equal bytes, hashes that differ in at most `bits` bits (unless `hashes` is False), also mirrored or
    turned with half as many (unless `upright`), or, where a model has scored the dataset, embeddings of at least cosine
    `near`; None reads that off the run itself (see `quality.duplicates.similarity_cut`). `model` names a run or a model
    (None: the newest complete run).

    The same call again resumes; measured images are not read again, so that another `near` or run only repeats the
    search. `engine` is where images are measured. `progress` counts images measured, then images compared. Raises
    Cancelled when asked to stop, and CurateError for mistakes of the user's.
    """
    if near is not None and not 0 < near <= 1:
        raise CurateError(f"--near {near:g}: give a cosine above 0 and up to 1, such as 0.98")
    dataset = workspace.dataset(name)
    run = dataset.run(model) if model or any(run.complete for run in dataset.runs()) else None
    if run and not run.complete:
        raise CurateError(f"the run {run.name} is not finished: run `avhcurate score {name} ...` again to resume it")
    if run and not run.has_features:  # probabilities cannot tell near duplicates apart
        run = None
    folder = dataset.quality
    work = _Measuring(dataset, folder, dataset.record.samples, progress)
    with folder.alone():
        _begin(folder, dataset, hashes)
        if not folder.complete:
            # As the shards before it, whatever this search needs.
            work.measure(engine, folder.record.hashes)
            work.finish()
        work.group(run, hashes=hashes, upright=upright, near=near, bits=bits)
    return folder


def _begin(folder: QualityFolder, dataset: DatasetFolder, hashes: bool) -> None:
    """Keeps earlier measures unless the dataset has changed, or hashes, turned ones too, or a plugin's are missing."""
    fingerprint, samples = dataset.record.fingerprint, dataset.record.samples
    if folder.begun:
        record = folder.record
        hashed = record.hashes and record.turned
        changed = record.dataset_fingerprint != fingerprint
        if changed or (hashes and not hashed) or not folder.has_columns(OF_PIXELS):
            folder.clear()
    if not folder.begun:
        used, started = versions("numpy", "scipy", "pillow"), now()
        folder.write_record(
            QualityRecord(
                dataset_fingerprint=fingerprint,
                samples=samples,
                hashes=hashes,
                turned=hashes,
                versions=used,
                started=started,
            )
        )


# --- one image ---------------------------------------------------------------------------------------------------


def examine(encoded: bytes | BrokenImage, path: str, *, hashed: bool = True) -> dict[str, Any]:
    """The row of one image: its measures, or its `problem`. Raises CurateError where a plugin's measure fails on it:
    what is measured is kept, and once that is corrected the same call goes on.
    """
    if isinstance(encoded, BrokenImage):
        return {"problem": encoded.reason}
    row: dict[str, Any] = {"file_bytes": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}
    try:
        rgb = decode(encoded)
        header = read_header(encoded)
    except BrokenImage as broken:
        return row | {"problem": broken.reason}
    # Out of memory, say: one image must never end a pass over a million.
    except Exception as error:
        return row | {"problem": f"cannot be measured: {type(error).__name__}"}
    width, height = header.width, header.height
    small = fitted(rgb, SIDE)
    try:
        row |= measure_pixels(small) | {"width": width, "height": height, "aspect": width / height}
    except CurateError as error:
        raise CurateError(f"{path}: {error}") from None
    row["oddity"] = _oddity(header, path)
    if hashed:
        grey = square_luma(small, HASH_SIDE)
        turned = {f"phash_{turn}": value for turn, value in turned_hashes(grey).items()}
        row |= {"phash": perceptual_hash(grey), **turned}
    return row


def _large(measured: pd.DataFrame) -> pd.Series:
    """Whether an image is large enough for a meaningful hash: not smaller than the square that is hashed."""
    return measured[["width", "height"]].min(axis=1) >= HASH_SIDE


def _oddity(header: ImageHeader, path: str) -> str | None:
    suffix = PurePosixPath(path).suffix
    claimed = format_of_suffix(suffix)
    odd = [f"{header.format} named {suffix}"] if claimed and claimed != header.format else []
    return "; ".join([*odd, *(["several frames"] if header.animated else [])]) or None


# --- the pass over the images, then the search -------------------------------------------------------------------


def shards_of(samples: int) -> range:
    """The numbers of the shards of so many samples."""
    return range(-(-samples // SHARD))


@dataclass(frozen=True)
class _MeasureWork:
    """Measuring as work for any process."""

    dataset: DatasetFolder
    samples: int
    hashed: bool

    @property
    def shards(self) -> range:
        return shards_of(self.samples)

    def ids_of(self, shard: int) -> range:
        return range(shard * SHARD, min(self.samples, (shard + 1) * SHARD))

    def begin(self) -> Callable[[Sequence[int]], Iterator[Step]]:
        return self._steps

    def _steps(self, shards: Sequence[int]) -> Iterator[Step]:
        ends = np.array([self.ids_of(shards[0])[0], self.ids_of(shards[-1])[-1]])
        paths, first = self.dataset.paths(ends), int(ends[0])
        images = self.dataset.images(ends).read(id for shard in shards for id in self.ids_of(shard))
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for shard in shards:
                started, rows = time.perf_counter(), list[dict[str, Any]]()
                ids = self.ids_of(shard)
                for start in range(0, len(ids), _BATCH):
                    part = ids[start : start + _BATCH]
                    encoded = [next(images) for _ in part]
                    rows += pool.map(
                        lambda one, id: examine(one, paths[id - first], hashed=self.hashed) | {"id": id}, encoded, part
                    )
                    if len(rows) < len(ids):
                        yield Step(len(part))
                table = pa.Table.from_pylist(rows, schema=_SCHEMA)
                yield Step(len(part), ShardResult(shard, table, time.perf_counter() - started))


@dataclass(frozen=True)
class _Measuring:
    """Measuring under way: two steps a sample, to measure it and to compare it."""

    dataset: DatasetFolder
    folder: QualityFolder
    samples: int
    progress: Progress

    def measure(self, engine: Engine, hashed: bool) -> None:
        """Every shard that is not committed."""
        work = _MeasureWork(self.dataset, self.samples, hashed)
        work_through(work, self.folder, engine, commit=self._commit, tell=partial(self._tell, message="measuring"))

    def _commit(self, result: ShardResult) -> None:
        self.folder.write_shard(result.shard, result.rows, seconds=result.seconds)

    def finish(self) -> None:
        """One table of all shards, and the record."""
        self.dataset.refuse_another_import(self.folder.record.dataset_fingerprint, again="measure it again")
        shards = shards_of(self.samples)
        tables = [self.folder.shard(shard) for shard in shards]
        seconds = sum(map(self.folder.shard_seconds, shards))
        skipped = sum(len(table) - table["problem"].null_count for table in tables)
        rate = round(self.samples / seconds, 2) if seconds else None
        self.folder.finish(tables, {"finished": now(), "seconds": round(seconds, 3), "rate": rate, "skipped": skipped})

    def group(self, run: RunFolder | None, *, hashes: bool, upright: bool, near: float | None, bits: int) -> None:
        """Pairs of near duplicates, their groups, and the columns that the sample table takes over."""
        settings = {
            "run": run.name if run else None,
            "near": near,
            "bits": bits if hashes else None,
            "upright": upright,
        }
        record = self.folder.record
        same = settings == {key: getattr(record, key) for key in settings}
        if same and record.grouped and self.folder.columns_path.exists():
            self.progress.report(2 * self.samples, 2 * self.samples, "complete already")
            return
        measured = self.folder.measures()
        pairs_by = {"bytes": duplicates.equal_pairs(measured["sha256"])}
        if hashes:
            clear = np.flatnonzero(measured["phash"].notna() & (measured["contrast"] >= UNIFORM) & _large(measured))
            hashed = measured["phash"].iloc[clear].to_numpy(np.uint64)
            pairs_by["hash"] = clear[duplicates.hash_pairs(hashed, bits=bits)]
            if not upright:
                turned = measured[[f"phash_{turn}" for turn in TURNS]].iloc[clear].to_numpy(np.uint64)
                pairs_by["turned"] = clear[duplicates.turned_pairs(hashed, turned, bits=bits // 2)]
        similarity, nearest = near, np.full(self.samples, np.nan)
        if run:
            graph = find_neighbours(self.dataset, run, progress=self.progress.through(self._compared))
            cosines = np.cos(graph.angles()[:, : duplicates.NEIGHBOURS], dtype=np.float64)
            nearest = cosines[:, 0]
            similarity = duplicates.similarity_cut(cosines) if near is None else near
            pairs_by["embedding"] = duplicates.near_pairs(graph.near(), cosines, similarity)
        frames = [pd.DataFrame(rows, columns=["first", "second"]).assign(how=how) for how, rows in pairs_by.items()]
        pairs = pd.concat(frames).drop_duplicates(["first", "second"])  # keeps the strongest reason
        group = duplicates.groups(self.samples, pairs[["first", "second"]].to_numpy())
        hash_columns = ["phash", *(f"phash_{turn}" for turn in TURNS)]
        columns = measured.drop(columns=[*hash_columns, "sha256"]).assign(
            nearest_similarity=nearest, duplicate_group=pd.Series(group, dtype="Int64").where(group > 0)
        )
        # If interrupted from here on, the columns may be of this search and the record of the last one.
        self.folder.write_record(record.model_copy(update={"grouped": None}))
        self.folder.write_groups(
            pa.Table.from_pandas(columns, preserve_index=False), pa.Table.from_pandas(pairs, preserve_index=False)
        )
        changes = {"grouped": now(), "similarity": similarity if run else None, "groups": int(group.max(initial=0))}
        self.folder.write_record(record.model_copy(update=settings | changes))
        self.progress.report(2 * self.samples, 2 * self.samples, "")

    def _compared(self, done: int, _: int, message: str) -> None:
        self.progress.report(self.samples + done, 2 * self.samples, message)

    def _tell(self, done: int, message: str) -> None:
        self.progress.tell(done, 2 * self.samples, message)


# --- results -----------------------------------------------------------------------------------------------------

#: Ways of finding pairs, the surest first, and what they say of a pair.
HOW = {
    "bytes": "same bytes",
    "hash": "same image by hash",
    "turned": "mirrored or turned, by hash",
    "embedding": "similar by embedding",
}


@dataclass(frozen=True)
class Duplicates:
    """Groups that have two members or more in view, leaks first, then conflicts, then the largest.

    `groups`: `group, n, leak, conflict, how`, where how is the weakest way needed to connect the group. `members`: a
    row a member in that order, `group, id, split, label_name, excluded, pixels, sharpness, keep`.
    """

    groups: pd.DataFrame
    members: pd.DataFrame

    def of(self, groups: Sequence[int]) -> pd.DataFrame:
        """The members of some groups."""
        return self.members[self.members["group"].isin(groups)]

    @property
    def extra(self) -> list[int]:
        """Ids of all members but those to keep."""
        return self.members["id"][~self.members["keep"]].tolist()


def find_duplicates(table: DatasetTable, filters: Filters | None = None) -> Duplicates:
    """The groups with a member that satisfies `filters`; members that are excluded count only where filters show them.

    `leak`: members in different splits; `conflict`: members of different labels, corrections included.
    """
    folder = ready(table)
    filters = filters or Filters()
    of_id = pd.read_parquet(folder.columns_path, columns=["id", "duplicate_group", "width", "height", "sharpness"])
    of_id = of_id.dropna(subset="duplicate_group").set_index("id")
    in_view = table.frame(filters, columns=["id"])["id"]
    wanted = of_id["duplicate_group"][of_id.index.isin(in_view)].unique()
    of_id = of_id[of_id["duplicate_group"].isin(wanted)]
    shown = Filters(excluded=None if filters.excluded is not False else False, ids=tuple(of_id.index.tolist()))
    decided = table.frame(shown, columns=["id", "split", "curated_label", "curated_label_name", "excluded"])
    names = {"duplicate_group": "group", "curated_label_name": "label_name"}
    members = decided.join(of_id, on="id").rename(columns=names)
    members["group"] = members["group"].astype(int)
    members["pixels"] = (members["width"] * members["height"]).fillna(0)
    members = members[members.groupby("group")["id"].transform("size") > 1]
    by_group = members.groupby("group")
    groups = by_group.size().to_frame("n")
    groups["leak"], groups["conflict"] = by_group["split"].nunique() > 1, by_group["curated_label"].nunique() > 1
    groups["how"] = _weakest(folder, of_id["duplicate_group"]).reindex(groups.index)
    groups = groups.reset_index().sort_values(
        ["leak", "conflict", "n", "group"], ascending=[False, False, False, True], ignore_index=True
    )
    place = members["group"].map(pd.Series(groups.index, groups["group"]))
    members = members.assign(keep=duplicates.keepers(members), _place=place).sort_values(
        ["_place", "keep", "id"], ascending=[True, False, True], ignore_index=True
    )
    kept = ["group", "id", "split", "label_name", "excluded", "pixels", "sharpness", "keep"]
    return Duplicates(groups, members[kept])


def _weakest(folder: QualityFolder, group_of: pd.Series) -> pd.Series:
    """By group, the first of `HOW` whose pairs, with those before it, connect all of it; `group_of` by id."""
    pairs, taken = folder.pairs(), np.empty((0, 2), np.int64)
    weakest = pd.Series(None, group_of.unique(), dtype=object)
    for how in HOW:
        taken = np.concatenate([taken, pairs.loc[pairs["how"] == how, ["first", "second"]].to_numpy(np.int64)])
        part = pd.Series(duplicates.groups(folder.record.samples, taken)[group_of.index], group_of.index)
        least, most = (part.groupby(group_of).agg(end) for end in ("min", "max"))
        weakest[weakest.isna() & ((least == most) & (least > 0)).reindex(weakest.index)] = how
    return weakest


def keep_one(table: DatasetTable, members: pd.DataFrame, *, who: str = "") -> int:
    """Excludes, and tags `TAG`, all `members` of groups but those to keep; one entry, undone in one step.

    For those to keep see `quality.duplicates.keepers`. Returns how many were excluded; refused where none is left.
    """
    ids = members["id"][~members["keep"] & ~members["excluded"]].tolist()
    if not ids:
        raise CurateError("the other copies are excluded already: there is nothing to do")
    return annotate(table, ids, "exclude", TAG, who=who)


def ready(table: DatasetTable) -> QualityFolder:
    """The measures of the table's dataset; refused where there are none."""
    folder, record = table.dataset.quality, table.dataset.record
    if not folder.ready(record.fingerprint):
        raise CurateError(f"the images of {record.name} are not measured yet: run `avhcurate quality {record.name}`")
    return folder


def summarise(table: DatasetTable, filters: Filters | None = None) -> pd.DataFrame:
    """A row a measure: `measure, n`, its 1, 50 and 99 % quantiles and ends, over the samples in view."""
    values = table.frame(filters or Filters(), columns=["id", *table.measures])[list(table.measures)].astype(float)
    ends = values.quantile([0, 0.01, 0.5, 0.99, 1]).T.set_axis(["min", "q01", "median", "q99", "max"], axis=1)
    ends.insert(0, "n", values.count())
    return ends.rename_axis("measure").reset_index()


def measures_table(table: DatasetTable) -> pd.DataFrame:
    """The measures of every sample, as files have them."""
    ready(table)
    return table.frame(columns=["id", "path", "split", "label_name", *table.measured, "problem"])

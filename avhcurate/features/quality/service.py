"""Measure every image of a dataset in one pass, and group near duplicates."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import finished_run
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Run
from avhcurate.features.quality import duplicates, study
from avhcurate.features.quality.measuring import examine
from avhcurate.networks.neighbours.service import SEARCH_SECONDS, find_neighbours
from avhcurate.networks.scoring.accuracy import Accuracy
from avhcurate.networks.scoring.shards import LOCAL, Engine, ShardResult, Step, work_through
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.quality import SHARD, QualityFolder, QualityRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions
from avhcurate.workspace.images.decoding import DRAFT
from avhcurate.workspace.images.measures import OF_PIXELS
from avhcurate.workspace.images.pixels import HASHES

#: The tag that an excluded copy gets.
TAG = "duplicate"
#: Encoded images held at a time.
_BATCH = 32
_SCHEMA = pa.schema(
    {"id": pa.int64()}
    | dict.fromkeys(OF_PIXELS, pa.float64())
    | {"width": pa.int32(), "height": pa.int32(), "aspect": pa.float64(), "file_bytes": pa.int64()}
    | dict.fromkeys(HASHES, pa.uint64())
    | {"sha256": pa.string(), "oddity": pa.string(), "problem": pa.string()}
)


def measure_dataset(
    workspace: Workspace,
    name: str,
    model: str | None = None,
    *,
    near: float | None = None,
    upright: bool = False,
    engine: Engine = LOCAL,
    progress: Progress = SILENT,
) -> QualityFolder:
    """Measure the images of dataset `name` and group near duplicates; return the complete folder.

    Duplicates have equal bytes, hashes that differ in at most `BITS` bits, also mirrored or turned with half as many
    (unless `upright`), or, if a model has scored the dataset, embeddings of at least cosine `near`; None derives it
    from the run (see `quality.duplicates.similarity_cut`). `model` names a run or a model (None: the default one).

    The same call again resumes; measured images are not read again, so that another `near` or run only repeats the
    search. `engine` is where images are measured. `progress` counts images measured, then images compared. Raises
    Cancelled when asked to stop, and CurateError for mistakes of the user's.
    """
    dataset = workspace.dataset(name)
    run = finished_run(dataset, model)
    if run and not run.has_features:  # probabilities cannot distinguish near duplicates
        run = None
    folder = dataset.quality
    record = dataset.record
    with folder.alone():
        # Earlier measures count where they are of this import, have those of every plugin, and are all of one kind.
        if folder.begun and not (
            folder.record.dataset_fingerprint == record.fingerprint
            and folder.has_columns(OF_PIXELS)
            and (folder.complete or folder.record.draft == DRAFT)
        ):
            folder.clear()
        if not folder.begun:
            folder.write_record(
                QualityRecord(
                    dataset_fingerprint=record.fingerprint,
                    samples=record.samples,
                    draft=DRAFT,
                    versions=versions("numpy", "scipy", "pillow"),
                    started=now(),
                )
            )
        stages = progress.stages({"images": 0.0, "groups": 0.5 + SEARCH_SECONDS * record.samples})
        if not folder.complete:
            _measure(dataset, folder, record.samples, engine, stages.begin("images"))
        _group(dataset, folder, run, near, upright, stages.begin("groups"))
    return folder


@dataclass(frozen=True)
class _MeasureWork:
    """Measuring as work for any process."""

    dataset: DatasetFolder
    samples: int
    shard_size: int

    @property
    def shards(self) -> range:
        return range(-(-self.samples // self.shard_size))

    def ids_of(self, shard: int) -> range:
        return range(shard * self.shard_size, min(self.samples, (shard + 1) * self.shard_size))

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        return self._steps

    def _steps(self, runs: Iterable[Sequence[int]]) -> Iterator[Step]:
        for shards in runs:
            yield from self._run(shards)

    def _run(self, shards: Sequence[int]) -> Iterator[Step]:
        ends = np.array([self.ids_of(shards[0])[0], self.ids_of(shards[-1])[-1]])
        paths = self.dataset.paths(ends)
        first = int(ends[0])
        images = self.dataset.images(ends).read(id for shard in shards for id in self.ids_of(shard))
        threads = min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            for shard in shards:
                started = time.perf_counter()
                rows = list[dict[str, Any]]()
                ids = self.ids_of(shard)
                for start in range(0, len(ids), _BATCH):
                    part = ids[start : start + _BATCH]
                    encoded = [(next(images), paths[id - first]) for id in part]
                    share = -(-len(part) // threads)
                    measured = pool.map(examine, [encoded[at : at + share] for at in range(0, len(part), share)])
                    rows += [row | {"id": id} for id, row in zip(part, chain.from_iterable(measured), strict=True)]
                    if len(rows) < len(ids):
                        yield Step(len(part))
                table = pa.Table.from_pylist(rows, schema=_SCHEMA)
                yield Step(len(part), ShardResult(shard, table, time.perf_counter() - started))


def _measure(dataset: DatasetFolder, folder: QualityFolder, samples: int, engine: Engine, progress: Progress) -> None:
    """Measure every shard that is not on disk, then write one table of all shards, and the record."""
    work = _MeasureWork(dataset, samples, SHARD)
    work_through(
        work,
        folder.has_shard,
        engine,
        commit=lambda result: folder.write_shard(result.shard, result.rows, seconds=result.seconds),
        tell=lambda done: progress.tell(done, samples, "measuring"),
    )
    dataset.refuse_another_import(folder.record.dataset_fingerprint, again="measure it again")
    tables = [folder.shard(shard) for shard in work.shards]
    seconds = sum(map(folder.shard_seconds, work.shards))
    skipped = sum(len(table) - table["problem"].null_count for table in tables)
    changes = {"finished": now(), "seconds": round(seconds, 3), "skipped": skipped}
    folder.finish(tables, changes | {"rate": round(samples / max(seconds, 1e-9), 2)})


def _group(
    dataset: DatasetFolder,
    folder: QualityFolder,
    run: RunFolder | None,
    near: float | None,
    upright: bool,
    progress: Progress,
) -> None:
    """Find pairs of near duplicates and their groups, and write the columns that the sample table reads."""
    record = folder.record
    samples = record.samples
    changes: dict[str, Any] = {"run": run and run.name, "near": near, "upright": upright}
    if record.grouped and changes.items() <= dict(record).items() and folder.columns_path.exists():
        progress.report(samples, samples, "complete already")
        return
    measured = folder.measures()
    near_ids = cosines = None
    if run:
        graph = find_neighbours(dataset, run, progress=progress)
        near_ids = graph.near()
        cosines = np.cos(graph.angles()[:, : duplicates.NEIGHBOURS], dtype=np.float64)
    found = study.copies(measured, near_ids, cosines, near=near, upright=upright)
    changes["similarity"] = found.similarity
    columns = measured.drop(columns=[*HASHES, "sha256"]).assign(
        nearest_similarity=found.nearest,
        duplicate_group=pd.Series(found.groups, dtype="Int64").where(found.groups > 0),
    )
    # If interrupted from here on, the columns may be of this search and the record of the last one.
    folder.write_record(record.model_copy(update={"grouped": None}))
    folder.write_groups(columns, found.pairs)
    changes |= {"grouped": now(), "groups": int(found.groups.max(initial=0))}
    folder.write_record(record.model_copy(update=changes))
    progress.report(samples, samples, "")


@dataclass(frozen=True)
class Duplicates:
    """Groups that have two members or more in view, leaks first, then conflicts, then the largest.

    `groups`: `group, n, leak, conflict, how`, where how names the ways in which its pairs were found, the most certain
    first. `members`: a row a member in that order, `group, id, split, label_name, excluded, pixels, sharpness, keep`.
    """

    groups: pd.DataFrame
    members: pd.DataFrame

    def of(self, groups: Sequence[int] | pd.Series) -> pd.DataFrame:
        """Return the members of some groups."""
        return self.members[self.members["group"].isin(groups)]

    @property
    def extra(self) -> list[int]:
        """Ids of all members but those to keep."""
        return self.members["id"][~self.members["keep"]].tolist()


def find_duplicates(samples: SampleTable, dataset: DatasetFolder, filters: Filters | None = None) -> Duplicates:
    """Return the groups with a member that satisfies `filters`; excluded members count only if filters show them.

    `leak`: members in different splits; `conflict`: members of different labels, corrections included.
    """
    folder = ready(dataset)
    filters = filters or Filters()
    of_id = pd.read_parquet(folder.columns_path, columns=["id", "duplicate_group", "width", "height", "sharpness"])
    of_id = of_id.dropna(subset="duplicate_group").rename(columns={"duplicate_group": "group"}).astype({"group": int})
    in_view = of_id["id"].isin(samples.frame(filters, columns=["id"])["id"])
    of_id = of_id[of_id["group"].isin(of_id["group"][in_view])]
    shown = Filters(excluded=None, ids=tuple(of_id["id"].tolist()))
    if filters.excluded is False:
        shown = shown.with_(excluded=False)
    curated = samples.frame(shown, columns=["id", "split", "curated_label", "curated_label_name", "excluded"])
    members = curated.merge(of_id, on="id").rename(columns={"curated_label_name": "label_name"})
    members["pixels"] = (members["width"] * members["height"]).fillna(0)
    members = members[members.groupby("group")["id"].transform("size") > 1]
    groups = members.groupby("group").agg(
        n=("id", "size"), leak=("split", "nunique"), conflict=("curated_label", "nunique")
    )
    groups[["leak", "conflict"]] = groups[["leak", "conflict"]] > 1
    pairs = folder.pairs().merge(of_id, left_on="first", right_on="id").drop_duplicates(["group", "how"])
    groups = groups.join(pairs.groupby("group")["how"].agg(", ".join)).reset_index()
    groups = groups.sort_values(
        ["leak", "conflict", "n", "group"], ascending=[False, False, False, True], ignore_index=True
    )
    rank = members["group"].map(pd.Series(groups.index, groups["group"]))
    members = members.assign(keep=duplicates.keepers(members), _rank=rank).sort_values(
        ["_rank", "keep", "id"], ascending=[True, False, True], ignore_index=True
    )
    columns = ["group", "id", "split", "label_name", "excluded", "pixels", "sharpness", "keep"]
    return Duplicates(groups, members[columns])


#: Of each split outside the training split: images with and without a near duplicate in this, and how they are judged.
_TWINS = """
WITH learnt AS (SELECT duplicate_group FROM samples WHERE NOT excluded AND starts_with(lower(split), 'train'))
SELECT split, coalesce(duplicate_group IN (SELECT duplicate_group FROM learnt), FALSE) AS twin, count(*),
  count(*) FILTER (label IS NOT NULL AND predicted IS NOT NULL), count(*) FILTER (label = predicted)
FROM samples WHERE NOT excluded AND NOT starts_with(lower(split), 'train') AND EXISTS (FROM learnt) GROUP BY ALL
"""


def leaks(samples: SampleTable, dataset: DatasetFolder) -> list[str]:
    """Return in a sentence for each split beside a training split how many of its images have a near duplicate in that,
    and accuracy with and without them; refused where nothing has looked for copies.
    """
    ready(dataset)
    rows = pd.DataFrame(samples.query(_TWINS), columns=["split", "twin", "n", "judged", "right"])
    return [_leak(str(split), part, len(samples.classes)) for split, part in rows.groupby("split")]


def _leak(split: str, rows: pd.DataFrame, num_classes: int) -> str:
    alone = rows[~rows["twin"]]
    n = rows["n"].sum()
    twins = n - alone["n"].sum()
    text = f"{twins:,} of {n:,} images of {split} have a copy in the training split."
    whole, apart = (
        Accuracy(int(part["judged"].sum()), int(part["right"].sum()), num_classes) for part in (rows, alone)
    )
    if not twins or not whole.n:
        return text
    return f"{text} With them: {whole}. Without: {apart}."


def keep_one(decisions: Decisions, members: pd.DataFrame) -> int:
    """Exclude, and tag `TAG`, all `members` of groups but those to keep; one entry, undone in one step.

    For those to keep see `quality.duplicates.keepers`. Returns how many were excluded; refused if there is none.
    """
    ids = members["id"][~members["keep"] & ~members["excluded"]].tolist()
    if not ids:
        raise CurateError("The other copies are excluded already.")
    return annotate(decisions, ids, "exclude", TAG)


def ready(dataset: DatasetFolder) -> QualityFolder:
    """Return the measures of the table's dataset; refused if there are none."""
    folder = dataset.quality
    record = dataset.record
    if not folder.ready(record.fingerprint):
        raise CurateError(f"The images of {record.name} are not measured yet.", fix=Run("quality", record.name))
    return folder


def summarise(samples: SampleTable, filters: Filters | None = None) -> pd.DataFrame:
    """Return a row a measure: `measure, count, mean, std, min, 1%, 50%, 99%, max`, over the samples in view."""
    values = samples.frame(filters or Filters(), columns=["id", *samples.measures])[list(samples.measures)].astype(
        float
    )
    return values.describe(percentiles=[0.01, 0.5, 0.99]).T.rename_axis("measure").reset_index()


def measures_table(samples: SampleTable, dataset: DatasetFolder) -> pd.DataFrame:
    """Return the measures of every sample, as files have them."""
    ready(dataset)
    return samples.frame(columns=["id", "path", "split", "label_name", *samples.measured, "problem"])

"""Curated labels as files that other tools read: one table, or a folder in the layout of a tool."""

import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.data.people import Role, require
from avhcurate.disk.files import safe_name
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import versions
from avhcurate.errors import CurateError
from avhcurate.export.cleanlab import write_cleanlab
from avhcurate.export.coco import write_coco
from avhcurate.export.columns import Chosen
from avhcurate.export.fiftyone import write_fiftyone
from avhcurate.export.hub import write_hf
from avhcurate.export.images import write_folder
from avhcurate.export.label_studio import write_label_studio
from avhcurate.export.output import atomic_output
from avhcurate.export.packs import pack, write_packed
from avhcurate.export.tabular import write_csv, write_jsonl, write_parquet
from avhcurate.plugins import checked_function, load
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.empty_view import empty_view
from avhcurate.table.filters import Filters

#: Writers by format; those that may leave samples out return how many.
FORMATS: dict[str, Callable[[DatasetTable, Chosen, Path], int | None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "folder": write_folder,
    "hf": write_hf,
    "fiftyone": write_fiftyone,
    "label-studio": write_label_studio,
    "cleanlab": write_cleanlab,
    "coco": write_coco,
}


#: A folder for a download is packed in memory, up to so many bytes.
MOST_BYTES = 512 << 20


def _written(left_out: int | None, table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """How many samples a plugin's function says that it left out; raises where it wrote nothing, or says no number."""
    if not path.exists():
        raise FileNotFoundError("it wrote nothing at the path that it was given")
    return index(0 if left_out is None else left_out)


FORMATS.update(load("exports", checked_function("exports", _written), taken=FORMATS))

#: Formats whose result is a folder; a plugin's function says so by its attribute `folder`.
FOLDERS = (
    *("folder", "hf", "fiftyone", "label-studio", "cleanlab", "coco"),
    *(format for format, write in FORMATS.items() if getattr(write, "folder", False)),
)


def export(
    table: DatasetTable,
    filters: Filters,
    format: str,
    out: Path,
    *,
    force: bool = False,
    only: Sequence[int] | None = None,
    order: np.ndarray | None = None,
    image_prefix: str | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> int:
    """Writes the samples that satisfy `filters` (or those of `only`, by id) to a place on this machine, for curators.

    Returns how many were written.

    What a format cannot hold is left out and counted in the manifest: images that cannot be read, and for cleanlab
    samples without label or prediction. Samples come by id, or in the order of the ids `order`; those that it does
    not have come last. `image_prefix`, for label-studio, comes before each image's path.
    `about`: more for the manifest.

    A folder whose `out` ends in .zip is packed into that file, within a job with `progress`.

    The manifest is `OUT.manifest.json`, or `manifest.json` within a folder. An existing export is refused unless
    `force`, and replaced when the new one is complete. A folder that is not an export is never replaced.
    """
    require(Role.CURATOR, "writing files on the server")

    def write(out: Path) -> int:
        return _export(table, filters, format, out, force, only, order, image_prefix, about)

    if format in FOLDERS and out.suffix.casefold() == ".zip":
        return write_packed(write, out, force=force, progress=progress)
    return write(out)


def _export(
    table: DatasetTable,
    filters: Filters,
    format: str,
    out: Path,
    force: bool,
    only: Sequence[int] | None,
    order: np.ndarray | None,
    image_prefix: str | None,
    about: Mapping[str, Any] | None,
) -> int:
    if format not in FORMATS:
        raise CurateError(f"no format is called {format}: choose from {', '.join(FORMATS)}")
    if image_prefix is not None and format != "label-studio":
        raise CurateError(f"an image prefix is for label-studio, not for {format}: leave it out")
    if only is not None:
        filters = Filters(excluded=None, ids=tuple(int(id) for id in only))
    count = table.count(filters)
    if not count:
        nothing = "no sample satisfies the filters, so there is nothing to export: widen them"
        raise empty_view(table, filters, nothing, instead=", or export with --with-excluded")
    with atomic_output(out, folder=format in FOLDERS, force=force) as output:
        write = partial(write_label_studio, image_prefix=image_prefix) if image_prefix else FORMATS[format]
        left_out = write(table, Chosen(filters, order), output.path) or 0
        table.present_name()  # after an import the images would be those of others
        output.manifest |= describe_export(table, filters, format, count - left_out) | {"left_out": left_out}
        output.manifest |= about or {}
    return count - left_out


def export_bytes(
    table: DatasetTable,
    filters: Filters,
    format: str,
    *,
    only: Sequence[int] | None = None,
    order: Callable[[], np.ndarray] | None = None,
) -> bytes:
    """The same as a file's content, for a download; a folder is packed as ZIP, images and all.

    `order` gives the ids in their order when it is called.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / (f"export.{format}" if format not in FOLDERS else f"{safe_name(table.dataset.name)}")
        _export(table, filters, format, out, False, only, order() if order else None, None, None)
        return zipped(out, most=MOST_BYTES) if out.is_dir() else out.read_bytes()


def zipped(folder: Path, *, most: int | None = None) -> bytes:
    """A folder with all its files as ZIP; `CurateError` where they have more than `most` bytes."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if most is not None and size > most:
        raise CurateError(f"the files have {size >> 20} MiB, and a download at most {most >> 20}: choose fewer samples")
    stream = io.BytesIO()
    pack(folder, stream, SILENT)
    return stream.getvalue()


def describe_export(table: DatasetTable, filters: Filters, format: str, count: int) -> dict[str, Any]:
    """Where an export comes from: dataset, model, filters, votes and whether they are simulated, time."""
    record, run, votes = table.dataset.record, table.run.record if table.run else None, table.votes
    return {
        "format": format,
        "samples": count,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "filters": filters.to_query(),
        "hsf_edges": list(table.edges),
        "classes": list(table.classes),
        "model": run.model if run else None,
        "run": run.name if run else None,
        "weights_sha256": run.weights_sha256 if run else None,
        "training": table.training.name if table.training else None,
        "votes": votes.model_dump(mode="json") if votes else None,
        "versions": versions("pyarrow"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }

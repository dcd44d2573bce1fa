"""Export curated labels as files that other tools read: one table, or a folder in the layout of a tool."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from operator import index
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from avhcurate.datasets.curate.certificate import certificate_of
from avhcurate.datasets.curate.second_person import second_person
from avhcurate.datasets.export.images import write_folder, write_hf, write_webdataset, write_yolo
from avhcurate.datasets.export.in_place import write_coco_file, write_label_studio_file
from avhcurate.datasets.export.output import atomic_output
from avhcurate.datasets.export.tabular import ExportSelection, write_csv, write_jsonl, write_parquet
from avhcurate.datasets.export.tools import write_cleanlab, write_coco, write_fiftyone, write_label_studio
from avhcurate.datasets.export.whole import describe_columns_and_splits, describe_images
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, trainings_of
from avhcurate.datasets.table.sample import by_angle
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Option, Text
from avhcurate.plugins import checked_function, load
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.files import safe_name
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import versions
from avhcurate.workspace.disk.remote import check_host, endpoint, words_of

#: Writers by format: each gets what its first parameters name of `PARTS`, then `ExportSelection` and a path; those that
#: may leave samples out return how many they wrote.
FORMATS: dict[str, Callable[..., int | None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "folder": write_folder,
    "yolo": write_yolo,
    "webdataset": write_webdataset,
    "hf": write_hf,
    "fiftyone": write_fiftyone,
    "label-studio": write_label_studio,
    "cleanlab": write_cleanlab,
    "coco": write_coco,
}
#: What a place on the hub begins with: hf:OWNER/NAME, or hf:OWNER/NAME/FILE for one file of it.
HUB = "hf:"
#: A folder for a download is packed in memory, up to this many bytes.
MOST_BYTES = 512 << 20


def _written(left_out: int | None, *given: Any) -> int:
    """Return how many samples a plugin's function wrote; raise if it made no file, or returned no number."""
    *_, selection, path = given
    if not path.exists():
        raise FileNotFoundError("it wrote nothing at the path that it was given")
    missing = index(left_out or 0)
    return int(selection.count) - missing


#: Writers of one file, for a name that ends in .json: the images stay where they lie.
FILES: dict[str, Callable[..., int]] = {
    "coco": write_coco_file,
    "label-studio": write_label_studio_file,
}
#: Endings of files, which no folder should have.
_FILE_ENDINGS = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".tar", ".txt", ".xml")

FORMATS.update(load("exports", checked_function("exports", _written), taken=FORMATS))

#: Formats whose result is a folder; a plugin's function has the attribute `folder`.
FOLDERS = (
    *("folder", "yolo", "webdataset", "hf", "fiftyone", "label-studio", "cleanlab", "coco"),
    *(format for format, write in FORMATS.items() if getattr(write, "folder", False)),
)


def export(
    opened: OpenDataset,
    filters: Filters,
    format: str,
    out: Path,
    *,
    force: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> int:
    """Write the samples that satisfy `filters` to a path on this machine, for curators.

    Returns how many were written. What a format cannot hold is left out and counted in the manifest: images that cannot
    be read, and for cleanlab samples without label or prediction. `options`: `order`, ids in the order of the samples,
    those that it does not have come last; `details`, more for the manifest. Of a table of `confirmed_only` only
    confirmed decisions are written.

    Cancelled, it leaves nothing: `progress` is asked between batches. It counts the files of a folder whose `out` ends
    in .zip, while they are packed into that file. An `out` hf:OWNER/NAME is a repository of the hub, hf:OWNER/NAME/FILE
    one file of it. The manifest is `OUT.manifest.json`, or `manifest.json` within a folder. An existing export is
    refused unless `force`, and replaced when the new one is complete. A folder that is not an export is never replaced.
    COCO and Label Studio are one file where `out` ends in .json: the images stay where they lie.
    """
    require(Role.CURATOR, "writing files on the server")

    write = partial(_export, opened, filters, format, force=force, progress=progress, **options)
    if str(out).startswith(HUB):
        return push(str(out), write, force=force)
    write = partial(write, here=True)
    if format not in FOLDERS or out.suffix.casefold() != ".zip":
        return write(out)
    files.check_free(out, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(out.parent)
    making = files.temporary_name(out)
    try:
        with files.replacing(out) as stream:
            count = write(making / out.stem)
            pack(making / out.stem, stream, progress)
    finally:
        files.remove(making)
    return count


def format_named(out: Path) -> str:
    """Return the format that the ending of a name says, hf for hf:OWNER/NAME; raise CurateError for another ending."""
    if is_repository(str(out)):
        return "hf"
    if (format := out.suffix[1:].casefold()) not in FORMATS:
        raise CurateError(
            f"The name {out.name} does not say its format.",
            fix=f"Give one of {', '.join(FORMATS)} by {Option('format')}",
        )
    return format


def pack(folder: Path, stream: BinaryIO, progress: Progress = SILENT) -> None:
    """Write a folder with all its files as ZIP; a link becomes the file that it leads to."""
    members = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    # Stored, since images do not get smaller; a date before 1980, which ZIP does not have, becomes its first.
    with zipfile.ZipFile(stream, "w", strict_timestamps=False) as archive:
        for number, file in enumerate(members, 1):
            archive.write(file, file.relative_to(folder.parent))
            if number % 100 == 0 or number == len(members):
                progress.tell(number, len(members), "files packed")


def _export(
    opened: OpenDataset,
    filters: Filters,
    format: str,
    out: Path,
    *,
    force: bool = False,
    progress: Progress = SILENT,
    order: np.ndarray | None = None,
    details: dict[str, Any] | None = None,
    here: bool = False,
) -> int:
    """Write an export; `here`: on this machine, so that the manifest says where the images are."""
    write, folder = _writer(format, out)
    count = opened.samples.count(filters)
    if not count:
        nothing = "No image satisfies the filters, so there is nothing to export."
        instead = Text(f", or export with {Option('view', 'excluded=null')}")
        raise empty_view(opened.samples, filters, nothing, instead=instead)
    with atomic_output(out, folder=folder, force=force) as (path, manifest):
        if (written := opened.hand(write, ExportSelection(filters, order, progress, count), path)) is None:
            written = count
        opened.decisions.present_name()  # after an import the images would be those of others
        manifest |= opened.hand(describe_export, filters, format, written)
        manifest |= {"left_out": count - written} | (details or {})
        if here:
            manifest["images"] = describe_images(opened.dataset)
    return written


def _writer(format: str, out: Path) -> tuple[Callable[..., int | None], bool]:
    """Return what writes a format to a path of that name, and whether that is a folder."""
    if format not in FORMATS:
        raise CurateError(f"Unknown format {format}. Choose from {', '.join(FORMATS)}.")
    ending = out.suffix.casefold()
    if format in FILES and ending == ".json":
        return FILES[format], False
    if format in FOLDERS and ending in _FILE_ENDINGS:
        raise CurateError(
            f"{out.name} looks like a file, and {format} is a folder of images and labels.",
            fix=f"Give {Option('out')} a name without {out.suffix}, as {out.stem}",
        )
    return FORMATS[format], format in FOLDERS


def order_of(
    samples: SampleTable,
    run: RunFolder | None,
    filters: Filters,
    query: Mapping[str, str],
    *,
    sort: str | None,
    like: Sequence[int],
) -> np.ndarray | None:
    """Return ids by COLUMN[:asc], by the angle to the nearest of `like`, or as the address `query` orders them.

    None for the order of the dataset.
    """
    if not sort and not like:
        like = [int(id) for id in query.get("gallery.like", "").split(",") if id.isdecimal()]
        if "sort" in query:
            sort = f"{query['sort']}:{query.get('order', 'desc')}"
    if like:
        return by_angle(samples, run, filters, like)[0]
    if sort:
        column = sort.removesuffix(":asc").removesuffix(":desc")
        return samples.order(filters, sort=column, descending=not sort.endswith(":asc"))
    return None


def export_bytes(
    opened: OpenDataset,
    filters: Filters,
    format: str,
    *,
    order: Callable[[], np.ndarray] | None = None,
) -> bytes:
    """Return the same as a file's content, for a download; a folder is packed as ZIP, images and all.

    `order` returns the ids in their order when it is called.
    """
    write = partial(_export, opened, filters, format, order=order and order())
    return content_of(write, safe_name(opened.samples.name))


def content_of(write: Callable[[Path], object], name: str) -> bytes:
    """Return what a function writes to a path of that name; a folder is packed as ZIP, up to `MOST_BYTES`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / name
        write(out)
        if not out.is_dir():
            return out.read_bytes()
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        if size > MOST_BYTES:
            raise CurateError(f"The files have {size >> 20} MiB, a download at most {MOST_BYTES >> 20}.")
        stream = io.BytesIO()
        pack(out, stream)
        return stream.getvalue()


def describe_export(
    decisions: Decisions, votes: Votes, run: RunFolder | None, filters: Filters, format: str, count: int
) -> dict[str, Any]:
    """Return where an export comes from: dataset, model, filters, votes and whether they are simulated, time."""
    dataset = decisions.dataset
    samples = decisions.samples
    record = dataset.record
    of_run = run and run.record
    training = run and trainings_of(dataset, run)[0]
    return {
        "format": format,
        "samples": count,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "entry": samples.entry,
        "filters": filters.to_query(),
        "hsf_edges": list(samples.edges),
        "classes": list(samples.classes),
        **describe_columns_and_splits(samples, dataset, filters),
        "model": of_run and of_run.model,
        "run": of_run and of_run.name,
        "weights_sha256": of_run and of_run.weights_sha256,
        "training": training and training.name,
        "words": list(samples.words),
        "labels_by": samples.labels_by or "import",
        "votes": samples.votes and samples.votes.model_dump(mode="json"),
        **second_person(decisions, votes).describe(samples, filters),
        **_certified(decisions),
        "versions": versions("pyarrow"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _certified(decisions: Decisions) -> dict[str, Any]:
    """Return what the newest certificate says of the labels of the whole dataset; nothing before any look."""
    found = certificate_of(decisions)
    if found is None:
        return {}
    return {"certificate_of_labels": found.result()}


# --- the hub -----------------------------------------------------------------------------------------------------


def is_repository(address: str) -> bool:
    """Return whether an address is that of a whole repository.

    >>> is_repository("hf:org/pets.v2"), is_repository("hf:org/pets/labels.csv"), is_repository("labels.csv")
    (True, False, False)
    """
    return address.startswith(HUB) and address.count("/") == 1


def push(address: str, write: Callable[[Path], int], *, force: bool) -> int:
    """Send what `write` makes to the hub as one commit, and return what it returns; a new repository is private.

    Raises CurateError for a repository or file that is there, unless `force`: then the commit replaces its data.
    """
    from huggingface_hub import HfApi, get_token

    parts = address.removeprefix(HUB).split("/")
    # No part leads elsewhere, as .. does.
    if len(parts) < 2 or not all(part.strip(".") and part.isprintable() for part in parts):
        raise CurateError(f"{address} is not a place on the hub. Write hf:OWNER/NAME, or hf:OWNER/NAME/FILE.")
    check_host(endpoint())
    api = HfApi(endpoint=endpoint(), token=get_token())
    repository = "/".join(parts[:2])
    file = "/".join(parts[2:])
    with tempfile.TemporaryDirectory() as folder:
        sent = Path(folder) / parts[-1]
        with _answers(address):
            exists = api.repo_exists(repository, repo_type="dataset")
            if exists and file:
                exists = api.file_exists(repository, file, repo_type="dataset")
        if exists and not force:
            raise files.taken(address)
        count = write(sent)
        within = ""
        if file:  # with its manifest
            sent = Path(folder)
            within = str(PurePosixPath(file).parent)
        with _answers(address):
            api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
            api.upload_folder(
                repo_id=repository,
                repo_type="dataset",
                folder_path=sent,
                path_in_repo=within,
                delete_patterns=None if file else "data/*",
                commit_message="Curated labels by AVH Curate",
            )
    return count


@contextmanager
def _answers(address: str) -> Iterator[None]:
    """Say in one line what the hub did not do."""
    try:
        yield
    except Exception as problem:  # the hub's library uses one of several clients
        raise CurateError(
            f"{address} could not be written at {endpoint()} ({words_of(problem)}). Check the network, and sign in by "
            "`hf auth login` or set HF_TOKEN to a token that may write."
        ) from problem

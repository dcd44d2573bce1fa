"""Exports of ours as sources: what went out comes back, as far as the format holds it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.brought import Brought, by_tag
from avhcurate.datasets.sources.manifest import absolute_root, file_of, stat_files
from avhcurate.datasets.sources.own_manifest import OwnManifest, own_manifest, own_values
from avhcurate.datasets.sources.own_rows import OwnRows, rows_of_export
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.remote import is_url

#: An own column of how many people had decided a label before it went out.
_BEFORE = "deciders_before"

Reader = Callable[[Path | str, ImportOptions], SourceTable]


def read_own_export(source: Path, options: ImportOptions, read: Reader) -> SourceTable | None:
    """Return the samples of an export of ours; None for another source, or where columns or classes are named.

    `label` is the given label; other curated labels, tags and exclusions are `brought`. Scores are left out: they are
    of a network, which can be asked again. `read` reads the source that the images of a table lie in.
    """
    named = (options.label_column, options.image_column, options.split_column, options.votes_column, options.classes)
    if any(named) or not source.exists() or source.resolve() in options.within:
        return None
    manifest = own_manifest(source)
    if manifest is None:
        return None
    rows = rows_of_export(manifest)
    if "path" not in rows.table.column_names or not len(rows.table):
        raise CurateError(f"{manifest.place} names no image. Export the dataset again.")
    if rows.files is None:
        rows = _found(rows, manifest, replace(options, within=(*options.within, source.resolve())), read)
    return _table(rows, manifest)


# --- where the images of a table are -------------------------------------------------------------------------------


def _found(rows: OwnRows, manifest: OwnManifest, options: ImportOptions, read: Reader) -> OwnRows:
    """Return the rows with the files of their images, by the folder that paths start from, or by their source."""
    paths = _texts(rows.table, "path")
    folder = manifest.place if manifest.place.is_dir() else manifest.place.parent
    stated = manifest.images.get("root")
    roots: list[Path | str | None] = [options.root, folder, Path(stated) if isinstance(stated, str) else None]
    for root in (known for known in roots if known is not None):
        start = absolute_root(root)
        files = [file_of(path or "", start) for path in paths]
        _, missing = stat_files(files)
        if len(missing) < len(files):
            messages = list(rows.messages)
            if missing:
                messages.append(
                    f"{len(missing)} images do not exist and will be recorded as broken, first {missing[0]}"
                )
            return replace(rows, files=files, messages=messages)
        if root == options.root:
            break
    place = manifest.images.get("source")
    if options.root is None and isinstance(place, str) and _may_hold(place):
        return _within(rows, paths, read(place, replace(options, image_column=_column(manifest))))
    first = next(filter(None, paths), "none")
    where = f" They were at {stated or place}." if stated or place else ""
    raise CurateError(
        f"None of the {len(paths)} images that {manifest.title} names is there, first {first}.{where}",
        fix=f"Give the folder that their paths start from by {Option('root')}",
    )


def _may_hold(place: str) -> bool:
    """Return whether a manifest may send us there: to a folder or file of this machine, or to shards, by no plugin."""
    return Path(place).exists() or place.startswith("wds:") or is_url(place)


def _column(manifest: OwnManifest) -> str | None:
    """Return the column of the images in the source, which an export of ours knows by itself."""
    column = manifest.images.get("image_column")
    if isinstance(column, str) and own_manifest(Path(str(manifest.images["source"]))) is None:
        return column
    return None


def _within(rows: OwnRows, paths: list[str | None], source: SourceTable) -> OwnRows:
    """Return the rows whose images are in a source, by their paths there."""
    places = {path: row for row, path in enumerate(source.samples["path"].to_pylist())}
    at = [places.get(path) for path in paths]
    known = pa.array([row is not None for row in at])
    if not any(row is not None for row in at):
        raise CurateError(
            f"The source of the images has none of these paths, first {next(filter(None, paths), 'none')}."
        )
    found = source.samples.take(pa.array([row for row in at if row is not None], pa.int64()))
    messages = list(rows.messages)
    if lost := at.count(None):
        messages.append(f"{lost} images are no longer in the source, and are left out")
    return OwnRows(
        rows.table.filter(known),
        found["_file"].to_pylist(),
        found["_row"].to_pylist(),
        source.kind,
        source.image_column,
        source.evidence,
        messages,
    )


# --- samples -------------------------------------------------------------------------------------------------------


def _table(rows: OwnRows, manifest: OwnManifest) -> SourceTable:
    assert rows.files is not None
    table = rows.table
    frame = pd.DataFrame({"path": _texts(table, "path"), "_file": rows.files, "split": _texts(table, "split")})
    frame["_row"] = pd.Series(rows.places if rows.places is not None else [None] * len(frame), dtype="Int64")
    whole = frame["path"].notna() & ~frame["path"].duplicated()
    table = table.filter(pa.array(whole))
    frame = frame[whole.to_numpy()].reset_index(drop=True)
    if frame.empty:
        raise CurateError(f"{manifest.place} names no image by its path. Export the dataset again.")
    given = _texts(table, "label_name")
    curated = _texts(table, "curated_label_name")
    classes = list(dict.fromkeys([*manifest.classes, *filter(None, given), *filter(None, curated)]))
    columns = {"label_name": pa.array(given, pa.string())} | own_values(manifest, _columns(table))
    brought = _brought(manifest, table, frame["path"].tolist(), given, curated)
    decided = _before(table)
    if decided is not None and _BEFORE not in columns:
        columns[_BEFORE] = decided
    stats, _ = stat_files(frame["_file"].tolist())
    messages = [*_notes(manifest, int((~whole).sum()), decided), *rows.messages, *brought.messages]
    read = interpret(
        pa.table(columns),
        ImportOptions(label_column="label_name", classes=classes),
        frame,
        kind=rows.kind,
        image_column=rows.image_column,
        evidence=[fingerprint_table(stats), *rows.evidence, brought.evidence],
        messages=messages,
    )
    return replace(read, brought=brought)


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table[name] for name in table.column_names}


def _texts(table: pa.Table, name: str) -> list[str | None]:
    """Return a column as texts, None for what is missing, or where there is no such column."""
    if name not in table.column_names:
        return [None] * len(table)
    return [text or None for text in table[name].cast(pa.string()).to_pylist()]


def _brought(
    manifest: OwnManifest, table: pa.Table, paths: list[str], given: list[str | None], curated: list[str | None]
) -> Brought:
    rows = list(zip(paths, given, curated, strict=True))
    labels = {path: now for path, was, now in rows if now is not None and now != was}
    excluded = [text is not None and text.casefold() == "true" for text in _texts(table, "excluded")]
    return Brought(
        f"{manifest.title} ({manifest.dataset})",
        labels,
        by_tag(paths, _tags(table)),
        [path for path, out in zip(paths, excluded, strict=True) if out],
    )


def _tags(table: pa.Table) -> list[list[str]]:
    """Return the tags of each row: of a list, of its JSON, or of a text with semicolons."""
    if "tags" not in table.column_names:
        return [[]] * len(table)
    return [_tag_list(value) for value in table["tags"].to_pylist()]


def _tag_list(value: object) -> list[str]:
    """
    >>> _tag_list("odd;dark"), _tag_list('["odd"]'), _tag_list(None)
    (['odd', 'dark'], ['odd'], [])
    """
    if isinstance(value, list):
        return [str(tag) for tag in value if tag]
    text = str(value or "")
    if text.startswith("["):
        try:
            return _tag_list(json.loads(text))
        except (ValueError, RecursionError):
            pass
    return [tag for tag in text.split(";") if tag]


def _before(table: pa.Table) -> pa.Array | None:
    """Return how many people had decided each label, null for none; None where nobody had decided any."""
    texts = _texts(table, "deciders")
    numbers = [int(float(text)) if text and text.replace(".", "", 1).isdecimal() else 0 for text in texts]
    if not any(numbers):
        return None
    return pa.array([number or None for number in numbers], pa.int64())


def _notes(manifest: OwnManifest, skipped: int, decided: pa.Array | None) -> list[str]:
    notes = [f"an export of dataset {manifest.dataset} in the format {manifest.format}"]
    if manifest.run is not None:
        notes.append(f"scores of the run {manifest.run} are left out: score the images here, or attach its outputs")
    if decided is not None:
        notes.append(
            f"people had decided {len(decided) - decided.null_count} labels before; {_BEFORE} says how many each"
        )
    if skipped:
        notes.append(f"{skipped} rows name no image, or one that another row names, and were skipped")
    return notes

"""Fuzzed files of every kind that is read: each is read or refused in one line, in bounded memory and time."""

import io
import itertools
import json
import os
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save as safetensors

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.sources.attach import attach_run
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.sources.uploads import keep_upload
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.networks.models.weights import read_weights
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.campaign.images import fuzz, two_classes
from tests.fakes.campaign.outcome import Outcome
from tests.fakes.child import in_child
from tests.fakes.datasets import write_images

MOST, LEAST, CHUNK = 10_000, 40, 40
#: Megabytes above what the process had, and seconds of the processor that a file may take.
BOUND, SECONDS = 1000, 20
#: One in so many files ends in a hole of 32 GiB.
HOLES, HOLE = 40, 1 << 35


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, ends, peak = Outcome(), Counter[str](), 0.0
    seeds = _begin(folder)
    end = time.monotonic() + seconds
    fuzzed = enumerate(itertools.islice(fuzz(seeds), MOST))
    while time.monotonic() < end and (chunk := list(itertools.islice(fuzzed, CHUNK))):
        ended = in_child(lambda chunk=chunk: _read_all(folder, chunk), limit=SECONDS * CHUNK)  # type: ignore[misc]
        peak, names = max(peak, ended.megabytes), [name for _, (name, _) in chunk]
        outcome.check(ended.code == 0, f"a process ended with {ended.code}, {ended.value} in {names}")
        outcome.check(ended.megabytes < BOUND, f"{ended.megabytes:.0f} MB for {names}")
        for found in ended.value if ended.code == 0 else []:
            outcome.check(found in ("read", "refused"), found)
            ends[found] += 1
    outcome.figures = {**{name: f"{count:,}" for name, count in ends.items()}, "peak": f"{peak:.0f} MB"}
    return outcome


def _read_all(folder: Path, chunk: list[tuple[int, tuple[str, bytes]]]) -> list[str]:
    return [_read(folder, number, name, data) for number, (name, data) in chunk]


def _read(folder: Path, number: int, name: str, data: bytes) -> str:
    """How reading a file ended: the seed's name says by which reader, and what the file is called."""
    reader, title, *_ = name.split()
    started = time.process_time()  # other programs may have the processor
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / title
        path.write_bytes(data)
        if number % HOLES == 0 and reader != "upload":  # a browser would send every zero
            os.truncate(path, HOLE)
        try:
            READERS[reader](Workspace(folder / "ws"), path)
            found = "read"
        except CurateError as problem:
            found = "refused" if "\n" not in str(problem) else f"{name}: {problem}"
        except BaseException as error:
            found = f"{name}: {error!r}"[:400]
    if (took := time.process_time() - started) > SECONDS:
        return f"{name}: {took:.0f} s"
    return found


def _attach(space: Workspace, path: Path) -> None:
    run = attach_run(space, AttachSettings(dataset="pets", features=str(path), by="order"))
    run.root.rename(path.with_suffix(".run"))  # else the next equal file is known


def _upload(space: Workspace, path: Path) -> None:
    with path.open("rb") as stream:
        keep_upload(space, path.name, stream)


READERS: dict[str, Callable[[Workspace, Path], object]] = {
    "attach": _attach,
    "import": lambda space, path: import_dataset(space, "fuzzed", path, force=True),
    "votes": lambda space, path: attach_votes(space, "pets", path, force=True),
    "labels": lambda space, path: relabel_from(open_dataset(space, "pets").decisions, path),
    "upload": _upload,
    "weights": lambda _, path: read_weights(path),
}


def _begin(folder: Path) -> list[tuple[str, bytes]]:
    """A small dataset, and a file for each reader and form, named `READER FILE`."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    write_images(folder / "pets", dict(zip(two_classes(6), pixels, strict=True)))
    if (ended := in_child(lambda: import_dataset(Workspace(folder / "ws"), "pets", folder / "pets") and None)).code:
        raise RuntimeError(f"the campaign could not begin: {ended.value}")
    return [(f"{reader} {title}", data) for reader, title, data in _seeds(folder, rng)]


def _seeds(folder: Path, rng: np.random.Generator) -> Iterator[tuple[str, str, bytes]]:
    features = rng.normal(size=(6, 4)).astype(np.float32)
    paths = two_classes(6)
    answers = pa.table({"sample": paths, "annotator": ["x", "y"] * 3, "label": ["a", "b"] * 3})
    places = [str(folder / "pets" / path) for path in paths]
    manifest = pa.table({"path": places, "label": ["a", "b"] * 3, "note": ["", "x"] * 3, "e": features.tolist()})
    image = (folder / "pets" / paths[0]).read_bytes()
    images = pa.table({"image": [{"bytes": image, "path": path} for path in paths], "label": [0, 1] * 3})
    tasks = [{"data": {"image": path}, "annotations": [{"result": [_CHOICE]}]} for path in paths]
    yield "attach", "f.npy", _saved(np.save, features)
    yield "attach", "f.npz", _saved(np.savez_compressed, features)
    yield "attach", "f.safetensors", safetensors({"a": features})
    yield "votes", "v.npy", _saved(np.save, rng.integers(0, 9, (6, 2)))
    yield "votes", "v.json", json.dumps(tasks).encode()
    yield "weights", "w.pt", _saved(lambda stream, tensors: torch.save(tensors, stream), {"a": torch.zeros(3)})
    yield "weights", "w.safetensors", safetensors({"a": features})
    for reader, table in (("votes", answers), ("labels", answers), ("import", manifest), ("upload", manifest)):
        yield reader, "t.csv", _saved(_csv, table)
    for reader, table in (
        *(("votes", answers), ("labels", answers), ("import", manifest), ("attach", manifest), ("import", images)),
        ("votes", pa.table({"counts": rng.integers(0, 9, (6, 2)).tolist()})),
    ):
        for options in ({}, {"compression": "zstd", "use_dictionary": False, "column_encoding": _encoding(table)}):
            yield (
                reader,
                "t.parquet",
                _saved(lambda stream, opened, o=options: pq.write_table(opened, stream, **o), table),
            )
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", packing) as archive:
            archive.writestr("a/0.png", image)
            archive.writestr("t.csv", "path,label\na/0.png,a\n")
        yield "upload", "z.zip", stream.getvalue()


_CHOICE = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["a"]}}


def _encoding(table: pa.Table) -> dict[str, str]:
    return {field.name: "DELTA_BYTE_ARRAY" for field in table.schema if pa.types.is_string(field.type)}


def _csv(stream: io.BytesIO, table: pa.Table) -> None:
    pd.DataFrame(table.to_pandas()).drop(columns="e", errors="ignore").to_csv(stream, index=False)


def _saved(save: Callable[..., object], content: object) -> bytes:
    stream = io.BytesIO()
    save(stream, content)
    return stream.getvalue()

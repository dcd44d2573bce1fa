"""Sources to import, of tiny grey images, and what an import made of them."""

import io
import tarfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
from PIL import Image

from avhcurate.datasets.sources.attach import attach_run
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.images.decoding import BrokenImage, decode


def attach(
    workspace: Workspace,
    dataset: str,
    features: str = "",
    class_weights: str = "",
    *,
    progress: Progress = SILENT,
    **more: str,
) -> RunFolder:
    """Attaches arrays in files as a run; `more` are the other options of the verb."""
    settings = AttachSettings(dataset=dataset, features=features, class_weights=class_weights, **more)
    return attach_run(workspace, settings, progress=progress)


def png(grey: int) -> bytes:
    """A tiny image that its grey value tells from others."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (grey, grey, grey)).save(stream, "PNG")
    return stream.getvalue()


def grey_images(root: Path, *names: str) -> None:
    """Tiny images under these names, each of another grey."""
    for grey, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(grey))


def write_csv(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def image_table(greys: list[int], *, paths: list[str | None] | None = None, **columns: object) -> pa.Table:
    """A table of Hugging Face's layout, an image a grey."""
    images = [
        {"bytes": png(grey), "path": path} for grey, path in zip(greys, paths or [None] * len(greys), strict=True)
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(images, kind), **columns})


def tar_shard(path: Path, members: dict[str, bytes], *, kind: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of these members in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def rows(folder: DatasetFolder) -> list[tuple[str, str | None, str | None]]:
    """(path, split, class name) of each sample in order of id."""
    samples, classes = folder.samples(), folder.record.classes
    assert samples["id"].tolist() == list(range(len(samples)))
    names = [None if pd.isna(label) else classes[label] for label in samples["label"]]
    splits = [None if pd.isna(split) else split for split in samples["split"]]
    return list(zip(samples["path"], splits, names, strict=True))


def said(folder: DatasetFolder) -> str:
    """What the import had to say."""
    return " | ".join(folder.record.messages)


def greys(folder: DatasetFolder) -> list[int | str]:
    """The grey of each image, or why there is none."""
    return [grey(data) for data in folder.images().read(range(folder.record.samples))]


def grey(data: bytes | BrokenImage) -> int | str:
    try:
        return data.reason if isinstance(data, BrokenImage) else int(decode(data)[0, 0, 0])
    except BrokenImage as problem:
        return problem.reason


def class_names_of(folder: DatasetFolder) -> list[str | None]:
    """The class name of each sample."""
    classes = folder.record.classes
    return [None if label < 0 else classes[label] for label in folder.labels()]

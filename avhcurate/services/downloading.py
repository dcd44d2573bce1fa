"""Public datasets by name: fetched through torchvision or from the Hugging Face hub, kept as Parquet with images."""

import inspect
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.services.hub import HubName, NoParquet, fetch_hub, folder_name
from avhcurate.storage.columns import listed
from avhcurate.storage.jobs import SILENT, Progress
from avhcurate.storage.workspace import Workspace

_ROWS = 1000


def prepare_download(
    workspace: Workspace,
    source: str,
    *,
    progress: Progress = SILENT,
) -> Path | str:
    """Where the source lies: itself, or for `torchvision:NAME` and `hf:REPO` a folder of Parquet in the workspace.

    What was fetched before is not fetched again: its folder below `downloads` is removed to have it anew. Files that
    torchvision needs on the way stay in `downloads/torchvision/files`, where a user without a network can put them.
    Progress is told in megabytes.
    """
    scheme, _, name = source.partition(":")
    if scheme == "hf" and name:
        return _from_hub(name, workspace.downloads / "hf", progress)
    if scheme == "torchvision" and name:
        return _kept(workspace.downloads / "torchvision", name, _fetch_torchvision)
    return source


def _from_hub(text: str, downloads: Path, progress: Progress) -> Path:
    megabytes = progress.through(
        lambda done, total, _: progress.report(done // 1_000_000, total // 1_000_000, f"megabytes of {text}")
    )
    name = HubName.of(text)
    try:
        return fetch_hub(name, downloads, progress=megabytes)
    except NoParquet as problem:
        reason = str(problem)
    return _kept(downloads, text, lambda _, out, root: _fetch_by_library(name, reason, out, root))


def _kept(downloads: Path, name: str, fetch: Callable[[str, Path, Path], None]) -> Path:
    """The folder of Parquet that `fetch` makes, or has made before; whole or absent."""
    folder = downloads / "parquet" / folder_name(name)
    if folder.is_dir():
        return folder
    root = downloads / "files"
    root.mkdir(parents=True, exist_ok=True)
    staged = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    staged.mkdir(parents=True)
    try:
        fetch(name, staged, root)
        os.rename(staged, folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return folder


def _fetch_torchvision(name: str, out: Path, root: Path) -> None:
    import torchvision.datasets

    kinds = torchvision.datasets.__all__
    if name not in kinds:
        raise CurateError(f"torchvision has no dataset {name!r}: it has {listed(kinds, 90)}")
    kind = getattr(torchvision.datasets, name)
    for split, arguments in _torchvision_parts(kind):
        try:
            dataset = kind(root=str(root), download=True, **arguments)
        except ValueError:  # no such split in this dataset
            continue
        except Exception as problem:
            raise CurateError(
                f"torchvision:{name} could not be fetched ({_words(problem)}): connect to the network, or put its "
                f"files under {root}"
            ) from problem
        _write_images(out / f"{split}-00000-of-00001.parquet", dataset, split)


def _torchvision_parts(kind: type) -> list[tuple[str, dict[str, Any]]]:
    """How a dataset of torchvision is divided: MNIST and CIFAR by `train`, SVHN and DTD by `split`, others not."""
    options = inspect.signature(kind).parameters
    if kind.__name__ == "EMNIST":  # its other options are hidden
        return [("train", {"split": "balanced", "train": True}), ("test", {"split": "balanced", "train": False})]
    if "download" not in options:
        raise CurateError(f"torchvision does not download {kind.__name__}: get its files and import them as a folder")
    if "train" in options:
        return [("train", {"train": True}), ("test", {"train": False})]
    if "split" in options:
        return [(split, {"split": split}) for split in ("train", "trainval", "val", "test")]
    return [("all", {})]


def _write_images(path: Path, dataset: Any, split: str) -> None:
    """One Parquet file in the Hugging Face layout from (PIL image, class index) pairs, a row group at a time."""
    label: dict[str, Any] = {"dtype": "int64", "_type": "Value"}
    if classes := getattr(dataset, "classes", None):
        label = {"names": [str(name) for name in classes], "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})}
    schema = pa.schema([("image", _IMAGE), ("label", pa.int64())], metadata)
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for start in range(0, len(dataset), _ROWS):
            pairs = [dataset[index] for index in range(start, min(start + _ROWS, len(dataset)))]
            if not all(hasattr(image, "save") and isinstance(label, Integral) for image, label in pairs):
                raise CurateError(
                    f"{type(dataset).__name__} does not pair each image with one class: it cannot be imported"
                )
            images = [
                {"bytes": _png(image), "path": f"{split}/{start + row:07d}.png"} for row, (image, _) in enumerate(pairs)
            ]
            writer.write_table(pa.table({"image": images, "label": [int(label) for _, label in pairs]}, schema))


def _png(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _fetch_by_library(name: HubName, reason: str, out: Path, root: Path) -> None:
    """A dataset that the hub has in another form than Parquet, by Hugging Face's library; it runs no code of theirs."""
    if os.environ.get("AVHCURATE_REMOTE_HOSTS"):
        raise CurateError(
            f"{reason}, and Hugging Face's library, which reads it, does not keep to "
            "AVHCURATE_REMOTE_HOSTS: download its files and import their folder"
        )
    try:
        import datasets
    except ImportError as problem:
        raise CurateError(f"{reason}: `pip install 'avhcurate[datasets]'` reads other forms") from problem
    try:
        parts = datasets.load_dataset(name.repository, name.config, revision=name.revision, cache_dir=str(root))
    except Exception as problem:
        raise CurateError(
            f"{reason}, and it could not be fetched otherwise ({_words(problem)}): check the name and the network, or "
            "download its files and import their folder"
        ) from problem
    for split in [name.split] if name.split else list(parts):
        if split not in parts:
            raise CurateError(f"hf:{name.repository} has no split {split!r}: it has {listed(parts)}")
        whole = parts[split].with_format("arrow")
        embedded = whole.map(datasets.table.embed_table_storage, batched=True, batch_size=_ROWS)
        embedded.to_parquet(str(out / f"{split}-00000-of-00001.parquet"))


def _words(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200] or type(problem).__name__


_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

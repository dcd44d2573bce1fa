"""Datasets of torchvision and the Hugging Face hub by name, kept as Parquet with images."""

import inspect
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from numbers import Integral
from pathlib import Path
from typing import Any

from avhcurate.data.workspace import Workspace
from avhcurate.disk.app_files import install_command
from avhcurate.disk.columns import listed
from avhcurate.disk.image_parquet import LabelledImage, write_images
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.remote import words_of
from avhcurate.errors import CurateError
from avhcurate.images.decoding import encode_png
from avhcurate.sources.hf_hub import HubName, NoParquet, fetch_hub, folder_name
from avhcurate.sources.hf_parquet import write_hugging_face


def prepare_download(workspace: Workspace, source: str, *, progress: Progress = SILENT) -> Path | str:
    """The source itself, or for `torchvision:NAME` and `hf:REPO` the folder of Parquet files it is downloaded to.

    Nothing is fetched twice, unless its folder below `downloads` is removed. Torchvision's own files stay in
    `downloads/torchvision/files`, where a user without a network can put them. Progress is in megabytes.
    """
    scheme, _, name = source.partition(":")
    if scheme == "hf" and name:
        return _from_hub(name, workspace.downloads / "hf", progress)
    if scheme == "torchvision" and name:
        return _fetch_once(workspace.downloads / "torchvision", name, _fetch_torchvision)
    return source


def _from_hub(text: str, downloads: Path, progress: Progress) -> Path:
    name = HubName.of(text)
    try:
        return fetch_hub(name, downloads, progress=progress)
    except NoParquet as problem:
        reason = str(problem)
    return _fetch_once(downloads, text, lambda _, out, root: _fetch_by_library(name, reason, out, root))


def _fetch_once(downloads: Path, name: str, fetch: Callable[[str, Path, Path], None]) -> Path:
    """The folder of Parquet files that `fetch` writes, whole or not at all; one from before is returned as it is."""
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
                f"torchvision:{name} could not be fetched ({words_of(problem)}): connect to the network, or put its "
                f"files under {root}"
            ) from problem
        classes = [str(name) for name in getattr(dataset, "classes", None) or ()]
        write_images(out / f"{split}-00000-of-00001.parquet", _labelled(dataset, split), classes)


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


def _labelled(dataset: Any, split: str) -> Iterator[LabelledImage]:
    """The (PIL image, class index) pairs of a dataset."""
    for index in range(len(dataset)):
        image, label = dataset[index]
        if not hasattr(image, "save") or not isinstance(label, Integral):
            raise CurateError(
                f"{type(dataset).__name__} does not pair each image with one class: it cannot be imported"
            )
        yield LabelledImage(f"{split}/{index:07d}.png", encode_png(image), int(label))


def _fetch_by_library(name: HubName, reason: str, out: Path, root: Path) -> None:
    """Reads a dataset that is not Parquet with Hugging Face's library, which runs no code of the dataset's."""
    if os.environ.get("AVHCURATE_REMOTE_HOSTS"):
        raise CurateError(
            f"{reason}, and Hugging Face's library, which reads it, does not keep to "
            "AVHCURATE_REMOTE_HOSTS: download its files and import their folder"
        )
    try:
        import datasets
    except ImportError as problem:
        raise CurateError(f"{reason}: `{install_command('datasets')}` reads other forms") from problem
    try:
        parts = datasets.load_dataset(name.repository, name.config, revision=name.revision, cache_dir=str(root))
    except Exception as problem:
        raise CurateError(
            f"{reason}, and it could not be fetched otherwise ({words_of(problem)}): check the name and the network, "
            "or download its files and import their folder"
        ) from problem
    for split in [name.split] if name.split else list(parts):
        if split not in parts:
            raise CurateError(f"hf:{name.repository} has no split {split!r}: it has {listed(parts)}")
        write_hugging_face(parts[split], out / f"{split}-00000-of-00001.parquet")

"""Datasets of torchvision and of the Hugging Face hub by name, kept as Parquet with images."""

import fnmatch
import hashlib
import inspect
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avhcurate.datasets.sources.hf_parquet import write_hugging_face
from avhcurate.datasets.sources.parquet import split_of
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import install_command
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.download import Wanted, fetch_file
from avhcurate.workspace.disk.files import user_path, write_atomic
from avhcurate.workspace.disk.image_parquet import LabelledImage, write_images
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.remote import check_host, words_of
from avhcurate.workspace.images.decoding import encode_png

#: Where the hub keeps its conversion to Parquet of a dataset in another form.
_CONVERTED = "refs/convert/parquet"
_NAME = re.compile(r"(?P<repository>[^@:]+)(@(?P<revision>[^:]+))?(:(?P<config>[^/]*)(/(?P<split>.+))?)?")


@dataclass(frozen=True)
class HubName:
    """What `hf:REPO[@REVISION][:CONFIG/SPLIT]` names."""

    repository: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None

    @classmethod
    def of(cls, text: str) -> "HubName":
        """
        >>> HubName.of("uoft-cs/cifar10@main:plain_text/test")
        HubName(repository='uoft-cs/cifar10', revision='main', config='plain_text', split='test')
        >>> HubName.of("ylecun/mnist:/test").split
        'test'
        """
        match = _NAME.fullmatch(text.strip())
        if match is None or user_path(text).is_absolute():
            raise CurateError(f"hf:{text} is not a dataset of the hub. To import a copy, give its folder without hf:.")
        return cls(match["repository"], match["revision"], match["config"] or None, match["split"])


@dataclass(frozen=True)
class _File:
    """A Parquet file of a dataset, and what it belongs to."""

    path: str
    size: int | None
    checksum: str | None
    config: str = "default"
    split: str = "train"


class NoParquet(CurateError):
    """The hub has the dataset, but in no form that can be read without its library."""


def fetch_hub(text: str, downloads: Path, *, progress: Progress) -> Path:
    """Return a folder with the Parquet files of a dataset; the name of each begins with its split.

    Downloads resume, are checked by the hub's SHA-256 and are not repeated. Progress is in megabytes.
    """
    name, target = HubName.of(text), downloads / folder_name(text)
    complete = target / "complete"
    if complete.exists() and (folder := target / complete.read_text().strip()).is_dir():
        return folder
    commit, files = _find(name, text)
    folder = target / (re.sub(r"\W", "-", commit)[:12])
    _download(name, commit, files, folder, progress)
    write_atomic(complete, folder.name + "\n")
    return folder


def folder_name(source: str) -> str:
    """Return a readable name for a source, with a hash that distinguishes `a/b` from `a-b`.

    >>> folder_name("uoft-cs/cifar10")
    'uoft-cs-cifar10-e11c4d3e'
    """
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", source).strip("-.")[:80]
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _download(name: HubName, commit: str, files: list[_File], folder: Path, progress: Progress) -> None:
    from huggingface_hub import get_token

    total, done, numbers = sum(file.size or 0 for file in files), 0, dict[str, int]()
    secret = {}
    if token := get_token():
        secret["Authorization"] = f"Bearer {token}"
    for file in files:
        address = f"{_endpoint()}/datasets/{quote(name.repository)}/resolve/{quote(commit, safe='')}/{quote(file.path)}"

        def report(received: int, _: int, __: str, before: int = done) -> None:
            progress.report((before + received) // 1_000_000, total // 1_000_000, f"megabytes of {name.repository}")

        split = re.sub(r"\W", "_", file.split)
        number = numbers[split] = numbers.get(split, -1) + 1
        count = sum(other.split == file.split for other in files)
        wanted = Wanted(f"{split}-{number:05d}-of-{count:05d}.parquet", (address,), file.size, file.checksum)
        fetched = fetch_file(wanted, folder, secret=secret, progress=progress.through(report))
        done += fetched.path.stat().st_size


def _find(name: HubName, text: str) -> tuple[str, list[_File]]:
    """Return the commit, and the Parquet files of the config and split of `name`."""
    try:
        commit, files = _list(name.repository, name.revision or "main")
        if not files and name.revision is None:
            commit, files = _list(name.repository, _CONVERTED)
    except Exception as problem:  # the hub's library uses one of several clients
        raise CurateError(
            f"hf:{text} could not be read at {_endpoint()} ({words_of(problem)}). Check the name and the network; "
            "private datasets need HF_TOKEN in the environment. Or download its Parquet files and import their folder."
        ) from problem
    if not files:
        raise NoParquet(f"hf:{text} has no Parquet files.")
    configs = list(dict.fromkeys(file.config for file in files))
    config = name.config or "default"
    if name.config is None and len(configs) == 1:
        config = configs[0]
    if config not in configs:
        raise CurateError(
            f"hf:{name.repository} has the configs {listed(configs)}. Name one, as hf:{name.repository}:{configs[0]}."
        )
    files = [file for file in files if file.config == config]
    splits = list(dict.fromkeys(file.split for file in files))
    if name.split not in (None, *splits):
        raise CurateError(f"hf:{name.repository} has no split {name.split!r}. It has {listed(splits)}.")
    chosen = [file for file in files if name.split in (None, file.split)]
    return commit, sorted(chosen, key=lambda file: (file.split, file.path))


def _list(repository: str, revision: str) -> tuple[str, list[_File]]:
    """Return the commit of a revision, and its Parquet files by config and split; no files if none were converted."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    check_host(_endpoint())
    api = HfApi(endpoint=_endpoint(), token=get_token())
    try:
        info = api.dataset_info(repository, revision=revision, files_metadata=True, timeout=60)
    except HfHubHTTPError as problem:
        if revision == _CONVERTED and problem.response.status_code in (401, 403, 404):
            return "", []
        raise
    files = []
    for entry in info.siblings or []:
        # The hub converts only the beginning of a large dataset, to partial-*.
        if entry.rfilename.endswith(".parquet") and "/partial-" not in entry.rfilename:
            checksum = None
            if entry.lfs:
                checksum = f"sha256:{entry.lfs.sha256}"
            files.append(_by_layout(_File(entry.rfilename, entry.size, checksum)))
    declared = []
    if info.card_data and revision != _CONVERTED:
        declared = [
            replace(file, config=config, split=split)
            for config, split, pattern in _declared(info.card_data.get("configs") or [])
            for file in files
            if fnmatch.fnmatchcase(file.path, pattern.removeprefix("./"))
        ]
    return str(info.sha), declared or files


def _by_layout(file: _File) -> _File:
    """Return the file with its config and split by folders and names: CONFIG/SPLIT/0000.parquet, or split-0000."""
    folders = file.path.split("/")[:-1]
    if len(folders) >= 2:
        return replace(file, config=folders[0], split=folders[1])
    file = replace(file, split=split_of(file.path) or "train")
    if folders and folders[0] not in ("data", "default"):
        return replace(file, config=folders[0])
    return file


def _declared(configs: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield config, split and a pattern of paths that a dataset card declares."""
    for config in configs:
        entries = config.get("data_files") or []
        if isinstance(entries, str):
            entries = [{"path": entries}]
        for entry in entries:
            if isinstance(entry, str):
                entry = {"path": entry}
            patterns = entry.get("path") or []
            if isinstance(patterns, str):
                patterns = [patterns]
            for pattern in patterns:
                yield config.get("config_name", "default"), entry.get("split", "train"), pattern


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def prepare_download(workspace: Workspace, source: str, *, progress: Progress = SILENT) -> Path | str:
    """Return the source, or for `torchvision:NAME` and `hf:REPO` the folder of Parquet files it is downloaded to.

    Nothing is fetched twice, unless its folder below `downloads` is removed. Torchvision's own files stay in
    `downloads/torchvision/files`; without a network, put them there. Progress is in megabytes.
    """
    scheme, _, name = source.partition(":")
    downloads = workspace.downloads / scheme
    if scheme == "torchvision" and name:
        return _fetch_once(downloads, name, _fetch_torchvision)
    if scheme != "hf" or not name:
        return source
    try:
        return fetch_hub(name, downloads, progress=progress)
    except NoParquet:
        return _fetch_once(downloads, name, _fetch_by_library)


def _fetch_once(downloads: Path, name: str, fetch: Callable[[str, Path, Path], None]) -> Path:
    """Return the folder of Parquet files that `fetch` writes, whole or not at all, or has written before."""
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
        raise CurateError(f"torchvision has no dataset {name!r}. It has {listed(kinds, 90)}.")
    kind = getattr(torchvision.datasets, name)
    for split, arguments in _torchvision_parts(kind):
        try:
            dataset = kind(root=str(root), download=True, **arguments)
        except ValueError:  # no such split in this dataset
            continue
        except Exception as problem:
            raise CurateError(
                f"torchvision:{name} could not be fetched ({words_of(problem)}). Connect to the network, or put its "
                f"files under {root}."
            ) from problem
        classes = [str(name) for name in getattr(dataset, "classes", None) or ()]
        write_images(out / f"{split}-00000-of-00001.parquet", _labelled(dataset, split), classes)


def _torchvision_parts(kind: type) -> list[tuple[str, dict[str, Any]]]:
    """Return the splits of a dataset: MNIST and CIFAR divide by `train`, SVHN and DTD by `split`, others do not."""
    options = inspect.signature(kind).parameters
    if kind.__name__ == "EMNIST":  # its other options are hidden
        return [("train", {"split": "balanced", "train": True}), ("test", {"split": "balanced", "train": False})]
    if "download" not in options:
        raise CurateError(f"torchvision does not download {kind.__name__}. Get its files and import them as a folder.")
    if "train" in options:
        return [("train", {"train": True}), ("test", {"train": False})]
    if "split" in options:
        return [(split, {"split": split}) for split in ("train", "trainval", "val", "test")]
    return [("all", {})]


def _labelled(dataset: Any, split: str) -> Iterator[LabelledImage]:
    """Yield the (PIL image, class index) pairs of a dataset."""
    for index in range(len(dataset)):
        image, label = dataset[index]
        if not hasattr(image, "save") or not isinstance(label, Integral):
            raise CurateError(f"{type(dataset).__name__} cannot be imported: its images do not have one class each.")
        yield LabelledImage(f"{split}/{index:07d}.png", encode_png(image), int(label))


def _fetch_by_library(text: str, out: Path, root: Path) -> None:
    """Read a dataset that is not Parquet with Hugging Face's library, which runs no code of the dataset's."""
    name, reason = HubName.of(text), f"hf:{text} has no Parquet files"
    if os.environ.get("AVHCURATE_REMOTE_HOSTS"):
        raise CurateError(
            f"{reason}, and Hugging Face's library does not respect AVHCURATE_REMOTE_HOSTS. Download its files and "
            "import their folder."
        )
    try:
        import datasets
    except ImportError as problem:
        raise CurateError(f"{reason}. Other forms need `{install_command('datasets')}`.") from problem
    try:
        parts = datasets.load_dataset(name.repository, name.config, revision=name.revision, cache_dir=str(root))
    except Exception as problem:
        raise CurateError(
            f"{reason} and could not be read otherwise ({words_of(problem)}). Check the name and the network, or "
            "download its files and import their folder."
        ) from problem
    splits = list(parts)
    if name.split:
        splits = [name.split]
    for split in splits:
        if split not in parts:
            raise CurateError(f"hf:{name.repository} has no split {split!r}. It has {listed(parts)}.")
        write_hugging_face(parts[split], out / f"{split}-00000-of-00001.parquet")

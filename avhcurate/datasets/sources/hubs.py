"""Datasets of the Hugging Face hub by name, kept as Parquet with images."""

import fnmatch
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avhcurate.datasets.sources.folder import split_of
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.download import FirstChecksums, Wanted, fetch_file
from avhcurate.workspace.disk.files import user_path, write_atomic
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.disk.remote import check_host, endpoint, words_of

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
        return cls(**match.groupdict())


def fetch_hub(text: str, downloads: Path, *, first: FirstChecksums, progress: Progress) -> Path:
    """Return a folder with the Parquet files of a dataset; the name of each begins with its split.

    Downloads resume, are checked by the hub's SHA-256, else by what came `first`, and are not repeated. Progress is in
    megabytes.
    """
    name = HubName.of(text)
    target = downloads / folder_name(text)
    complete = target / "complete"
    if complete.exists() and (folder := target / complete.read_text().strip()).is_dir():
        return folder
    commit, files = _find(name, text)
    folder = target / (re.sub(r"\W", "-", commit)[:12])
    _download(name, commit, files, folder, first, progress)
    write_atomic(complete, folder.name + "\n")
    return folder


def folder_name(source: str) -> str:
    """Return a readable name for a source, with a hash that distinguishes `a/b` from `a-b`.

    >>> folder_name("uoft-cs/cifar10")
    'uoft-cs-cifar10-e11c4d3e'
    """
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", source).strip("-.")[:80]
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _download(
    name: HubName,
    commit: str,
    files: list[tuple[str, Any]],
    folder: Path,
    first: FirstChecksums,
    progress: Progress,
) -> None:
    from huggingface_hub import get_token, hf_hub_url

    total = sum(file.size or 0 for _, file in files)
    done = 0
    secret = {}
    megabytes = in_megabytes(progress, total, name.repository)
    if token := get_token():
        secret["Authorization"] = f"Bearer {token}"
    for number, (split, file) in enumerate(files):
        address = hf_hub_url(name.repository, file.rfilename, repo_type="dataset", revision=commit, endpoint=endpoint())
        checksum = None
        if file.lfs:
            checksum = f"sha256:{file.lfs.sha256}"
        split = re.sub(r"\W", "_", split)
        wanted = Wanted(f"{split}-{number:05d}-of-{len(files):05d}.parquet", (address,), file.size, checksum)
        fetched = fetch_file(wanted, folder, first=first, secret=secret, progress=megabytes.after(done, total))
        done += fetched.path.stat().st_size


def in_megabytes(progress: Progress, total: int, title: str) -> Progress:
    """Return the progress of a download of `total` bytes."""
    return progress.through(
        lambda done, _, __: progress.report(done // 1_000_000, total // 1_000_000, f"megabytes of {title}")
    )


def _find(name: HubName, text: str) -> tuple[str, list[tuple[str, Any]]]:
    """Return the commit, and split and Parquet file of the config and split of `name`."""
    try:
        commit, files = _list(name.repository, name.revision or "main")
        if not files and name.revision is None:
            commit, files = _list(name.repository, _CONVERTED)
    except Exception as problem:  # the hub's library uses one of several clients
        raise CurateError(
            f"hf:{text} could not be read as Parquet at {endpoint()} ({words_of(problem)}). Check the name and the "
            "network; private datasets need HF_TOKEN in the environment. Or download its files and import their folder."
        ) from problem
    configs = list(dict.fromkeys(config for config, *_ in files))
    config = name.config or "default"
    if not name.config and len(configs) == 1:
        config = configs[0]
    if config not in configs:
        raise CurateError(f"hf:{name.repository} has the configs {listed(configs)}. Name one, as hf:REPO:CONFIG.")
    parts = [(split, file) for other, split, file in files if other == config]
    splits = sorted({split for split, _ in parts})
    if name.split not in (None, *splits):
        raise CurateError(f"hf:{name.repository} has no split {name.split!r}. It has {listed(splits)}.")
    return commit, [part for split in splits if name.split in (None, split) for part in parts if part[0] == split]


def _list(repository: str, revision: str) -> tuple[str, list[tuple[str, str, Any]]]:
    """Return the commit of a revision; and of each of its Parquet files config, split and how the hub describes it."""
    from huggingface_hub import HfApi, get_token

    check_host(endpoint())
    api = HfApi(endpoint=endpoint(), token=get_token())
    info = api.dataset_info(repository, revision=revision, files_metadata=True, timeout=60)
    # The hub converts only the beginning of a large dataset, to partial-*.
    files = {
        file.rfilename: file
        for file in sorted(info.siblings or [], key=lambda file: file.rfilename)
        if file.rfilename.endswith(".parquet") and "/partial-" not in file.rfilename
    }
    configs = []
    if info.card_data and revision != _CONVERTED:
        configs = list(_declared(info.card_data.get("configs") or []))
    declared = [
        (config, split, file)
        for path, file in files.items()
        for config, split, pattern in configs
        if fnmatch.fnmatchcase(path, pattern)
    ]
    return str(info.sha), declared or [(*_by_layout(path), file) for path, file in files.items()]


def _by_layout(path: str) -> tuple[str, str]:
    """Return config and split by folders and names.

    >>> _by_layout("small/test/0000.parquet"), _by_layout("data/test-00000-of-00001.parquet")
    (('small', 'test'), ('default', 'test'))
    """
    *folders, _ = path.split("/")
    if len(folders) >= 2:
        return folders[0], folders[1]
    config = "".join(folders)
    if config in ("", "data"):
        config = "default"
    return config, split_of(path) or "train"


def _declared(configs: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield config, split and a pattern of paths that a dataset card declares."""
    for config in configs:
        for entry in _each(config.get("data_files")):
            if isinstance(entry, str):
                entry = {"path": entry}
            for pattern in _each(entry.get("path")):
                yield config.get("config_name", "default"), entry.get("split", "train"), pattern.removeprefix("./")


def _each(value: Any) -> list[Any]:
    """Return the entries of a list that may be written as its only entry."""
    if isinstance(value, list):
        return value
    return [value] * (value is not None)

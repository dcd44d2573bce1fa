"""Datasets of the Hugging Face hub: their Parquet files, from the hub with its checksums or from a local copy."""

import fnmatch
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from avhcurate.disk.columns import listed
from avhcurate.disk.download import Wanted, fetch_file
from avhcurate.disk.files import link, user_path, write_atomic
from avhcurate.disk.jobs import Progress
from avhcurate.disk.remote import RemoteError, open_http, patiently
from avhcurate.errors import CurateError
from avhcurate.sources.parquet import split_of

_HUB = "https://huggingface.co"
#: Where the hub keeps its conversion to Parquet of a dataset in another form.
_CONVERTED = "refs/convert/parquet"
_MOST_LISTED = 64 << 20
_NAME = re.compile(r"(?P<repository>[^@:]+)(@(?P<revision>[^:]+))?(:(?P<config>[^/]*)(/(?P<split>.+))?)?")
_OTHERWISE = "or download its Parquet files and import their folder"


@dataclass(frozen=True)
class HubName:
    """What `hf:REPO[@REVISION][:CONFIG/SPLIT]` names; REPO may be a folder of this machine."""

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
        match = None if user_path(text).is_dir() else _NAME.fullmatch(text.strip())
        if match is None:
            return cls(text)
        return cls(match["repository"], match["revision"], match["config"] or None, match["split"])

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        part = f":{self.config or ''}" if self.config or self.split else ""
        return self.repository + revision + part + (f"/{self.split}" if self.split else "")


@dataclass(frozen=True)
class _File:
    """A Parquet file of a dataset, and what it belongs to."""

    path: str
    config: str = ""
    split: str = ""
    size: int | None = None
    checksum: str | None = None


class NoParquet(CurateError):
    """The hub has the dataset, but in no form that can be read without its library."""


def fetch_hub(name: HubName, downloads: Path, *, progress: Progress) -> Path:
    """A folder with the Parquet files of a dataset; the name of each begins with its split.

    A folder of this machine is taken as it is; `HF_ENDPOINT` may name a folder of such copies, or of the hub's cache.
    Downloads resume, are checked by the hub's SHA-256 and are not repeated. Progress is in megabytes.
    """
    local = _local_copy(name)
    target = downloads / folder_name(str(name))
    if local is not None:
        return local if name.config is None and name.split is None else _link_files(name, local, target)
    complete = target / "complete"
    if complete.exists() and (folder := target / complete.read_text().strip()).is_dir():
        return folder
    try:
        commit, files = _find(name)
    except RemoteError as problem:
        token = "" if os.environ.get("HF_TOKEN") else "; private and gated ones need HF_TOKEN in the environment"
        raise CurateError(
            f"hf:{name} could not be read at {_endpoint()} ({problem}): check the name and the network{token}; "
            f"{_OTHERWISE}"
        ) from problem
    folder = target / (re.sub(r"\W", "-", commit)[:12])
    _download(name, commit, files, folder, progress)
    write_atomic(complete, folder.name + "\n")
    return folder


def folder_name(source: str) -> str:
    """A readable name for a source, with a hash that keeps `a/b` and `a-b` apart.

    >>> folder_name("uoft-cs/cifar10")
    'uoft-cs-cifar10-e11c4d3e'
    """
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", source).strip("-.")[:80]
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _download(name: HubName, commit: str, files: list[_File], folder: Path, progress: Progress) -> None:
    total, done = sum(file.size or 0 for file in files), 0
    for file, target in zip(files, _file_names(files), strict=True):
        address = f"{_endpoint()}/datasets/{quote(name.repository)}/resolve/{quote(commit, safe='')}/{quote(file.path)}"

        def report(received: int, _: int, __: str, before: int = done) -> None:
            progress.report((before + received) // 1_000_000, total // 1_000_000, f"megabytes of {name}")

        wanted = Wanted(target, (address,), file.size, file.checksum)
        fetched = fetch_file(wanted, folder, secret=_secret(), progress=progress.through(report))
        done += fetched.path.stat().st_size
        report(0, 0, "", done)


def _find(name: HubName) -> tuple[str, list[_File]]:
    """The commit, and the Parquet files of the config and split of `name`."""
    revision = name.revision or "main"
    commit, card = _commit(name.repository, revision)
    files = _by_split(_tree(name.repository, commit), card.get("configs"))
    if not files and name.revision is None:
        try:
            commit, _ = _commit(name.repository, _CONVERTED)
            files = _by_split(_tree(name.repository, commit), None)
        except RemoteError as problem:
            if problem.status not in (401, 403, 404):
                raise
    if not files:
        raise NoParquet(f"hf:{name} has no Parquet files, and the hub has not converted all of it")
    return commit, _select_files(name, files)


def _commit(repository: str, revision: str) -> tuple[str, dict[str, Any]]:
    """The commit that a revision is now, and the dataset's card."""
    info, _ = _ask(f"datasets/{quote(repository)}/revision/{quote(revision, safe='')}")
    if not isinstance(info, dict):
        raise RemoteError("its answer is not the hub's")
    card = info.get("cardData")
    return str(info.get("sha") or revision), card if isinstance(card, dict) else {}


def _tree(repository: str, commit: str) -> list[_File]:
    """Every Parquet file of a commit, without its config and split."""
    files = []
    address: str | None = f"datasets/{quote(repository)}/tree/{quote(commit, safe='')}?recursive=true"
    while address:
        entries, address = _ask(address)
        for entry in entries if isinstance(entries, list) else []:
            path = str(entry.get("path", ""))
            # The hub converts only the beginning of a large dataset, to partial-*.
            if entry.get("type") == "file" and path.endswith(".parquet") and "/partial-" not in path:
                large = entry.get("lfs") or {}
                size, hash = large.get("size", entry.get("size")), large.get("oid")
                checksum = f"sha256:{hash}" if hash else None
                files.append(_File(path, size=size if isinstance(size, int) else None, checksum=checksum))
    return files


def _ask(address: str) -> tuple[Any, str | None]:
    """The answer of the hub, and the address of its next page."""

    def ask() -> tuple[bytes, str]:
        url = address if address.startswith("http") else f"{_endpoint()}/api/{address}"
        with open_http(url, secret=_secret()) as answer:
            return answer.raw.read(_MOST_LISTED), answer.headers.get("Link", "")

    data, link = patiently(ask)
    try:
        content = json.loads(data)
    except ValueError as problem:
        raise RemoteError("its answer is no JSON") from problem
    match = re.search(r"<([^>]+)>\s*;\s*rel=\"next\"", link)
    following = match[1] if match and urlsplit(match[1])[:2] == urlsplit(_endpoint())[:2] else None
    return content, following


def _by_split(files: list[_File], configs: Any) -> list[_File]:
    """The files with their config and split: as the card says, else by folders and names."""
    declared = [
        replace(file, config=config, split=split)
        for config, split, patterns in _declared(configs)
        for file in files
        if any(fnmatch.fnmatchcase(file.path, pattern) for pattern in patterns)
    ]
    return declared or [_by_layout(file) for file in files]


def _by_layout(file: _File) -> _File:
    folders = file.path.split("/")[:-1]
    if len(folders) >= 2:  # CONFIG/SPLIT/0000.parquet
        return replace(file, config=folders[0], split=folders[1])
    config = folders[0] if folders and folders[0] not in ("data", "default") else "default"
    return replace(file, config=config, split=split_of(file.path) or "train")


def _declared(configs: Any) -> Iterable[tuple[str, str, list[str]]]:
    """Config, split and patterns of paths that a dataset card declares, in each of the forms that it may."""
    for config in configs if isinstance(configs, list) else []:
        entries = config.get("data_files") if isinstance(config, dict) else None
        name = str(config.get("config_name", "default")) if isinstance(config, dict) else ""
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, dict):
                path, split = entry.get("path"), str(entry.get("split", "train"))
            else:
                path, split = entry, "train"
            patterns = [path] if isinstance(path, str) else path if isinstance(path, list) else []
            yield name, split, [str(pattern).removeprefix("./") for pattern in patterns]


def _select_files(name: HubName, files: list[_File]) -> list[_File]:
    configs = list(dict.fromkeys(file.config for file in files))
    config = name.config or (configs[0] if len(configs) == 1 else "default")
    if config not in configs:
        raise CurateError(
            f"hf:{name.repository} has the configs {listed(configs)}: name one, as hf:{name.repository}:{configs[0]}"
        )
    files = [file for file in files if file.config == config]
    splits = list(dict.fromkeys(file.split for file in files))
    if name.split is not None and name.split not in splits:
        raise CurateError(f"hf:{name.repository} has no split {name.split!r}: it has {listed(splits)}")
    return sorted(
        (file for file in files if name.split in (None, file.split)), key=lambda file: (file.split, file.path)
    )


def _file_names(files: list[_File]) -> list[str]:
    """A name for each file that begins with its split, as on the hub."""
    splits = [re.sub(r"\W", "_", file.split) for file in files]
    return [
        f"{split}-{splits[:position].count(split):05d}-of-{splits.count(split):05d}.parquet"
        for position, split in enumerate(splits)
    ]


def _local_copy(name: HubName) -> Path | None:
    """The folder that holds the dataset already: named itself, or below the mirror that `HF_ENDPOINT` is."""
    itself = user_path(name.repository)
    if itself.is_dir():
        return itself
    endpoint = os.environ.get("HF_ENDPOINT", "").removeprefix("file://")
    if endpoint and not endpoint.startswith("http"):
        mirror = user_path(endpoint)
        cached = mirror / f"datasets--{name.repository.replace('/', '--')}"
        reference = cached / "refs" / (name.revision or "main")
        commit = reference.read_text().strip() if reference.is_file() else name.revision or ""
        places = [mirror / "datasets" / name.repository, mirror / name.repository, cached / "snapshots" / commit]
        if (folder := next((place for place in places if place.is_dir()), None)) is not None:
            return folder
        raise CurateError(f"HF_ENDPOINT is the folder {mirror}, and it holds no {name.repository}: put a copy there")
    if itself.is_absolute():
        raise CurateError(f"hf:{name}: there is no such folder; give the hub's name of it, {_OTHERWISE}")
    return None


def _link_files(name: HubName, folder: Path, target: Path) -> Path:
    """A folder of links to the files of a local copy that belong to the config and split of `name`."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    if not paths:
        raise CurateError(f"{folder} holds no Parquet files to choose a config or split among: import it without them")
    files = _select_files(name, [_by_layout(_File(path)) for path in paths])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file, file_name in zip(files, _file_names(files), strict=True):
        link(target / file_name, (folder / file.path).absolute())
    return target


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def _secret() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}

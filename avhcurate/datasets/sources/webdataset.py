"""WebDataset: tar shards in which neighbouring files with the same stem are a sample."""

import glob
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES, SPLITS
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import listed, plain_values
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.remote import RemoteError, is_url
from avhcurate.workspace.disk.tars import Member, TarDamage, members, open_tar, read_member

#: Files next to an image that describe it; longer ones than this many bytes are not read.
_SIDECARS = ("cls", "txt", "json")
_MOST_SIDECAR = 1 << 20
_MOST_SHARDS = 100_000
#: Different fields in the JSON of all samples: each becomes a column.
_MOST_FIELDS = 200


@dataclass
class _Index:
    """Samples of all shards, as columns."""

    paths: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    def add(self, shard: str, image: Member | None, fields: dict[str, Any]) -> None:
        """Add a sample; a column begins with nulls for those before it."""
        if image is None:
            self.skipped["samples hold no image and were skipped"] += 1
            return
        path = f"{_name(shard)}/{_storable(image.name)}"
        if path in self.seen:
            self.skipped["samples repeat another of their shard and were skipped"] += 1
            return
        self.seen.add(path)
        for name, value in fields.items():
            if name not in self.columns and len(self.columns) >= _MOST_FIELDS:
                self.skipped[f"values of further fields than {_MOST_FIELDS} were left out"] += 1
                continue
            column = self.columns.setdefault(name, [])
            column.extend([None] * (len(self.paths) - len(column)))
            column.append(value)
        self.paths.append(path)
        self.files.append(shard)
        self.starts.append(image.start)
        self.sizes.append(image.size)
        self.splits.append(split_of_shard(shard))


def read_webdataset(pattern: str, options: ImportOptions) -> SourceTable:
    """Return one sample per image in the shards; nothing is extracted.

    Of other files only cls, txt and json are read. `cls` is the label, or the field of `json` and `txt` that
    `options.label_column` names. Of a damaged shard the samples before the damage are imported.
    """
    index = _Index()
    for shard in expand(pattern):
        with open_tar(shard) as stream:
            _index_shard(shard, stream, index)
    if not index.paths:
        raise CurateError(
            f"wds:{pattern} holds no images. A sample is KEY.jpg with KEY.cls or KEY.json next to it. "
            f"Problems: {listed(index.messages, 2)}."
        )
    return interpret(
        _table(index),
        options,
        paths=index.paths,
        files=index.files,
        rows=index.starts,
        splits=index.splits,
        kind="webdataset",
        evidence=[fingerprint_table(pa.table({"size": index.sizes}))],
        skipped=index.skipped.total(),
        messages=[*index.messages, *(f"{number} {what}" for what, number in index.skipped.items())],
    )


def expand(pattern: str) -> list[str]:
    """Return the shards of a pattern with braces, as `train-{000..099}.tar`, or with `*` on this machine; in order.

    >>> expand("https://x.org/a-{08..11}.tar")[::3]
    ['https://x.org/a-08.tar', 'https://x.org/a-11.tar']
    """
    shards = []
    for text in _braces(pattern):
        if is_url(text):
            shards.append(text)
            continue
        path = str(user_path(text).absolute())
        found = [path]
        if any(sign in path for sign in "*?["):
            found = sorted(glob.glob(path))
        shards += found
    if not shards:
        raise CurateError(f"No file matches {pattern}. Give wds:PATTERN, as wds:train-{{000..099}}.tar.")
    missing = [shard for shard in shards if not is_url(shard) and not Path(shard).is_file()]
    if missing:
        raise CurateError(f"{len(missing)} of {len(shards)} shards do not exist, first {missing[0]}.")
    if clash := [name for name, times in Counter(map(_name, shards)).items() if times > 1]:
        raise CurateError(f"Several shards have the name {clash[0]}. Import them one by one.")
    return shards


def _braces(pattern: str) -> list[str]:
    """
    >>> _braces("{a,b}-{9..10}")
    ['a-9', 'a-10', 'b-9', 'b-10']
    """
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        return [pattern]
    options: Iterable[str] = match[1].split(",")
    if numbers := re.fullmatch(r"(\d+)\.\.(\d+)", match[1]):
        counted = range(int(numbers[1]), int(numbers[2]) + 1)
        options = (str(number).zfill(len(numbers[1])) for number in counted)
    head, tail = pattern[: match.start()], pattern[match.end() :]
    shards: list[str] = []
    for option in options:
        shards += _braces(head + option + tail)
        if len(shards) > _MOST_SHARDS:
            raise CurateError(f"{pattern} names more than {_MOST_SHARDS} shards. Import a part of them.")
    return shards


def _index_shard(shard: str, stream: IO[bytes], index: _Index) -> None:
    """Add the samples of a shard; the last one before damage is added as far as it is known."""
    key, image, fields = "", None, dict[str, Any]()
    try:
        for member in members(stream, _name(shard)):
            folder, _, file = member.name.rpartition("/")
            stem, dot, extension = file.lower().partition(".")
            if not stem or not dot:  # hidden files
                continue
            if key != (here := member.name[: len(folder) + 1 + len(stem)]):
                if key:
                    index.add(shard, image, fields)
                key, image, fields = here, None, {}
            if f".{extension.rpartition('.')[2]}" in IMAGE_SUFFIXES:
                image = image or member
            elif extension in _SIDECARS and member.size <= _MOST_SIDECAR:
                fields |= _sidecar(stream, member, extension, index)
    except TarDamage as problem:
        index.messages.append(f"{problem}: its samples before that are imported")
    if key:
        index.add(shard, image, fields)


def _sidecar(stream: IO[bytes], member: Member, extension: str, index: _Index) -> dict[str, Any]:
    """Return the fields that a member describes its sample by: the plain ones of a JSON object, or its text."""
    at = stream.tell()
    try:
        text = read_member(stream, member.start, _MOST_SIDECAR).decode()
        if extension != "json":
            return {extension: text.strip()}
        content = json.loads(text)
        return {_storable(name): _storable(value) for name, value in content.items() if _is_plain(value)}
    except (ValueError, OSError, RemoteError, RecursionError, AttributeError):
        index.skipped[f"files .{extension} could not be read"] += 1
        return {}
    finally:
        stream.seek(at)


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) < 1 << 62
    return value is None or isinstance(value, str | float)


def _storable(value: Any) -> Any:
    """Return a value whose text a table can hold."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value


def _table(index: _Index) -> pa.Table:
    """Return a column for each field; one with values of several types is text."""
    columns = {}
    for name, values in index.columns.items():
        values = values + [None] * (len(index.paths) - len(values))
        texts = pa.array([None if value is None else str(value) for value in values], pa.string())
        if name == "cls":  # numbers if all are plain ones; 007 is a name
            columns[name] = plain_values(pa.chunked_array([texts]))
            if not pa.types.is_integer(columns[name].type):
                columns[name] = texts
            continue
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[name] = texts
    return pa.table(columns)


def split_of_shard(shard: str) -> str | None:
    """Return the split in the name or folder of a shard.

    >>> [split_of_shard(name) for name in ("/d/imagenet-train-000.tar", "/d/val/00.tar", "/d/00.tar")]
    ['train', 'val', None]
    """
    path = Path(shard)
    words = [*re.split(r"[^a-z]+", path.stem.casefold()), path.parent.name.casefold()]
    return next((word for word in words if word in SPLITS), None)


def _name(shard: str) -> str:
    if is_url(shard):
        shard = shard.partition("?")[0]
    return Path(shard).name

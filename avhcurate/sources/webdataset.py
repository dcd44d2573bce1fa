"""WebDataset: tar shards in which neighbouring files of one stem are a sample."""

import glob
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from avhcurate.disk.columns import listed, plain_values
from avhcurate.disk.files import user_path
from avhcurate.disk.fingerprints import fingerprint_table
from avhcurate.disk.remote import RemoteError, is_url
from avhcurate.disk.tars import Member, TarDamage, members, open_tar, read_member
from avhcurate.errors import CurateError
from avhcurate.sources.folder import IMAGE_SUFFIXES, SPLITS
from avhcurate.sources.source_table import ImportOptions, SourceTable, interpret

#: Files beside an image that describe it; more bytes than this are not read.
_SIDECARS = ("cls", "txt", "json")
_MOST_SIDECAR = 1 << 20
_MOST_SHARDS = 100_000
#: Different fields in the JSON of all samples: each becomes a column.
_MOST_FIELDS = 200
_SPLIT = re.compile(r"[^a-z]+")


@dataclass
class _Sample:
    """Neighbouring members of one key."""

    key: str
    image: Member | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Index:
    """Samples of all shards, as columns."""

    paths: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    def add(self, shard: str, path: str, split: str | None, image: Member, fields: dict[str, Any]) -> None:
        """One more sample; a column begins with nulls for those before it."""
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
        self.splits.append(split)


def read_webdataset(pattern: str, options: ImportOptions) -> SourceTable:
    """One sample an image in the shards; nothing is extracted, and of the other files only cls, txt and json are read.

    `cls` is the label, or the field that `options.label_column` names among those of `json` and `txt`. A shard that
    is damaged gives the samples before the damage.
    """
    index = _Index()
    seen: set[str] = set()
    for shard in expand(pattern):
        _index_shard(shard, index, seen)
    if not index.paths:
        why = f" ({listed(index.messages, 2)})" if index.messages else ""
        raise CurateError(f"wds:{pattern} holds no images{why}: a sample is KEY.jpg with KEY.cls or KEY.json beside it")
    messages = [*index.messages, *(f"{number} {what}" for what, number in index.skipped.items())]
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
        messages=messages,
    )


def expand(pattern: str) -> list[str]:
    """The shards of a pattern with braces, as `train-{000..099}.tar`, or with `*` on this machine; in order.

    >>> expand("https://x.org/a-{08..11}.tar")[::3]
    ['https://x.org/a-08.tar', 'https://x.org/a-11.tar']
    """
    places = [str(user_path(text).absolute()) if not is_url(text) else text for text in _braces(pattern)]
    shards = []
    for place in places:
        local_glob = not is_url(place) and any(sign in place for sign in "*?[")
        shards += sorted(glob.glob(place)) if local_glob else [place]
    if not shards:
        raise CurateError(f"no file matches {pattern}: give wds:PATTERN, as wds:train-{{000..099}}.tar")
    missing = [shard for shard in shards if not is_url(shard) and not Path(shard).is_file()]
    if missing:
        raise CurateError(f"{len(missing)} of {len(shards)} shards do not exist, first {missing[0]}: check the pattern")
    if clash := [name for name, times in Counter(map(_name, shards)).items() if times > 1]:
        raise CurateError(f"several shards are called {clash[0]}: import them one by one")
    return shards


def _braces(pattern: str) -> list[str]:
    """
    >>> _braces("{a,b}-{9..10}")
    ['a-9', 'a-10', 'b-9', 'b-10']
    """
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        return [pattern]
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if numbers:
        first, last = int(numbers[1]), int(numbers[2])
        if last - first >= _MOST_SHARDS:
            raise CurateError(f"{{{match[1]}}} are more than {_MOST_SHARDS} shards: import a part of them")
        options = [str(number).zfill(len(numbers[1])) for number in range(first, last + 1)]
    else:
        options = match[1].split(",")
    head, tail = pattern[: match.start()], pattern[match.end() :]
    shards = [text for option in options for text in _braces(head + option + tail)]
    if len(shards) > _MOST_SHARDS:
        raise CurateError(f"{pattern} are more than {_MOST_SHARDS} shards: import a part of them")
    return shards


def _index_shard(shard: str, index: _Index, seen: set[str]) -> None:
    name = _name(shard)
    split = split_of_shard(shard)
    with open_tar(shard) as stream:
        try:
            for sample in _samples(stream, name, index):
                if sample.image is None:
                    index.skipped["samples hold no image and were skipped"] += 1
                    continue
                path = f"{name}/{sample.image.name}"
                if path in seen:
                    index.skipped["samples repeat another of their shard and were skipped"] += 1
                    continue
                seen.add(path)
                index.add(shard, path, split, sample.image, sample.fields)
        except TarDamage as problem:
            index.messages.append(f"{problem}: its samples before that are imported")


def _samples(stream: IO[bytes], shard: str, index: _Index) -> Iterator[_Sample]:
    """Samples in order; the last one before damage is given too, so far as it is known."""
    sample: _Sample | None = None
    damage: TarDamage | None = None
    try:
        for member in members(stream, shard):
            folder, _, file = member.name.rpartition("/")
            stem, dot, extension = file.partition(".")
            if not stem or not dot:  # hidden files
                continue
            key = f"{folder}/{stem}"
            if sample is not None and sample.key != key:
                yield sample
            if sample is None or sample.key != key:
                sample = _Sample(key)
            _add_member(sample, member, extension.lower(), stream, index)
    except TarDamage as problem:
        damage = problem
    if sample is not None:
        yield sample
    if damage is not None:
        raise damage


def _add_member(sample: _Sample, member: Member, extension: str, stream: IO[bytes], index: _Index) -> None:
    """Adds a member to its sample, as the image or as fields."""
    if f".{extension.rpartition('.')[2]}" in IMAGE_SUFFIXES:
        if sample.image is None and _storable(member.name):
            sample.image = member
    elif extension in _SIDECARS and member.size <= _MOST_SIDECAR:
        at = stream.tell()
        try:
            text = read_member(stream, member.start, _MOST_SIDECAR).decode()
            sample.fields |= _fields(text) if extension == "json" else {extension: text.strip()}
        except (ValueError, OSError, RemoteError, RecursionError):
            index.skipped[f"files .{extension} could not be read"] += 1
        stream.seek(at)


def _fields(text: str) -> dict[str, Any]:
    """The plain fields of a JSON object."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("no object")
    fields = {
        name: value
        for name, value in content.items()
        if value is None or isinstance(value, str | bool | float) or (isinstance(value, int) and abs(value) < 1 << 62)
    }
    if not all(_storable(text) for text in [*fields, *fields.values()] if isinstance(text, str)):
        raise ValueError("no Unicode")
    return fields


def _table(index: _Index) -> pa.Table:
    """A column a field; one of several types is text."""
    columns = {name: values + [None] * (len(index.paths) - len(values)) for name, values in index.columns.items()}
    return pa.table({name: _labels(values) if name == "cls" else _column(values) for name, values in columns.items()})


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _labels(values: list[Any]) -> pa.Array | pa.ChunkedArray:
    """Labels as numbers where all are plain ones, else as they are written: 007 is a name."""
    texts = pa.array([None if value is None else str(value) for value in values], pa.string())
    numbers = plain_values(pa.chunked_array([texts]))
    return numbers if pa.types.is_integer(numbers.type) else _column(values)


def split_of_shard(shard: str) -> str | None:
    """The split in the name or folder of a shard.

    >>> [split_of_shard(name) for name in ("/d/imagenet-train-000.tar", "/d/val/00.tar", "/d/00.tar")]
    ['train', 'val', None]
    """
    path = Path(shard)
    words = [*_SPLIT.split(path.stem.casefold()), path.parent.name.casefold()]
    return next((word for word in words if word in SPLITS), None)


def _name(shard: str) -> str:
    return Path(shard.partition("?")[0] if is_url(shard) else shard).name


def _storable(text: str) -> bool:
    """Whether a table can hold the text: a name that is no UTF-8 and half a surrogate pair of JSON it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

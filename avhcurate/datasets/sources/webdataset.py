"""WebDataset: tar shards in which neighbouring files with the same stem are a sample."""

import glob
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, product
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES, split_of
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import listed, plain_values, tags_text
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.json_text import parsed
from avhcurate.workspace.disk.remote import RemoteError, is_url
from avhcurate.workspace.disk.tars import Member, TarDamage, members, open_tar, read_member

#: Files next to an image that describe it; longer ones than this many bytes are not read.
_SIDECARS = ("cls", "txt", "json")
_MOST_SIDECAR = 1 << 20
_MOST_SHARDS = 100_000
#: Different fields in the JSON of all samples: each becomes a column.
_MOST_FIELDS = 200
#: How the columns of these fields begin, next to those of the places.
_FIELD = "field "


def read_webdataset(pattern: str, options: ImportOptions) -> SourceTable:
    """Return one sample per image in the shards; nothing is extracted.

    Of other files only cls, txt and json are read. `cls` is the label, or the field of `json` and `txt` that
    `options.label_column` names. Of a damaged shard the samples before the damage are imported.
    """
    read = fields_of_shards(expand(pattern), f"wds:{pattern}")
    return interpret(
        pa.table({name: plain_values(read.fields[name]) for name in read.fields.column_names}),
        options,
        read.samples.assign(split=read.samples["_file"].map(split_of)),
        kind="webdataset",
        evidence=read.evidence,
        skipped=read.skipped,
        messages=read.messages,
    )


@dataclass(frozen=True)
class ShardFields:
    """The samples of shards, `path, _file, _row, size` (N), with the fields that describe them as texts."""

    samples: pd.DataFrame
    fields: pa.Table
    evidence: list[str]
    skipped: int
    messages: list[str]


def fields_of_shards(shards: Sequence[str], title: str) -> ShardFields:
    """Return the samples of shards and the texts next to their images."""
    skipped = Counter[str]()
    messages = list[str]()
    names = list[str]()
    frames = list[pd.DataFrame]()
    for shard in shards:
        with open_tar(shard) as stream:
            frames.append(pd.DataFrame(_samples(shard, stream, skipped, messages, names)))
    samples = pd.concat(frames, ignore_index=True)
    if samples.empty:
        raise CurateError(
            f"{title} holds no images. An image is KEY.jpg with KEY.cls or KEY.json next to it. "
            f"Problems: {listed(messages, 2)}."
        )
    repeated = samples["path"].duplicated()
    skipped["images repeat another of their shard and were skipped"] = int(repeated.sum())
    samples = samples[~repeated]
    columns = {name: pa.array(samples[_FIELD + name], pa.string()) for name in names}
    return ShardFields(
        samples,
        pa.table(columns),
        evidence=[fingerprint_table(pa.table({"size": samples["size"]}))],
        skipped=skipped.total(),
        messages=[*messages, *(f"{number} {kind}" for kind, number in skipped.items() if number)],
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
        shards += sorted(glob.glob(path)) or [path]
    missing = [shard for shard in shards if not is_url(shard) and not Path(shard).is_file()]
    if missing:
        raise CurateError(
            f"{len(missing)} of {len(shards)} shards do not exist, first {missing[0]}. Give wds:PATTERN, as "
            "wds:train-{000..099}.tar."
        )
    if clash := [name for name, times in Counter(map(_name, shards)).items() if times > 1]:
        raise CurateError(f"Several shards have the name {clash[0]}. Import them one by one.")
    return shards


def _braces(pattern: str) -> list[str]:
    """
    >>> _braces("{a,b}-{9..10}")
    ['a-9', 'a-10', 'b-9', 'b-10']
    """
    choices = [[part] for part in re.split(r"\{([^{}]*)\}", pattern)]
    for position, (text,) in list(enumerate(choices))[1::2]:
        choices[position] = text.split(",")
        if numbers := re.fullmatch(r"(\d+)\.\.(\d+)", text):
            first, last = map(int, numbers.groups())
            counted = range(first, min(last, first + _MOST_SHARDS) + 1)
            choices[position] = [str(number).zfill(len(numbers[1])) for number in counted]
    shards = ["".join(parts) for parts in islice(product(*choices), _MOST_SHARDS + 1)]
    if len(shards) > _MOST_SHARDS:
        raise CurateError(f"{pattern} names more than {_MOST_SHARDS} shards. Import a part of them.")
    return shards


def _samples(
    shard: str, stream: IO[bytes], skipped: Counter[str], messages: list[str], names: list[str]
) -> Iterator[dict[str, str | int]]:
    """Yield where the image of each sample is, with the texts that describe it, whose names are added to `names`."""
    for _, files in groupby(_files(shard, stream, messages), itemgetter(0)):
        image = None
        fields = dict[str, str]()
        for _, extension, member in files:
            if f".{extension.rpartition('.')[2]}" in IMAGE_SUFFIXES:
                image = image or member
            elif extension in _SIDECARS and member.size <= _MOST_SIDECAR:
                fields |= _sidecar(stream, member, extension, skipped)
        if image is None:
            skipped["keys hold no image and were skipped"] += 1
        else:
            names += [name for name in fields if name not in names][: _MOST_FIELDS - len(names)]
            described = {_FIELD + name: text for name, text in fields.items() if name in names}
            skipped["values of further fields were left out"] += len(fields) - len(described)
            path = f"{_name(shard)}/{_storable(image.name)}"
            yield {"path": path, "_file": shard, "_row": image.start, "size": image.size, **described}


def _files(shard: str, stream: IO[bytes], messages: list[str]) -> Iterator[tuple[tuple[str, str], str, Member]]:
    """Yield the key and the extension of each member; those before damage, and a message about it."""
    try:
        for member in members(stream, _name(shard)):
            folder, _, file = member.name.rpartition("/")
            stem, dot, extension = file.partition(".")
            if stem and dot:  # not hidden
                yield (folder, stem), extension.lower(), member
    except TarDamage as problem:
        messages.append(f"{problem}: its images before that are imported")


def _sidecar(stream: IO[bytes], member: Member, extension: str, skipped: Counter[str]) -> dict[str, str]:
    """Return the texts that a member describes its sample by: the plain values of a JSON object, or itself."""
    at = stream.tell()
    try:
        text = read_member(stream, member.start, _MOST_SIDECAR).decode()
        if extension != "json":
            return {extension: text.strip()}
        fields = {name: tags_text(value) if _is_tags(name, value) else value for name, value in parsed(text).items()}
        plain = {name: value for name, value in fields.items() if isinstance(value, str | int | float)}
        return {_storable(name): _storable(value) for name, value in plain.items()}
    except (ValueError, OSError, RemoteError, AttributeError):
        skipped[f"files .{extension} could not be read"] += 1
        return {}
    finally:
        stream.seek(at)


def _is_tags(name: str, value: Any) -> bool:
    return name == "tags" and isinstance(value, list) and all(isinstance(tag, str) for tag in value)


def _storable(value: str | float) -> str:
    """Return a text that a table can hold."""
    return str(value).encode(errors="replace").decode()


def _name(shard: str) -> str:
    if is_url(shard):
        shard = shard.partition("?")[0]
    return Path(shard).name

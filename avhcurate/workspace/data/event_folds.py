"""What stands about each sample after all that people decided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from avhcurate.workspace.data.class_lists import class_number
from avhcurate.workspace.data.event import IMPORT_LABELS

#: The columns of what stands about samples: their path and tags, the number of their curated label, null without one.
DECIDED = pa.schema(
    {"path": pa.string(), "tags": pa.list_(pa.string()), "curated_label": pa.int64(), "excluded": pa.bool_()}
)


@dataclass(slots=True)
class _Decided:
    """What stands about a sample after some events; the reasons of an exclusion are tags until it is included again."""

    tags: tuple[str, ...] = ()
    reasons: tuple[str | None, ...] = ()
    label: str | None = None
    excluded: bool = False

    def follow(self, action: str, value: str | None) -> None:
        """Take the next event into account."""
        if action == "tag":
            self.tags = (*self.tags, str(value))
        elif action == "untag":
            self.tags = tuple(tag for tag in self.tags if tag != value)
            self.reasons = tuple(tag for tag in self.reasons if tag != value)
        elif action == "exclude":
            self.excluded = True
            self.reasons = (*self.reasons, value)
        elif action == "include":
            self.excluded = False
            self.reasons = ()
        elif action in ("relabel", IMPORT_LABELS):
            self.label = value


def fold(
    events: Iterable[Sequence[Any]],
    classes: Sequence[str],
    paths: Sequence[str] = (),
    *,
    names: Mapping[str, str] = MappingProxyType({}),
) -> pa.Table:
    """Return what stands after events `action, value, path`, oldest first, as `DECIDED`: a row for each sample that
    they are about, and for each of `paths`, first. `names`: what classes that had another name are called today.

    >>> events = [("tag", "blurred", "a"), ("exclude", "dark", "a"), ("include", None, "a")]
    >>> fold(events, []).to_pylist()
    [{'path': 'a', 'tags': ['blurred'], 'curated_label': None, 'excluded': False}]
    """
    samples = {path: _Decided() for path in paths}
    for action, value, path in events:
        samples.setdefault(path, _Decided()).follow(action, value)
    labels = {sample.label for sample in samples.values() if sample.label is not None}
    numbers: dict[str | None, int | None] = {label: class_number(names.get(label, label), classes) for label in labels}
    return pa.table(
        {
            "path": list(samples),
            "tags": [sorted({*sample.tags, *filter(None, sample.reasons)}) for sample in samples.values()],
            "curated_label": [numbers.get(sample.label) for sample in samples.values()],
            "excluded": [sample.excluded for sample in samples.values()],
        },
        schema=DECIDED,
    )

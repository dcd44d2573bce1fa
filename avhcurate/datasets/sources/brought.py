"""Decisions that come with a source: curated labels, tags and exclusions of an export, entries of the history here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avhcurate.workspace.data.event import IMPORT_LABELS
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.disk.json_text import json_text


@dataclass(frozen=True)
class Brought:
    """What people had decided: `labels`, the name of the class by path, `tags`, paths by tag, and `excluded` paths.

    `source` names the file, in the history.
    """

    source: str
    labels: dict[str, str] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)

    @classmethod
    def of_tags(cls, source: str, paths: Iterable[str], tags: Iterable[Sequence[str]]) -> "Brought":
        return cls(source, tags=by_tag(paths, tags))

    @property
    def evidence(self) -> str:
        """Changes with the decisions."""
        return json_text([sorted(self.labels.items()), sorted(self.tags.items()), self.excluded])

    @property
    def messages(self) -> list[str]:
        """What is brought, in words."""
        tagged = {path for paths in self.tags.values() for path in paths}
        counts = {"new labels": len(self.labels), "tagged images": len(tagged), "exclusions": len(self.excluded)}
        parts = [f"{number} {title}" for title, number in counts.items() if number]
        if not parts:
            return []
        return [f"{', '.join(parts)} come as entries of the history, which can be undone"]

    def write(self, root: Path, dataset: str) -> None:
        """Write the decisions, all or none, into the log of a workspace, unless it has any of the dataset.

        So they are there also where an import was killed before, and what people have decided since stays.
        """
        if not (self.labels or self.tags or self.excluded):
            return
        log = open_events(root)
        if log.version(dataset):
            return
        acts: list[tuple[str, str | None, Sequence[str], Sequence[str] | None]] = []
        if self.labels:
            acts.append((IMPORT_LABELS, self.source, list(self.labels), list(self.labels.values())))
        acts += [("tag", tag, paths, None) for tag, paths in sorted(self.tags.items())]
        if self.excluded:
            acts.append(("exclude", None, self.excluded, None))
        log.annotate_all(dataset, acts)


def by_tag(paths: Iterable[str], tags: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Return the paths of each tag.

    >>> by_tag(["a", "b"], [["odd"], ["odd", "dark"]])
    {'odd': ['a', 'b'], 'dark': ['b']}
    """
    found = defaultdict[str, list[str]](list)
    for path, names in zip(paths, tags, strict=True):
        for name in names:
            found[name].append(path)
    return dict(found)

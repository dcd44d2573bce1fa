"""Decisions of people about the samples of a dataset, from Python: tags, corrected labels, exclusions, undo."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from avhcurate.datasets.curate import annotations
from avhcurate.notebook.opened import OpenedDataset
from avhcurate.notebook.samples import Samples, chosen

if TYPE_CHECKING:
    from avhcurate.datasets.curate.label_files import LabelCounts


class DecidedDataset(OpenedDataset):
    """A dataset about whose samples people decide; see `avhcurate.notebook.dataset.Dataset`."""

    def tag(self, samples: Samples, tag: str) -> int:
        """Tag samples and return how many; see the class for what `samples` may be.

        Raises CurateError without a sample, and for a tag that is empty, long or not printable.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.tag("hsf < 0.4", "odd"), digits.untag([69], "odd")
        (5, 1)
        >>> digits.undo(), digits.undo()
        ('untag odd', 'tag odd')
        """
        return self._decide(samples, "tag", tag)

    def untag(self, samples: Samples, tag: str) -> int:
        """Remove a tag from samples; the reverse of `tag`.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.tag(3, "odd"), digits.untag(3, "odd"), len(digits.frame("list_contains(tags, 'odd')"))
        (1, 1, 0)
        """
        return self._decide(samples, "untag", tag)

    def relabel(self, samples: Samples, label: str | int | None) -> int:
        """Correct the label of samples, by the class's name or index; None restores the given one.

        The given label stays in `label`; `curated_label` and `curated_label_name` change. Raises CurateError for an
        unknown class.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.relabel(digits.frame("id IN (5, 7)"), "3")
        2
        >>> digits.undo()
        'relabel 3'
        """
        value = label
        if label is not None:
            value = annotations.class_index(self.sample_table, label)
        return self._decide(samples, "relabel", value)

    def relabel_from(self, labels: str | os.PathLike[str] | pd.DataFrame) -> "LabelCounts":
        """Correct labels as a table says: CSV, Parquet, JSON of a tool or a DataFrame; one undo reverts all of them.

        A row names its sample by `path` or `id` and its class by `label_name` or `label`. Returns the counts `applied,
        same, unknown_path, unknown_class, ...`. Raises CurateError where nothing can be used; nothing is written then.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> print(digits.relabel_from(pd.DataFrame({"path": ["000.png", "gone.png"], "label_name": ["7", "7"]})))
        1 applied, 1 unknown path
        >>> digits.undo()
        'import labels the table'
        """
        from avhcurate.datasets.curate.label_files import relabel_from

        if not isinstance(labels, pd.DataFrame):
            labels = Path(labels)
        counts = relabel_from(self.sample_table, labels)
        self._show_decided()
        return counts

    def exclude(self, samples: Samples, reason: str | None = None) -> int:
        """Leave samples out of views, statistics and exports, until `include` or `undo`; `reason` is a tag till then.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.exclude("avh > 0.06", reason="too hard"), len(digits.frame("TRUE"))
        (2, 118)
        >>> digits.undo()
        'exclude too hard'
        """
        return self._decide(samples, "exclude", reason)

    def include(self, samples: Samples) -> int:
        """Include excluded samples again.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.exclude([1, 2]), digits.include("TRUE"), len(digits.frame("TRUE"))
        (2, 2, 120)
        """
        return self._decide(samples, "include", excluded=True)

    def undo(self) -> str | None:
        """Undo your newest tag, relabel or exclusion and return what it was; None where there is nothing.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.tag([1, 2], "blurred"), digits.undo()
        (2, 'tag blurred')
        """
        entry = annotations.undo(self.sample_table)
        self._show_decided()
        if entry is None:
            return None
        return f"{entry.action} {entry.value or ''}".strip()

    def _decide(self, samples: Samples, action: str, value: str | int | None = None, *, excluded: bool = False) -> int:
        table = self.sample_table
        count = annotations.annotate(table, chosen(table, samples, excluded=excluded), action, value)
        self._show_decided()
        return count

    def _show_decided(self) -> None:
        for grid in self.grids:
            grid.update()

    def diff(self, other: "str | int | OpenedDataset" = 0) -> pd.DataFrame:
        """Return what changed from another state until now, a row each: `kind, id, path, before, after, who, at, why`.

        `other` is the number of an entry of the history (0: as it was imported), another dataset, DATASET@ENTRY, or an
        exported label file. `attrs` has the counts of each kind, classes, accuracy, suspects and scores.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.relabel(5, "3")
        1
        >>> digits.diff()[["kind", "id", "before", "after", "why"]].to_dict("records")
        [{'kind': 'relabelled', 'id': 5, 'before': '5', 'after': '3', 'why': 'relabelled as 3'}]
        >>> digits.undo()
        'relabel 3'
        """
        from avhcurate.features.saved import diff_service

        now = diff_service.state_of(self.sample_table)
        if isinstance(other, OpenedDataset):
            before = diff_service.state_of(other.sample_table)
        elif isinstance(other, int):
            before = diff_service.earlier(now, other)
        else:
            before, _ = diff_service.states(self.workspace, other, self.name)
        difference = diff_service.diff(before, now)
        difference.changes.attrs.update(difference.result())
        return difference.changes

"""What people decide about the samples of a dataset, what they saved, and how both are undone."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from avhcurate.datasets.curate import annotations, locked
from avhcurate.errors import CurateError
from avhcurate.notebook.opened import OpenedDataset
from avhcurate.notebook.samples import Samples, selected, selected_ids
from avhcurate.workspace.data.event import LOCK

if TYPE_CHECKING:
    from avhcurate.datasets.curate.label_files import LabelCounts


class DecidedDataset(OpenedDataset):
    """A dataset about whose samples people decide."""

    def tag(self, samples: Samples, tag: str) -> int:
        """Tag images and return how many; see the class for what `samples` may be.

        Raises CurateError without an image, and for a tag that is empty, long or not printable.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.tag("hsf < 0.4", "odd"), digits.untag([69], "odd")
        (5, 1)
        >>> digits.undo(), digits.undo()
        ('untag odd', 'tag odd')
        """
        return self._decide(samples, "tag", tag)

    def untag(self, samples: Samples, tag: str) -> int:
        """Remove a tag from images; the reverse of `tag`.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.tag(3, "odd"), digits.untag(3, "odd"), len(digits.frame("list_contains(tags, 'odd')"))
        (1, 1, 0)
        """
        return self._decide(samples, "untag", tag)

    def relabel(self, samples: Samples, label: str | int | None) -> int:
        """Correct the label of images, by the class's name or index; None restores the given one.

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
            value = annotations.class_index(self.opened.samples, label)
        return self._decide(samples, "relabel", value)

    def relabel_from(self, labels: str | os.PathLike[str] | pd.DataFrame) -> "LabelCounts":
        """Correct labels as a table says: CSV, Parquet, JSON of a tool or a DataFrame; one undo reverts all of them.

        A row names its image by `path` or `id` and its class by `label_name` or `label`. Returns the counts `applied,
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
        counts = relabel_from(self.opened.decisions, labels)
        self._show_decided()
        return counts

    def rename_class(self, old: str, new: str) -> list[str]:
        """Give a class another name and return the classes; `avhcurate classes NAME --undo` takes it back.

        >>> import avhcurate
        >>> avhcurate.example(fresh=True).rename_class("0", "nought")[:2]
        ['nought', '1']
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.datasets.curate import classes

        classes.rename(self.opened.decisions, self.workspace, old, new)
        return self.classes

    def exclude(self, samples: Samples, reason: str | None = None) -> int:
        """Leave images out of views, statistics and exports, until `include` or `undo`; `reason` is a tag till then.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.exclude("avh > 0.06", reason="too hard"), len(digits.frame("TRUE"))
        (2, 118)
        >>> digits.undo()
        'exclude too hard'
        """
        return self._decide(samples, "exclude", reason)

    def include(self, samples: Samples) -> int:
        """Include excluded images again.

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
        entry = annotations.undo(self.opened.decisions)
        self._show_decided()
        if entry is None:
            return None
        return f"{entry.action} {entry.value or ''}".strip()

    def history(self, *, who: str | None = None, sample: int | None = None, limit: int = 50) -> pd.DataFrame:
        """Return who decided what and when, newest first: `key, who, action, value, samples, undone_by, at`.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.tag([1, 2], "odd"), digits.history()[["action", "value", "samples"]].values.tolist()[0]
        (2, ['tag', 'odd', 2])
        >>> digits.undo()
        'tag odd'
        """
        from avhcurate.datasets.curate.history import history_entries

        entries, _ = history_entries(self.opened.decisions, who=who, sample=sample, limit=limit)
        names = ["key", "who", "action", "value", "samples", "undone_by", "at"]
        return pd.DataFrame([[getattr(entry, name) for name in names] for entry in entries], columns=names)

    def saved(self, save_set: str | None = None, samples: Samples | None = None) -> pd.DataFrame:
        """Return the saved sets: `set, samples, who, at`. With `save_set` the `samples` are saved under this name.

        >>> import avhcurate
        >>> digits = avhcurate.example(fresh=True)
        >>> digits.saved("odd", [1, 2])[["set", "samples"]].values.tolist()
        [['odd', 2]]
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.datasets.curate.saved import Saved

        store = Saved(self.workspace, self.name)
        if save_set is not None:
            if samples is None:
                raise CurateError(f"The set {save_set} has no images. Give them.")
            store.save_set(save_set, selected_ids(self.opened.samples, samples))
        rows = [[entry.name, entry.samples, entry.who, entry.at] for entry in store.sets()]
        return pd.DataFrame(rows, columns=["set", "samples", "who", "at"])

    def votes_out(self, out: str | os.PathLike[str], format: str | None = None, *, force: bool = False) -> int:
        """Write every answer behind HSF to a .csv, or counts to a .parquet file, and return how many answers.

        `format`: label-studio writes a folder of the images with votes, and returns how many images.
        """
        from avhcurate.features.annotate.vote_files import votes_out

        return votes_out(self.opened, Path(out), format, force=force)

    def annotators(self, *, pairs: bool = False) -> pd.DataFrame:
        """Return a row per annotator who answered under a name: answers, controls right, agreement, accuracy, speed.

        With `pairs` one for each two with images in common: `first, second, n`, the share of equal answers as
        `agreement, low, high`, and Cohen's `kappa, kappa_low, kappa_high`. Raises CurateError where nobody has answered
        under a name.
        """
        from avhcurate.features.annotate import annotators, consensus

        votes = self.opened.votes
        design = annotators.design_of(votes)
        if pairs:
            return annotators.annotator_pairs(annotators.vote_quality(votes, design))
        return consensus.with_accuracy(votes, annotators.vote_quality(votes, design))

    def consensus(self, *, people: bool = False) -> pd.DataFrame:
        """Weigh people, and the network unless `people`: `id, path, consensus_label, consensus, consensus_of, answers`.

        A row an image with answers; the columns stay in the table. `consensus` is how probable it is that the label is
        right, `consensus_of` people, both, or network, which then outvoted most people. HSF stays the share of people.
        Raises CurateError without answers that name a class.

        >>> import avhcurate
        >>> rows = avhcurate.example().consensus(people=True)
        >>> rows["consensus_of"].unique().tolist(), bool(rows["consensus"].between(0, 1).all())
        (['people'], True)
        """
        from avhcurate.features.annotate import consensus

        consensus.find_consensus(self.opened.votes, self.opened.run, people=people)
        return consensus.consensus_table(self.opened.samples)

    def lock(self, share: float | None = None, where: str = "", *, groups: str | None = None, seed: int = 0) -> int:
        """Lock a part, whose labels nothing learns from, to judge decisions by; return how many.

        By default a fifth of each class, drawn by chance, or all images that satisfy `where`; with a share that much,
        drawn among these. Copies that `quality` knows, and images of one value of the column `groups`, are locked
        together or not at all.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.lock(), digits.frame("locked").groupby("label").size().unique().tolist()
        (24, [2, 3])
        >>> digits.unlock()
        'lock'
        """
        return locked.lock(
            self.opened.decisions, self.opened.run, share=share, where=where, groups=groups, seed=seed
        ).samples

    def unlock(self) -> str | None:
        """Undo your lock; what is computed from then on learns from all labels."""
        entry = annotations.undo(self.opened.decisions, actions=[LOCK])
        if entry is None:
            return None
        return entry.action

    def _decide(self, samples: Samples, action: str, value: str | int | None = None, *, excluded: bool = False) -> int:
        opened = self.opened
        count = annotations.annotate(
            opened.decisions, selected(opened.samples, samples, excluded=excluded), action, value
        )
        self._show_decided()
        return count

    def _show_decided(self) -> None:
        for grid in self.grids:
            grid.update()

    def diff(self, other: "int | str | os.PathLike[str] | pd.DataFrame | OpenedDataset" = 0) -> pd.DataFrame:
        """Return what people changed since an entry of the history: `kind, id, path, before, after, who, at, why`.

        0 is the import. `attrs` has the counts of each kind, classes and suspects. `other` may also be another dataset,
        or labels as a DataFrame or a file (CSV, Parquet, JSON lines): then what differs from them now, as
        `kind, path, before, after`, with counts by pair of classes in `attrs`.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.relabel(5, "3")
        1
        >>> digits.diff()[["kind", "id", "before", "after", "why"]].to_dict("records")
        [{'kind': 'relabelled', 'id': 5, 'before': '5', 'after': '3', 'why': 'relabelled as 3'}]
        >>> digits.undo()
        'relabel 3'
        """
        from avhcurate.datasets.curate.label_lists import read_label_list
        from avhcurate.features.saved.diff_service import diff
        from avhcurate.features.saved.label_diff_service import compare_labels, labels_named, labels_of

        if isinstance(other, int):
            difference = diff(self.opened, other)
            difference.changes.attrs.update(difference.result())
            return difference.changes
        if isinstance(other, OpenedDataset):
            labels = labels_of(other.opened.decisions, other.opened.run)
        elif isinstance(other, pd.DataFrame):
            labels = read_label_list(other)
        else:
            labels = labels_named(self.workspace, os.fspath(other))
        differences = compare_labels(labels, labels_of(self.opened.decisions, self.opened.run))
        differences.changes.attrs.update(differences.result())
        return differences.changes

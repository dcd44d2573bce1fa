"""A dataset that is read, and about whose samples people decide; kept up to date with what any process adds."""

import base64
import functools
import inspect
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload
from weakref import WeakSet

import numpy as np
import pandas as pd
from PIL import Image

from avhcurate.datasets.curate import annotations, locked
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.errors import CurateError
from avhcurate.notebook.errors import python_words, variable_of
from avhcurate.notebook.guesses import no_such
from avhcurate.notebook.samples import Samples, chosen, chosen_ids, picture
from avhcurate.workspace.data import background
from avhcurate.workspace.data.events import LOCK
from avhcurate.workspace.data.settings import VerbSettings
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.disk.json_text import records
from avhcurate.workspace.images.decoding import encode_thumbnail

_Settings = TypeVar("_Settings", bound=VerbSettings)
#: Images of a dataset that a notebook shows, and samples that are read at once.
_IMAGES = 12
_ROWS = 10_000
_TILE = (
    '<figure style="display:inline-block;margin:4px"><img src="data:image/jpeg;base64,{data}" alt="{caption}" '
    'style="height:96px"><figcaption><small>{caption}</small></figcaption></figure>'
)


class OpenedDataset:
    """A dataset of a workspace with one model run; see `avhcurate.notebook.dataset.Dataset`."""

    def __init__(self, workspace: Workspace, name: str, model: str | None = None) -> None:
        self.workspace = workspace
        self.name = name
        self._model = model
        self._opened: tuple[str, OpenDataset] | None = None
        self.grids: WeakSet[Any] = WeakSet()  # each of which shows, by `update`, what is decided here
        _ = self.opened  # an unknown name or model is refused here

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process opens the same: workspace, name, and the run that this is open on."""
        return type(self), (Workspace(self.workspace.root.absolute()), self.name, self._run_name())

    def __repr__(self) -> str:
        opened = self.opened
        record = opened.dataset.record
        votes = opened.samples.votes
        run = opened.run
        answers = "no votes"
        scored = "not scored yet"
        if votes:
            kind = "simulated" if votes.simulated else "human"
            answers = f"{votes.total:,} {kind} votes"
        if run:
            scored = f"scored by {run.record.model}"
        size = f"{record.samples:,} images of {len(opened.samples.classes)} classes"
        return f"Dataset {self.name}: {size}, {answers}, {scored}"

    def _repr_html_(self) -> str:
        """Return the counts and a few images, the hardest first, for a notebook."""
        from avhcurate.features.report.service import caption_of

        opened = self.opened
        tiles = []
        order: dict[str, Any] = {"sort": opened.samples.hardness, "descending": True} if opened.run else {}
        for id in opened.samples.page(limit=_IMAGES, columns=["id"], **order)["id"].tolist():
            caption = escape(caption_of(opened.samples.sample(id), ["hsf", opened.samples.hardness]))
            with suppress(CurateError):
                encoded = opened.dataset.thumbnails.get(id) or encode_thumbnail(np.asarray(self.image(id)))
                data = base64.b64encode(encoded).decode()
                tiles.append(_TILE.format(data=data, caption=f"{id}: {caption}"))
        return f"<p>{escape(repr(self))}</p>{''.join(tiles)}"

    def __len__(self) -> int:
        return self.opened.samples.size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield every sample by id, as a record."""
        for start in range(0, len(self), _ROWS):
            yield from records(self[start : start + _ROWS])

    @overload
    def __getitem__(self, samples: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, samples: str) -> pd.Series: ...
    @overload
    def __getitem__(self, samples: slice | Filters | pd.DataFrame | Iterable[int]) -> pd.DataFrame: ...
    @python_words()
    def __getitem__(self, samples: Samples | slice) -> Any:
        """Return one sample as a record, several (ids, a mask, a slice) as a DataFrame by id, or a column by name.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits[3]["label_name"], digits[[3, 5]]["label_name"].tolist(), len(digits[digits["hsf"] < 0.5])
        ('3', ['3', '5'], 6)
        """
        opened = self.opened
        if isinstance(samples, str):
            return opened.samples.frame(Filters(excluded=None), columns=[samples])[samples]
        if isinstance(samples, slice):
            samples = range(*samples.indices(opened.samples.size))
        ids = chosen(opened.samples, samples, excluded=None)
        if not isinstance(ids, Filters):
            size = opened.samples.size
            ids = [id + size * (-size <= id < 0) for id in ids]  # from the end, where negative
            if isinstance(samples, int | np.integer):
                return opened.samples.sample(ids[0])
            ids = Filters(excluded=None, ids=tuple(ids))
        return self._marked(opened.samples.frame(ids))

    def image(self, id: int) -> Image.Image:
        """Return an image, in RGB. Raises CurateError for one that cannot be read.

        >>> import avhcurate
        >>> avhcurate.example().image(3).size
        (8, 8)
        """
        self.opened.samples.sample(id)  # an unknown one is refused
        return picture(self.opened.dataset.images(), int(id))

    # --- its table ---------------------------------------------------------------------------------------------------

    @property
    def opened(self) -> OpenDataset:
        """Return the table that the pages read: opened again when a run, votes or another import came, else kept."""
        stamp = self.workspace.dataset(self.name).stamp()
        if self._opened is None or self._opened[0] != stamp:
            self._opened = stamp, open_dataset(self.workspace, self.name, self._model)
        else:
            self._opened[1].refresh()
        return self._opened[1]

    @property
    def table(self) -> pd.DataFrame:
        """Return every image by id, excluded ones too: N rows, the columns of an export.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.table[["id", "path", "label_name", "predicted_name"]].head(2)
           id     path label_name predicted_name
        0   0  000.png          0              0
        1   1  001.png          1              1
        """
        return self._marked(self.opened.samples.frame())

    def to_pandas(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first images by id."""
        return self[:n]

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns of `table`."""
        return list(self.opened.samples.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Return how many images and columns `table` has."""
        return len(self), len(self.columns)

    @property
    def classes(self) -> list[str]:
        """Return the class names by label, K of them.

        >>> import avhcurate
        >>> len(avhcurate.example().classes)
        10
        """
        return list(self.opened.samples.classes)

    def frame(self, where: str | Filters | None = None, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the images that satisfy a condition and are not excluded, by id; None: every image.

        Raises CurateError for a condition that is not valid, and for unknown columns.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.frame("label = 3 AND hsf < 0.5", columns=["id", "hsf"])
            id   hsf
        0  103  0.38
        """
        if isinstance(where, str):
            where = Filters(where=where)
        return self._marked(self.opened.samples.frame(where, columns=columns))

    def _marked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with which end of each score is harder, in `attrs["harder"]`: column to "high" or "low"."""
        ranked = self.opened.samples.ranked
        frame.attrs["harder"] = {name: ranked[name].harder for name in frame.columns if name in ranked}
        return frame

    # --- what people decide -----------------------------------------------------------------------------------------

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
            store.save_set(save_set, chosen_ids(self.opened.samples, samples))
        rows = [[entry.name, entry.samples, entry.who, entry.at] for entry in store.sets()]
        return pd.DataFrame(rows, columns=["set", "samples", "who", "at"])

    def votes_out(self, out: str | os.PathLike[str], format: str | None = None, *, force: bool = False) -> int:
        """Write every answer behind HSF to a .csv, or counts to a .parquet file, and return how many answers.

        `format`: label-studio writes a folder of the images with votes, and returns how many images.
        """
        from avhcurate.features.annotate.vote_files import votes_out

        return votes_out(self.opened, Path(out), format, force=force)

    def annotators(self, *, pairs: bool = False) -> pd.DataFrame:
        """Return a row per annotator who answered under a name: answers, controls right, agreement, speed.

        With `pairs` one for each two with images in common: `first, second, n`, the share of equal answers as
        `agreement, low, high`, and Cohen's `kappa, kappa_low, kappa_high`. Raises CurateError where nobody has answered
        under a name.
        """
        from avhcurate.features.annotate import annotators

        votes = self.opened.votes
        design = annotators.design_of(votes)
        if pairs:
            return annotators.annotator_pairs(annotators.vote_quality(votes, design))
        return annotators.annotators(votes)

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
            opened.decisions, chosen(opened.samples, samples, excluded=excluded), action, value
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

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say what does what another library does by this name."""
            raise no_such("Dataset", name, dir(self), variable_of(self.__dict__.get("name", "dataset")))

        def __getattribute__(self, name: str) -> Any:
            """Say in Python's words what went wrong in a property or method of a user."""
            with python_words():
                value = super().__getattribute__(name)
            if name.startswith("_") or not inspect.ismethod(value):
                return value
            return functools.wraps(value)(python_words()(value))

    def _job(self, settings: VerbSettings, *, resumes: bool = True) -> AbstractContextManager[Progress]:
        """Run the block as a job of the workspace, which the app shows, cancels and can resume."""
        return background.job(self.workspace.root, settings, resumes=resumes)

    def _settings(self, kind: type[_Settings], **options: Any) -> _Settings:
        """Return the options of a verb on this dataset."""
        return kind(dataset=self.name, **options)

    def _run_name(self) -> str | None:
        """Return the run that it is open on, None without one."""
        run = self.opened.run
        if run is None:
            return None
        return run.name

    def _on_run(self, run: str) -> Self:
        """Return the dataset itself, now with that run."""
        self._model = run
        self._opened = None
        return self


def filters_of(where: str | Filters | None) -> Filters:
    """Return the filters of a condition; by default excluded images are left out."""
    if isinstance(where, Filters):
        return where
    return Filters(where=where or "")


if TYPE_CHECKING:
    from avhcurate.datasets.curate.label_files import LabelCounts

"""A dataset that is read; kept up to date with what any process adds."""

import base64
import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from html import escape
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload
from weakref import WeakSet

import numpy as np
import pandas as pd
from PIL import Image

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.errors import CurateError
from avhcurate.notebook.errors import python_words, variable_of
from avhcurate.notebook.guesses import no_such
from avhcurate.notebook.samples import Samples, picture, selected
from avhcurate.workspace.data import background
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
        if record.labels_by:
            size += " by votes"
        return f"Dataset {self.name}: {size}, {answers}, {scored}"

    def _repr_html_(self) -> str:
        """Return the counts and a few images, the hardest first, for a notebook."""
        from avhcurate.features.report.parts import caption_of

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

    def __contains__(self, id: object) -> bool:
        """Return whether a sample has this id.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> 3 in digits, len(digits) in digits
        (True, False)
        """
        return isinstance(id, int | np.integer) and 0 <= int(id) < len(self)

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
        ids = selected(opened.samples, samples, excluded=None)
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
            told = python_words()(value)
            vars(told).pop("__signature__", None)  # it counts the dataset itself; that of the bound method does not
            return told

    def _job(self, settings: VerbSettings, *, resumes: bool = True) -> AbstractContextManager[Progress]:
        """Run the block as a job of the workspace, which the app shows, cancels and can resume."""
        return background.job(self.workspace.root, settings, resumes=resumes)

    def _settings(self, kind: type[_Settings], **options: Any) -> _Settings:
        """Return the options of a verb on this dataset; a list may come as an array or a column."""
        for name, value in options.items():
            if isinstance(value, np.ndarray | pd.Index | pd.Series):
                options[name] = value.tolist()
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

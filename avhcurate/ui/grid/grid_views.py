"""Views of the image grid: rows in their order, which the browser reads by a key; their tiles; the selection."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample import rows_of
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.ui.base import url_state
from avhcurate.ui.base.answers import base_path
from avhcurate.ui.base.cache import HASH_FUNCS
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.page_choices import open_sample
from avhcurate.ui.base.score_help import format_score, score_name
from avhcurate.ui.components.grid import FIRST, Ranges, Tile, decode_selection, image_grid
from avhcurate.ui.components.why import Reason
from avhcurate.ui.grid.reasons import why_of
from avhcurate.ui.server.image_routes import image_url

#: A view's key cannot be guessed, and a server that starts again has other keys.
_SECRET = secrets.token_bytes(32)
#: Views by key, each for as long as a session holds it.
_VIEWS: WeakValueDictionary[str, GridView] = WeakValueDictionary()
_NAMING = threading.Lock()
#: Key of the grid with the selection, and of what its browser sends.
GRID = "samples"
#: Session state: the views that this session has shown last.
_SHOWN = "selection.views"
#: So many views a session holds: a selection made in one of them can still be carried over to the one that is shown.
_HELD = 4


@dataclass(eq=False)
class GridView:
    """Samples in an order, and their tiles; the same rows under the same annotations have the same `key`.

    `subject` names what a selection belongs to: it outlives another order of the same samples, named `order_name`.
    `first` are the first tiles, or all; `order` returns all ids, and `tiles` the tiles of some. `filters` choose
    exactly these samples, if any do. `why` says of an image why it is hard, None where the run cannot.
    """

    subject: str
    count: int
    first: Sequence[Tile]
    _: KW_ONLY
    order: Callable[[], np.ndarray]
    tiles: Callable[[Sequence[int]], list[Tile]]
    order_name: str = ""
    version: str = ""
    filters: Filters | None = None
    why: Callable[[int], Reason | None] | None = None
    _ordering: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def key(self) -> str:
        """The name by which the browser reads it."""
        parts = repr((self.subject, self.count, self.first, self.order_name, self.version)).encode()
        return blake2b(parts, key=_SECRET, digest_size=16).hexdigest()

    @property
    def url(self) -> str:
        """The address below which its rows lie."""
        return f"{base_path()}/grid/{self.key}"

    @cached_property
    def _ids(self) -> np.ndarray:
        return np.asarray(self.order(), np.int32)

    @property
    def ids(self) -> np.ndarray:
        """Ids in their order, (count,) int32; read when they are first needed."""
        with self._ordering:  # of two that ask at once, one sorts
            return self._ids

    def window(self, start: int, stop: int) -> list[Tile]:
        """Return the tiles of the places from `start` to before `stop`."""
        if stop <= len(self.first):
            return list(self.first[start:stop])
        return self.tiles(self.ids[start:stop].tolist())

    def ids_at(self, ranges: Ranges) -> np.ndarray:
        """Return the ids at ranges of places, (n,) int32."""
        return np.concatenate([np.empty(0, np.int32), *(self.ids[start:stop] for start, stop in ranges)])

    def ranges_of(self, ids: np.ndarray) -> Ranges:
        """Return the places of those of `ids` that the view has, as ranges."""
        return ranges_in(np.flatnonzero(np.isin(self.ids, ids)))


def ranges_in(numbers: np.ndarray) -> Ranges:
    """Return numbers, in ascending order and each once, as ranges.

    >>> ranges_in(np.array([1, 2, 3, 7]))
    ((1, 4), (7, 8))
    """
    begins = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)
    ends = np.flatnonzero(np.diff(numbers, append=-2) != 1)
    return tuple(zip(numbers[begins].tolist(), (numbers[ends] + 1).tolist(), strict=True))


def register(view: GridView) -> GridView:
    """Make a view readable by its key; return the one that has the key already, whose order may be known."""
    with _NAMING:
        return _VIEWS.setdefault(view.key, view)


def registered(key: str) -> GridView | None:
    """Return the view of a key that the browser sent, while a session holds it."""
    return _VIEWS.get(key)


def carried(old: GridView, ranges: Ranges, new: GridView) -> Ranges:
    """Return the places in one view of the samples at ranges of places in another."""
    within = tuple((start, min(stop, old.count)) for start, stop in ranges if start < old.count)
    if old.key == new.key or not within:
        return within
    if old.subject == new.subject and within == ((0, old.count),):
        return ((0, new.count),)[: new.count]
    return new.ranges_of(old.ids_at(within))


def table_view(page: Opened) -> GridView:
    """Return the samples of the page's filters in the page's order."""
    opened = page.opened
    view = page.view
    columns = tile_columns(view.sort, view.caption)
    rows = opened.samples.page(page.filters, sort=view.sort, descending=view.descending, limit=FIRST, columns=columns)
    return register(
        GridView(
            _subject(page),
            page.count,
            make_tiles(page, rows, score=view.sort, marks=percentile_marks(opened.samples, view.sort)),
            order=lambda: opened.samples.order(page.filters, sort=view.sort, descending=view.descending),
            tiles=partial(tiles_of, page, score=view.sort),
            order_name=f"{view.sort} {view.descending}",
            version=page.samples.key,
            filters=page.filters,
            why=why_of(page),
        )
    )


def list_view(
    page: Opened,
    ids: Sequence[int] | np.ndarray,
    *,
    subject: str = "",
    score: str | None = None,
    values: pd.Series | None = None,
    look: Callable[[Tile], Tile] | None = None,
    filters: Filters | None = None,
) -> GridView:
    """Return the samples `ids` in their order; `subject` names the list, `score` the number on the tiles (hardness).

    `values` by id are those of `score` if the sample table has no such column; `look` changes a tile; `filters` choose
    exactly these samples, if any do.
    """
    order = np.asarray(ids, np.int32)
    score = score or page.samples.hardness
    tiles = partial(tiles_of, page, score=score, values=values, look=look)
    return register(
        GridView(
            f"{_subject(page)} {subject}",
            len(order),
            tiles(order[:FIRST].tolist()),
            order=lambda: order,
            tiles=tiles,
            order_name=score,
            filters=filters,
            why=why_of(page),
            version=f"{page.samples.key} {blake2b(order.tobytes(), digest_size=16).hexdigest()}",
        )
    )


def tiles_view(tiles: Sequence[Tile], *, subject: str) -> GridView:
    """Return a view of a few tiles, all of which come with the page; `subject` names them."""
    ids = np.array([tile.id for tile in tiles], np.int64)
    return register(GridView(subject, len(tiles), tiles, order=lambda: ids, tiles=lambda _: []))


def _subject(page: Opened) -> str:
    return f"{page.dataset.name} {page.version} {page.filters.to_query()}"


# --- the selection ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GridSelection:
    """Places in a view."""

    view: GridView
    ranges: Ranges = ()

    @cached_property
    def ids(self) -> list[int]:
        """The selected ids in the order of the view."""
        return self.view.ids_at(self.ranges).tolist()

    @property
    def count(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    @property
    def everything(self) -> bool:
        return 0 < self.count == self.view.count

    @property
    def samples(self) -> Sequence[int] | Filters:
        """The ids that an action applies to, or the filters if all that match are selected."""
        if self.everything and self.view.filters:
            return self.view.filters
        return self.ids


def selected_in(sent: Any, shown: GridView | None = None) -> GridSelection:
    """Return the places that a message of the grid names, in the view that is shown now; none of other samples.

    By default it is shown by the page.
    """
    shown = shown or st.session_state[_SHOWN][0]
    key, ranges = decode_selection(sent)
    made_in = registered(key)
    if made_in is None or made_in.subject != shown.subject:
        return GridSelection(shown)
    return GridSelection(shown, carried(made_in, ranges, shown))


def selectable_grid(view: GridView, *, part: bool = False, label: str = "Images", **options: Any) -> None:
    """Draw the grid whose images can be selected; `part` of a page that has more below it."""
    earlier = [other for other in st.session_state.get(_SHOWN, ()) if other is not view]
    st.session_state[_SHOWN] = [view, *earlier][:_HELD]
    height = {True: "part", False: "window"}[part]
    start = url_state.current().row - 1
    defaults = {"tile_size": url_state.current().tile, "start": start, "on_size": _resize}
    _grid(view, key=GRID, selectable=True, hint=True, label=label, height=height, **defaults | options)


def browsing_grid(view: GridView, *, key: str, tile_size: int, label: str) -> None:
    """Draw a grid to look at: a click opens an image's details."""
    st.session_state[f"{key}.view"] = view  # held, and with it readable
    _grid(view, key=key, tile_size=tile_size, label=label, height="part")


def _resize(size: int) -> None:
    url_state.change(tile=size)


def _grid(view: GridView, **options: Any) -> None:
    image_grid(
        view.first,
        count=view.count,
        source=view.url,
        view=view.key,
        about=view.subject,
        order=view.order_name,
        open=url_state.current().sample is not None,
        why=view.why is not None,
        on_open=open_sample,
        **options,
    )


# --- tiles -----------------------------------------------------------------------------------------------------------


#: The columns of a tile, without the score shown on it.
_COLUMNS = (
    *("id", "label", "label_name", "predicted", "predicted_name", "curated_label", "curated_label_name"),
    *("hsf", "tags", "excluded", "locked", "problem"),
)


def tile_columns(score: str, caption: str = "") -> list[str]:
    """Return the columns that tiles need; `score` and, if there is one, `caption` are the columns shown on them."""
    return list(dict.fromkeys(filter(None, [*_COLUMNS, score, caption])))


def tiles_of(
    page: Opened,
    ids: Sequence[int],
    *,
    score: str,
    values: pd.Series | None = None,
    look: Callable[[Tile], Tile] | None = None,
) -> list[Tile]:
    """Return a tile for each of `ids`, in their order, changed by `look`.

    `values` by id are those of `score` if the sample table has no such column.
    """
    if not len(ids):
        return []
    column = score
    extra = {}
    if values is not None:
        column = "id"
        extra = {score: values.loc[list(ids)].to_numpy()}
    rows = rows_of(page.samples, ids, columns=tile_columns(column, page.view.caption)).assign(**extra)
    marks: list[float] = []
    if values is None:
        marks = percentile_marks(page.samples, score)
    tiles = make_tiles(page, rows, score=score, marks=marks)
    if look is None:
        return tiles
    return list(map(look, tiles))


def make_tiles(page: Opened, rows: pd.DataFrame, *, score: str, marks: Sequence[float] = ()) -> list[Tile]:
    """Return one tile per row, in order: label and prediction, score, HSF or the caption; tags as badges.

    `marks` are the score's, see `percentile_marks`.
    """
    records = rows.astype(object).where(rows.notna(), None)
    return [_tile(page, row, score, marks, page.view.caption or "hsf") for row in records.to_dict("records")]


@st.cache_data(hash_funcs=HASH_FUNCS, max_entries=64, show_spinner=False)
def percentile_marks(samples: SampleTable, column: str) -> list[float]:
    """Return the 0th to the 100th percentile of a score of all samples; none of another column."""
    if column not in samples.scores:
        return []
    name = samples.column(column)
    shares = [share / 100 for share in range(101)]
    ((marks,),) = samples.query(f"SELECT quantile_disc({name}, {shares}) FROM samples WHERE isfinite({name}::DOUBLE)")
    return marks or []


def _tile(page: Opened, row: dict[Any, Any], score: str, marks: Sequence[float], caption: str) -> Tile:
    first_label = row["label_name"] or "no label"
    label = row["curated_label_name"]
    predicted = row["predicted_name"]
    tile = Tile(
        id=int(row["id"]),
        src=image_url(page.samples, int(row["id"])),
        title=label or first_label,
        score=format_score(score, row[score]),
        predicted=predicted or "",
        percentile=_percentile(marks, row[score]),
        note=_note(caption, row[caption]),
        badges=tuple(_badges(row)),
        muted=bool(row["excluded"]),
    )
    words = [f"image {tile.id}", f"label {tile.title}", f"{score_name(score)} {tile.score}", tile.note]
    if predicted:
        words.insert(2, f"predicted {predicted}")
    if tile.percentile is not None:
        words.insert(-1, f"larger than {tile.percentile} %")
    if score == "id":
        tile = replace(tile, score="")
    if score == caption:
        tile = replace(tile, note="")
    return replace(tile, alt=", ".join(filter(None, words)))


def _percentile(marks: Sequence[float], value: Any) -> int | None:
    """Return the percent of samples whose score is smaller, None where that is not known."""
    if not marks or value is None or not np.isfinite(value):
        return None
    return max(0, int(np.searchsorted(marks, value)) - 1)


def _note(caption: str, value: Any) -> str:
    """Return the words below an image: HSF, which is left out if it is missing, or a chosen column."""
    if caption != "hsf":
        return format_score(caption, value)
    if value is None:
        return ""
    return f"HSF {value:.2f}"


def _badges(row: dict[Any, Any]) -> list[str]:
    first_label = row["label_name"]
    label = row["curated_label_name"]
    badges = {
        "🔒": row["locked"],
        "excluded": row["excluded"],
        "unreadable": row["problem"],
        f"was {first_label or 'no label'}": label and label != first_label,
    }
    return [badge for badge, holds in badges.items() if holds] + list(row["tags"])

"""Views of the image grid: rows in their order, which the browser reads window by window under a key."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd

from avhcurate.table.filters import Filters
from avhcurate.table.sample import rows_of
from avhcurate.ui.cache import cache_key
from avhcurate.ui.components.grid import FIRST, Ranges, Tile
from avhcurate.ui.frame import Opened
from avhcurate.ui.score_help import score_name
from avhcurate.ui.tiles import make_tiles, tile_columns

#: Nobody can guess a view's key, and a server that starts again has other keys.
_SECRET = secrets.token_bytes(32)
#: Views by key, each for as long as a session holds it.
_VIEWS: WeakValueDictionary[str, GridView] = WeakValueDictionary()
_NAMING = threading.Lock()


class GridView:
    """Samples in an order, and their tiles; the same rows under the same annotations have the same `key`.

    `about` names what a selection belongs to: it outlives another order of the same samples, named `order_name`.
    `first` are the first tiles, or all. `filters` choose exactly these samples, where filters do. `value` is the name
    of the number that the rows are sorted by, "" for none, and `place_of` gives the first place at a value or beyond.
    """

    def __init__(
        self,
        about: str,
        count: int,
        first: Sequence[Tile],
        *,
        order: Callable[[], np.ndarray],
        tiles: Callable[[Sequence[int]], list[Tile]],
        order_name: str = "",
        version: str = "",
        filters: Filters | None = None,
        value: str = "",
        place_of: Callable[[float], int] | None = None,
    ) -> None:
        self.about, self.count, self.first = about, count, tuple(first)
        self.order_name, self.filters, self.value, self.place_of = order_name, filters, value, place_of
        self._order, self._tiles, self._ordering = order, tiles, threading.Lock()
        named = repr((about, count, self.first, order_name, version)).encode()
        self.key = blake2b(named, key=_SECRET, digest_size=16).hexdigest()

    @cached_property
    def _ids(self) -> np.ndarray:
        return np.asarray(self._order(), np.int32)

    @property
    def ids(self) -> np.ndarray:
        """Ids in their order, (count,) int32; read when they are first needed."""
        with self._ordering:  # of two that ask at once, one sorts
            return self._ids

    def window(self, start: int, stop: int) -> list[Tile]:
        """Tiles of the places from `start` to before `stop`."""
        if stop <= len(self.first):
            return list(self.first[start:stop])
        return self._tiles(self.ids[start:stop].tolist())

    def chosen(self, ranges: Ranges) -> np.ndarray:
        """Ids at ranges of places, (n,) int32."""
        parts = [self.ids[start:stop] for start, stop in ranges]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)

    def ranges_of(self, ids: np.ndarray) -> Ranges:
        """The places of those of `ids` that the view has, as ranges."""
        places = np.flatnonzero(np.isin(self.ids, ids))
        if not len(places):
            return ()
        ends = np.flatnonzero(np.diff(places) > 1)
        starts, stops = np.r_[0, ends + 1], np.r_[ends, len(places) - 1]
        return tuple(zip(places[starts].tolist(), (places[stops] + 1).tolist(), strict=True))


def register(view: GridView) -> GridView:
    """Makes a view readable by its key; returns the one that has the key already, whose order may be known."""
    with _NAMING:
        return _VIEWS.setdefault(view.key, view)


def registered(key: object) -> GridView | None:
    """The view of a key that the browser sent, while a session holds it."""
    return _VIEWS.get(key) if isinstance(key, str) else None


def carried(old: GridView, ranges: Ranges, new: GridView) -> Ranges:
    """The places in one view of the samples at ranges of places in another; none where that is of other samples."""
    if old.about != new.about:
        return ()
    within = tuple((start, min(stop, old.count)) for start, stop in ranges if start < old.count)
    if old.key == new.key or not within:
        return within
    if within == ((0, old.count),):
        return ((0, new.count),) if new.count else ()
    return new.ranges_of(old.chosen(within))


def table_view(page: Opened) -> GridView:
    """The samples of the page's filters in the page's order."""
    table, view = page.table, page.view
    order = {"sort": view.sort, "descending": view.descending}
    rows = table.page(page.filters, **order, limit=FIRST, columns=tile_columns(view.sort, view.caption))  # type: ignore[arg-type]
    numeric = pd.api.types.is_numeric_dtype(rows[view.sort]) if view.sort != "id" else False
    return register(
        GridView(
            _about(page),
            page.count,
            make_tiles(rows, table.dataset.name, page.version, score=view.sort, caption=view.caption),
            order=lambda: table.order(page.filters, **order),  # type: ignore[arg-type]
            tiles=_tiles(page, view.sort),
            order_name=str(order),
            version=cache_key(page.table),
            filters=page.filters,
            value=score_name(view.sort) if numeric else "",
            place_of=lambda value: _before(page, value),
        )
    )


def list_view(
    page: Opened,
    ids: Sequence[int] | np.ndarray,
    *,
    about: str = "",
    score: str | None = None,
    values: pd.Series | None = None,
    look: Callable[[Tile], Tile] = lambda tile: tile,
    filters: Filters | None = None,
) -> GridView:
    """The samples `ids` in their order; `about` names the list. `score` is that on the tiles: by default of hardness.

    `values` by id are those of `score` where the sample table has no such column; `look` changes a tile; `filters`
    choose exactly these samples, where filters do.
    """
    order, score = np.asarray(ids, np.int64), score or page.table.hardness
    tiles = _tiles(page, score, values, look)
    return register(
        GridView(
            f"{_about(page)} {about}",
            len(order),
            tiles(order[:FIRST].tolist()),
            order=lambda: order,
            tiles=tiles,
            order_name=score,
            filters=filters,
            version=f"{cache_key(page.table)} {blake2b(order.tobytes(), digest_size=16).hexdigest()}",
        )
    )


def tiles_view(tiles: Sequence[Tile], *, about: str) -> GridView:
    """A few tiles, all of which come with the page; `about` names them."""
    ids = np.array([tile.id for tile in tiles], np.int64)
    return register(GridView(about, len(tiles), tiles, order=lambda: ids, tiles=lambda _: []))


def _before(page: Opened, value: float) -> int:
    """Number of samples before the first at `value` or beyond it in the page's order."""
    beyond = (math.nextafter(value, math.inf), math.inf)
    short = (-math.inf, math.nextafter(value, -math.inf))
    span = (page.view.sort, *(beyond if page.view.descending else short))
    return page.table.count(page.filters.with_(ranges=(*page.filters.ranges, span)))


def _about(page: Opened) -> str:
    return f"{page.table.dataset.name} {page.version} {page.filters.to_query()}"


def _tiles(
    page: Opened, score: str, values: pd.Series | None = None, look: Callable[[Tile], Tile] = lambda tile: tile
) -> Callable[[Sequence[int]], list[Tile]]:
    table, version, caption = page.table, page.version, page.view.caption

    def tiles(ids: Sequence[int]) -> list[Tile]:
        if not ids:
            return []
        rows = rows_of(table, ids, columns=tile_columns("id" if values is not None else score, caption))
        if values is not None:
            rows = rows.assign(**{score: values.loc[list(ids)].to_numpy()})
        return list(map(look, make_tiles(rows, table.dataset.name, version, score=score, caption=caption)))

    return tiles

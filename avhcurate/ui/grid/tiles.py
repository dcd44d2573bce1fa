"""Rows of the sample table as tiles of the image grid."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.sample import rows_of
from avhcurate.ui.base.cache import HASH_FUNCS
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.score_help import format_score, score_name
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.server.image_routes import image_url

#: The columns of a tile, without the score shown on it.
_COLUMNS = (
    *("id", "label", "label_name", "predicted", "predicted_name", "curated_label", "curated_label_name"),
    *("hsf", "tags", "excluded", "problem"),
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
    rows = rows_of(page.table, ids, columns=tile_columns(column, page.view.caption)).assign(**extra)
    marks: list[float] = []
    if values is None:
        marks = percentile_marks(page.table, score)
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
def percentile_marks(table: DatasetTable, column: str) -> list[float]:
    """Return the 0th to the 100th percentile of a score of all samples; none of another column."""
    if column not in table.scores:
        return []
    name = table.column(column)
    shares = [share / 100 for share in range(101)]
    ((marks,),) = table.query(f"SELECT quantile_disc({name}, {shares}) FROM samples WHERE isfinite({name}::DOUBLE)")
    return marks or []


def _tile(page: Opened, row: dict[Any, Any], score: str, marks: Sequence[float], caption: str) -> Tile:
    first_label = row["label_name"] or "no label"
    label = row["curated_label_name"]
    predicted = row["predicted_name"]
    tile = Tile(
        id=int(row["id"]),
        src=image_url(page.dataset.name, int(row["id"]), version=page.version),
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
        "excluded": row["excluded"],
        "unreadable": row["problem"],
        f"was {first_label or 'no label'}": label and label != first_label,
    }
    return [badge for badge, holds in badges.items() if holds] + list(row["tags"])

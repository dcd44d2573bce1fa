"""Rows of the sample table as tiles of the image grid."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from avhcurate.datasets.table.sample import rows_of
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.frame import Opened
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.score_help import format_score, score_name

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
    column, extra = score, {}
    if values is not None:
        column, extra = "id", {score: values.loc[list(ids)].to_numpy()}
    rows = rows_of(page.table, ids, columns=tile_columns(column, page.view.caption)).assign(**extra)
    tiles = make_tiles(page, rows, score=score)
    if look is None:
        return tiles
    return list(map(look, tiles))


def make_tiles(page: Opened, rows: pd.DataFrame, *, score: str) -> list[Tile]:
    """Return one tile per row, in order: label and score, then prediction and HSF or the caption; tags as badges."""
    known = rows.astype(object).where(rows.notna(), None)
    return [_tile(page, row, score, page.view.caption or "hsf") for row in known.to_dict("records")]


def _tile(page: Opened, row: dict[Any, Any], score: str, caption: str) -> Tile:
    given, label, predicted = row["label_name"] or "no label", row["curated_label_name"], row["predicted_name"]
    tile = Tile(
        id=int(row["id"]),
        src=image_url(page.dataset.name, int(row["id"]), version=page.version),
        title=label or given,
        score=format_score(score, row[score]),
        sub=f"predicted {predicted}" if predicted else "",
        note=_note(caption, row[caption]),
        badges=tuple(_badges(row)),
        differs=None not in (predicted, label) and predicted != label,
        muted=bool(row["excluded"]),
    )
    words = [f"image {tile.id}", f"label {tile.title}", tile.sub, f"{score_name(score)} {tile.score}", tile.note]
    if score == "id":
        tile = replace(tile, score="")
    if score == caption:
        tile = replace(tile, note="")
    return replace(tile, alt=", ".join(filter(None, words)))


def _note(caption: str, value: Any) -> str:
    """Return the words below an image: HSF, which is left out if it is missing, or a chosen column."""
    if caption != "hsf":
        return format_score(caption, value)
    if value is None:
        return ""
    return f"HSF {value:.2f}"


def _badges(row: dict[Any, Any]) -> list[str]:
    given, label = row["label_name"], row["curated_label_name"]
    badges = {
        "excluded": row["excluded"],
        "unreadable": row["problem"],
        f"was {given or 'no label'}": label and label != given,
    }
    return [badge for badge, holds in badges.items() if holds] + list(row["tags"])

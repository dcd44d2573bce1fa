"""Rows of the sample table as tiles of the image grid."""

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.table.sample import rows_of
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.frame import Opened
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.score_help import format_score, score_name
from avhcurate.ui.text import shortened

#: The columns of a tile, besides the score shown on it.
TILE_COLUMNS = (
    *("id", "label", "label_name", "predicted", "predicted_name", "curated_label", "curated_label_name"),
    *("hsf", "tags", "excluded", "problem"),
)
#: Characters of a text of the user's on a tile.
_LONGEST = 60


def tile_columns(score: str, caption: str = "") -> list[str]:
    """Columns that tiles need; `score` and, if there is one, `caption` are the columns shown on them."""
    return list(dict.fromkeys([*TILE_COLUMNS, score, *([caption] if caption else [])]))


def tiles_of(page: Opened, ids: Sequence[int], *, score: str) -> list[Tile]:
    """A tile for each of `ids`, in their order."""
    rows = rows_of(page.table, ids, columns=tile_columns(score))
    return make_tiles(rows, page.table.dataset.name, page.version, score=score)


def make_tiles(rows: pd.DataFrame, dataset: str, version: str, *, score: str, caption: str = "") -> list[Tile]:
    """One tile per row, in order: label and score, then prediction and HSF or `caption`; tags as badges."""
    return [_tile(row, dataset, version, score, caption) for row in rows.to_dict("records")]


def _tile(row: dict[Any, Any], dataset: str, version: str, score: str, caption: str) -> Tile:
    label, predicted = _text(row["label_name"]) or "no label", _text(row["predicted_name"])
    curated = _text(row["curated_label_name"])
    relabelled = curated and _text(row["label_name"]) != curated
    comparable = pd.notna(row["predicted"]) and pd.notna(row["curated_label"])
    id, hsf = int(row["id"]), row["hsf"] if pd.notna(row["hsf"]) else None
    value = _value(score, row[score])
    hsf_text, predicted_text = (
        f"HSF {hsf:.2f}" if hsf is not None else "",
        f"predicted {predicted}" if predicted else "",
    )
    below = _value(caption, row[caption]) if caption else hsf_text
    words = [f"image {id}", f"label {curated or label}", predicted_text, f"{score_name(score)} {value}"]
    words += [f"{score_name(caption)} {below}" if caption else hsf_text]
    return Tile(
        id=id,
        src=image_url(dataset, id, version=version),
        title=curated or label,
        score="" if score == "id" else value,
        sub=predicted_text,
        note="" if score == (caption or "hsf") else below,
        badges=tuple(_badges(row, f"was {label}" if relabelled else "")),
        differs=bool(comparable and row["predicted"] != row["curated_label"]),
        muted=bool(row["excluded"]),
        alt=", ".join(filter(None, words)),
    )


def _badges(row: dict[Any, Any], relabelled: str) -> Iterable[str]:
    if row["excluded"]:
        yield "excluded"
    if _text(row["problem"]):
        yield "unreadable"
    if relabelled:
        yield relabelled
    yield from row["tags"]


def _value(key: str, value: Any) -> str:
    """A value of any column, short enough for a tile."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Real):
        return format_score(key, value)  # type: ignore[arg-type]
    if pd.api.types.is_list_like(value):
        return shortened(", ".join(map(str, value)), _LONGEST) or "–"
    return "–" if pd.isna(value) else shortened(str(value).removesuffix(" 00:00:00"), _LONGEST)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

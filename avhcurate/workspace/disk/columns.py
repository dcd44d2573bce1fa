"""Finds the columns of a source (images, labels, splits and votes), and reads their texts."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError, Option

_BYTES_NAMES = ("image", "img", "bytes", "image_bytes", "data", "jpg", "png")
PATH_NAMES = [
    *("path", "file", "filename", "file_name", "filepath", "file_path"),
    *("image", "image_path", "img", "url", "image_url", "uri"),
]
LABEL_NAMES = [
    *("label", "labels", "class", "class_id", "class_index", "category", "category_id"),
    *("target", "y", "cls", "fine_label", "coarse_label", "label_id", "ground_truth"),
]
NAME_NAMES = ("label_name", "label_text", "class_name", "category_name")
#: What programs write for a missing value, besides nothing.
MISSING = ("NaN", "nan", "<NA>")
_PLAIN_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
#: How a text begins that a spreadsheet would run as a formula, and one that was made safe.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SAFE_FORMULA = r"^'([=+\-@\t\r\n])"
_VOTES = re.compile(r"(^|_)(counts|votes)$", re.IGNORECASE)
_LOOKS_LIKE_IMAGE = r"(?i)(\.(jpe?g|jfif|png|gif|webp|bmp|tiff?|pp?m|pgm|avif|jp2)$)|^[a-z][a-z0-9+.-]+://"


def find_bytes_column(schema: pa.Schema, wanted: str | None = None) -> tuple[str, str]:
    """Return the column of encoded images and the leaf to read: ("image", "image.bytes"), or ("png", "png").

    Raise `CurateError` when there is none, or several of equal claim.
    """
    leaves = {field.name: leaf for field in schema if (leaf := bytes_leaf(field))}
    name = _choose(
        list(leaves),
        wanted,
        "image_column",
        lambda name: name.casefold() == "image",
        lambda name: leaves[name] != name,
        lambda name: name.casefold() in _BYTES_NAMES,
        lambda name: True,
    )
    if name is None:
        raise CurateError(f"No column has image bytes. The columns are {listed(schema.names)}.")
    return name, leaves[name]


def _choose(names: Sequence[str], wanted: str | None, option: str, *tests: Callable[[str], bool]) -> str | None:
    """Return the wanted column, else the one that passes the first test that any passes; None where there is none."""
    if wanted is not None:
        return check_column(wanted, names, option)
    best = next(filter(None, ([name for name in names if test(name)] for test in tests)), [])
    if len(best) > 1:
        raise CurateError(f"Several columns may be meant: {listed(best)}. Choose one by {Option(option)}.")
    return next(iter(best), None)


def bytes_leaf(field: pa.Field) -> str | None:
    """Return what to read of a column that may hold encoded images; None when it cannot."""
    if is_binary(field.type):
        return field.name
    if pa.types.is_struct(field.type) and any(child.name == "bytes" and is_binary(child.type) for child in field.type):
        return f"{field.name}.bytes"
    return None


def find_path_column(table: pa.Table, wanted: str | None = None) -> str:
    """Return the column of a manifest that names the images: by its own name, or by the look of its first values."""
    texts = [field.name for field in table.schema if is_text(field.type) or pa.types.is_null(field.type)]
    usual = [name for name in texts if name.casefold() in PATH_NAMES]
    images = [name for name in texts if _looks_like_images(table[name])]
    column = _choose(
        table.column_names,
        wanted,
        "image_column",
        set(usual).intersection(images).__contains__,
        images.__contains__,
        usual.__contains__,
    )
    if column is None:
        raise CurateError(
            f"No column names the images. The columns are {listed(table.column_names)}.",
            fix=f"Choose one by {Option('image_column')}",
        )
    return column


def _looks_like_images(column: pa.ChunkedArray) -> bool:
    first = column.drop_null()[:100]
    return len(first) > 0 and _all_match(pc.utf8_trim_whitespace(first), _LOOKS_LIKE_IMAGE)


def find_label_column(schema: pa.Schema, wanted: str | None = None) -> str | None:
    """Return the column of the given labels; None when nothing looks like one."""
    possible = [field.name for field in schema if is_text(field.type) or pa.types.is_primitive(field.type)]
    return _choose(
        possible if wanted is None else schema.names,
        wanted,
        "label_column",
        lambda name: name.casefold() == "label",
        class_names(schema).__contains__,
        lambda name: name.casefold() in LABEL_NAMES,
        lambda name: name.casefold() in NAME_NAMES,
    )


def find_name_column(schema: pa.Schema, label: str) -> str | None:
    """Return the column of class names that goes with a column of integer labels."""
    texts = {field.name.casefold(): field.name for field in schema if is_text(field.type) and field.name != label}
    return next((texts[name.casefold()] for name in name_columns(label) if name.casefold() in texts), None)


def name_columns(label: str) -> tuple[str, ...]:
    """Return what a column with the names of a column's classes may be called, best first."""
    return f"{label}_name", f"{label}_text", *NAME_NAMES


def find_split_column(schema: pa.Schema, wanted: str | None = None) -> str | None:
    """Return the column that says train, test and so on: one called split, unless another is wanted."""
    return _choose(schema.names, wanted, "split_column", lambda name: name.casefold() == "split")


def find_votes_column(schema: pa.Schema, wanted: str | None = None) -> str | None:
    """Return the column of vote counts: lists of integers whose name ends in counts or votes, when there is one."""
    counts = [field.name for field in schema if is_list(field.type) and pa.types.is_integer(field.type.value_type)]
    if wanted is not None:
        return check_column(wanted, counts, "votes")
    votes = [name for name in counts if _VOTES.search(name)]
    return votes[0] if len(votes) == 1 else None


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return class names by column, as Hugging Face declares them in the schema's metadata (ClassLabel)."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: [str(item) for item in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    except (KeyError, TypeError, ValueError):
        return {}


def declared_classes(schema: pa.Schema, label: str) -> list[str] | None:
    """Return the complete class list, from ClassLabel names or from a `classes` entry (a JSON list, or by commas)."""
    text = (schema.metadata or {}).get(b"classes", b"").decode(errors="replace")
    try:
        names = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        names = []
    return class_names(schema).get(label) or [name for name in (str(name).strip() for name in names) if name] or None


def check_column(wanted: str, names: Sequence[str], option: str) -> str:
    """Return the column itself when the source has it; refuse it otherwise."""
    if wanted not in names:
        raise CurateError(f"{Option(option)}: the source has no column {wanted!r}. Its columns are {listed(names)}.")
    return wanted


def is_binary(kind: pa.DataType) -> bool:
    return str(kind).endswith(("binary", "binary_view")) or pa.types.is_fixed_size_binary(kind)


def is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return str(kind) in ("string", "large_string", "string_view")


def is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def number_lists(schema: pa.Schema) -> list[str]:
    """Return columns whose values are lists of fractional numbers, such as embeddings; whole numbers may be votes.

    >>> number_lists(pa.schema({"embedding": pa.list_(pa.float32(), 4), "votes": pa.list_(pa.int64())}))
    ['embedding']
    """
    kinds = {field.name: getattr(field.type, "storage_type", field.type) for field in schema}
    return [name for name, kind in kinds.items() if is_list(kind) and pa.types.is_floating(kind.value_type)]


def without_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of a column without space around them, null in place of words for a missing value."""
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.is_in(texts, value_set=pa.array(["", *MISSING])), pa.scalar(None, pa.string()), texts)


def plain_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers or truths in place of their texts, where every text of a column is one; others as they are.

    01 is a name: no program writes the number 1 like that.

    >>> plain_values(pa.chunked_array([["7", "-1", "NaN"]])).to_pylist()
    [7, -1, None]
    >>> plain_values(pa.chunked_array([["01", "02", "10"]])).to_pylist()
    ['01', '02', '10']
    """
    if not is_text(column.type):
        return column
    texts = without_missing(column)
    if texts.null_count == len(texts):
        return column
    if _all_match(texts, _PLAIN_NUMBER):
        # A whole number of more than 18 digits may be too large for int64.
        return texts.cast(pa.int64() if _all_match(texts, r"^-?\d{1,18}$") else pa.float64())
    if _all_match(texts, r"^(?i:true|false)$"):
        return pc.equal(pc.utf8_lower(texts), "true")
    return column


def _all_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    # The first thousand tell most columns of names.
    parts = (texts[:1000], texts[1000:])
    return all(pc.all(pc.match_substring_regex(part, pattern)).as_py() is not False for part in parts)


def safe_cell(value: Any) -> Any:
    """Return a text that a spreadsheet would run as a formula with an apostrophe before it; all else stays.

    >>> safe_cell("=1+1"), safe_cell("cat"), safe_cell(-1.5)
    ("'=1+1", 'cat', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def tags_text(tags: Sequence[str]) -> str:
    """Return tags as a cell of a table has them: with semicolons, or as JSON where a tag has one.

    >>> tags_text(["odd", "dark"]), tags_text(["a;b"])
    ('odd;dark', '["a;b"]')
    """
    if any(";" in tag for tag in tags):
        return json.dumps(list(tags), ensure_ascii=False)
    return ";".join(tags)


def plain_cell(text: str) -> str:
    """Return the text that `safe_cell` made safe.

    >>> plain_cell("'=1+1"), plain_cell("'tis")
    ('=1+1', "'tis")
    """
    return re.sub(_SAFE_FORMULA, r"\1", text)


def plain_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`plain_cell` of a column of text; other columns as they are."""
    return pc.replace_substring_regex(column, _SAFE_FORMULA, r"\1") if is_text(column.type) else column


def listed(names: Iterable[str], most: int = 12) -> str:
    """Return names in a sentence, the first few of them.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    names = [str(name) for name in names]
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return ", ".join(names) or "none"

"""SQL of the sample table: its columns as they are read from files, its order, its annotations."""

from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import duckdb

from avhcurate.images.measures import MEASURES
from avhcurate.scores import SCORES, Score
from avhcurate.table.filters import quote

_FLOATS = ("FLOAT", "DOUBLE")

#: The columns of votes, and their types.
HSF_COLUMNS = {
    "hsf": "DOUBLE",
    "hsf_low": "DOUBLE",
    "hsf_high": "DOUBLE",
    "votes": "BIGINT",
    "_hsf_bin": "INTEGER",
    "hsf_bin": "VARCHAR",
}

#: Columns of image quality, and their types.
QUALITY_TYPES = {key: "BIGINT" if measure.whole else "DOUBLE" for key, measure in MEASURES.items()} | {
    "duplicate_group": "BIGINT",
    "oddity": "VARCHAR",
}

#: The class name of a label, and a number whose NaN is null.
NAME_SQL = "list_extract($classes, {} + 1)"
NUMBER_SQL = "CASE WHEN isnan({0}) THEN NULL ELSE {0} END"

#: The annotation columns of a sample about which nobody has decided anything.
UNDECIDED = {
    "tags": "[]::VARCHAR[]",
    "curated_label": "s.label::INTEGER",
    "curated_label_name": NAME_SQL.format("s.label"),
    "excluded": "FALSE",
}

#: Takes all annotations back.
UNDO = f"""
UPDATE samples SET {", ".join(f"{name} = {default.replace('s.', 'samples.')}" for name, default in UNDECIDED.items())}
WHERE len(tags) > 0 OR excluded OR curated_label IS DISTINCT FROM label
"""
#: Writes the annotations of the table `incoming` into the samples.
DECIDE = f"""
UPDATE samples SET
    tags = coalesce(i.tags, []),
    curated_label = coalesce(i.curated_label, label)::INTEGER,
    curated_label_name = {NAME_SQL.format("coalesce(i.curated_label, label)::INTEGER")},
    excluded = coalesce(i.excluded, FALSE)
FROM incoming i WHERE i.path = samples.path
"""


def ordering(column: str, descending: bool) -> str:
    """SQL of an order: missing values last, ties by id."""
    return f"{column} {'DESC' if descending else 'ASC'} NULLS LAST, id"


def parquet_types(connection: duckdb.DuckDBPyConnection, file: Path) -> dict[str, str]:
    """SQL types of a Parquet file's columns by name."""
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    return {name: kind for name, kind, *_ in described}


def user_column(name: str, kind: str) -> str:
    """SQL of a column of the user's; NaN becomes null, as in every score, and a decimal a number as all others."""
    column = f"s.{quote(name)}"
    if kind.startswith("DECIMAL"):
        return f"{column}::DOUBLE AS {quote(name)}"
    return f"{NUMBER_SQL.format(column)} AS {quote(name)}" if kind in _FLOATS else column


def score_columns(scored: Container[str], always: Container[str]) -> list[str]:
    """SQL of the model's columns, of which the file has `scored`: NaN is null, and so is what it lacks of `always`."""
    predicted = "r.predicted" if "predicted" in scored else "NULL"
    name = NAME_SQL.format(predicted) if "predicted" in scored else "NULL::VARCHAR"
    numbers = {
        key: _score(score) if key in scored else "NULL::DOUBLE"
        for key, score in SCORES.items()
        if key in scored or key in always
    }
    return [
        f"{predicted}::INTEGER AS predicted",
        f"{name} AS predicted_name",
        *(f"{number} AS {key}" for key, number in numbers.items()),
    ]


def joined_scores(keys_of: Mapping[str, Sequence[str]]) -> list[str]:
    """SQL of the scores of other files than the run's, by the file's name in SQL."""
    return [f"{NUMBER_SQL.format(f'{file}.{key}')} AS {key}" for file, keys in keys_of.items() for key in keys]


def within_class_sql(score: Score) -> tuple[str, str]:
    """SQL of the mean and the deviation within a class of the score that `score` stands for there."""
    value = NUMBER_SQL.format(f"r.{score.within_class}")
    return f"avg({value}) AS {score.key}_mean", f"stddev_pop({value}) AS {score.key}_deviation"


def _score(score: Score) -> str:
    """SQL of a score's value, also of one that another is within its label's class."""
    if not score.within_class:
        return NUMBER_SQL.format(f"r.{score.key}")
    value, key = NUMBER_SQL.format(f"r.{score.within_class}"), score.key
    return f"({value} - w.{key}_mean) / nullif(w.{key}_deviation, 0)"

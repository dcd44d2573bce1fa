"""The columns of the sample table: a new one is an entry of `COLUMNS`, in the order of an export; the user's own."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avhcurate.measures.scores import SCORES, Score
from avhcurate.workspace.data.dataset_records import Harder
from avhcurate.workspace.data.prediction import PREDICTED
from avhcurate.workspace.data.runs import WORDS
from avhcurate.workspace.images.measures import MEASURES

#: A number whose NaN is null.
NUMBER_SQL = "CASE WHEN isnan({0}) THEN NULL ELSE {0} END"

#: Columns of the table that an export leaves out unless asked.
EXTRA = ("excluded", "problem")

#: The columns of votes and of image quality, with their types.
HSF_COLUMNS = {
    "hsf": "DOUBLE",
    "hsf_low": "DOUBLE",
    "hsf_high": "DOUBLE",
    "votes": "BIGINT",
    "_hsf_bin": "INTEGER",
}
QUALITY_COLUMNS = dict.fromkeys(MEASURES, "DOUBLE")
QUALITY_COLUMNS |= {key: "BIGINT" for key, measure in MEASURES.items() if measure.whole}
QUALITY_COLUMNS |= {"duplicate_group": "BIGINT", "oddity": "VARCHAR"}
#: Columns that a prediction adds.
PREDICTED_COLUMNS = (*PREDICTED, "hsf_predicted_bin", "human_gap")

#: The annotation columns of a sample without a decision.
UNDECIDED = {
    "tags": "[]::VARCHAR[]",
    "curated_label": "samples.label::INTEGER",
    "excluded": "FALSE",
    "locked": "FALSE",
}
#: The tag of a sample whose given label was confirmed.
KEPT = "label-ok"
#: SQL that counts samples: those relabelled and those kept among what is not excluded, and those excluded.
COUNT_DECIDED = f"""
SELECT count(*) FILTER (NOT excluded AND curated_label IS DISTINCT FROM label), count(*) FILTER (excluded),
    count(*) FILTER (NOT excluded AND curated_label IS NOT DISTINCT FROM label AND list_contains(tags, '{KEPT}'))
FROM samples
"""
#: Columns that every query computes from others: names take longer to store than to look up in the table `names`.
NAMES = {
    "label_name": "list_extract((SELECT classes FROM names), label + 1)",
    "parent": "list_extract((SELECT parents FROM names), label + 1)",
    "predicted_name": "list_extract((SELECT classes FROM names), predicted + 1)",
    "predicted_parent": "list_extract((SELECT parents FROM names), predicted + 1)",
    "hsf_bin": "list_extract((SELECT bins FROM names), _hsf_bin + 1)",
    "curated_label_name": "list_extract((SELECT classes FROM names), curated_label + 1)",
    "consensus_label_name": "list_extract((SELECT classes FROM names), consensus_label + 1)",
}
#: SQL that writes the annotations of the table `incoming` into the samples.
DECIDE = """
UPDATE kept AS samples SET
    tags = coalesce(i.tags, []),
    curated_label = coalesce(i.curated_label, label)::INTEGER,
    excluded = coalesce(i.excluded, FALSE)
FROM incoming i WHERE i.id = samples.id
"""


@dataclass(frozen=True)
class Column:
    """A column of the sample table: its SQL over the joined files.

    `source` is the file, or the column of a file, that it comes from. Without it the table lacks the column, or has
    null if `always`. `yields`: a column of the user's with this name replaces it.
    """

    name: str
    sql: str
    source: str = "samples"
    type: str = "DOUBLE"
    always: bool = False
    yields: bool = False


def quote(column: str) -> str:
    """Return a column name as a SQL identifier.

    >>> print(quote('odd "name"'))
    "odd ""name""\"
    """
    return '"' + column.replace('"', '""') + '"'


def literal(text: object) -> str:
    """Return a text as SQL.

    >>> print(literal("Pat's"))
    'Pat''s'
    """
    return "'" + str(text).replace("'", "''") + "'"


def _within_class_sql(score: Score) -> str:
    """Return SQL of a score by lists of means and deviations within classes: no label first, then label 0."""
    lists = (f"(SELECT {score.key}_{moment} FROM names)" for moment in ("mean", "deviation"))
    mean, deviation = (f"list_extract({values}, coalesce(label, -1) + 2)" for values in lists)
    return f"({score.within_class} - {mean}) / nullif({deviation}, 0)"


def _user_column(name: str, kind: str) -> str:
    """Return SQL of a column of the user's: NaN becomes null, as in every score, and a decimal a plain number."""
    column = f"samples.{quote(name)}"
    if kind.startswith("DECIMAL"):
        return f"{column}::DOUBLE"
    if kind in ("FLOAT", "DOUBLE"):
        return NUMBER_SQL.format(column)
    return column


def select_columns(types: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, str], list[str], tuple[str, ...]]:
    """Return SQL of all columns by name in the order of an export, the names of the user's own, and keys of scores.

    types: of the columns of each joined file, by the names of both.
    """
    sources = {*types, *(f"{file}.{name}" for file, columns in types.items() for name in columns)}
    users = {name: _user_column(name, kind) for name, kind in types["samples"].items() if name[:1] != "_"}
    lower = {name.lower() for name in users}
    offered = [column for column in COLUMNS if not (column.yields and column.name in lower)]
    filled = {column.name: column.sql for column in offered if column.source in sources}
    null = {column.name: f"NULL::{column.type}" for column in offered if column.always}
    expressions = null | filled
    standard = {column.name: expressions[column.name] for column in offered if column.name in expressions}
    problems = [f"{file}.problem, " for file in ("scores", "quality") if f"{file}.problem" in sources]
    extra = {"excluded": UNDECIDED["excluded"], "problem": f"coalesce({''.join(problems)}NULL)::VARCHAR"}
    taken = {name.lower() for name in (*standard, *extra)}
    users = {name: sql for name, sql in users.items() if name.lower() not in taken}
    # Angles to words are columns like the user's, which come first where the names are the same.
    words = [name for name in types.get("words", {}) if name != "id" and name.lower() not in lower]
    users |= {name: f"words.{quote(name)}::DOUBLE" for name in words}
    return standard | users | extra, list(users), tuple(key for key in SCORES if key in filled)


# --- the table -----------------------------------------------------------------------------------------------

#: Scores that every export has, in their order.
_ALWAYS = (
    *("confidence", "max_confidence", "avh", "relative_avh", "target_angle", "angular_gap", "class_angular_gap", "avc"),
    *("margin", "entropy", "loss", "el2n", "grand", "norm", "prototype_distance"),
)
#: Files that have scores: of the run, its neighbour graph, and its training's held-out and training samples.
_SCORE_FILES = ("scores", "neighbours", "dynamics", "train_dynamics")


def _score_file(score: Score) -> str:
    """Return the name of the file that has a score."""
    if score.needs == "neighbours":
        return "neighbours"
    if score.training and score.key.startswith("train_"):
        return "train_dynamics"
    if score.training:
        return "dynamics"
    return "scores"


def score_column(score: Score) -> Column:
    """Return the column of a score."""
    key = score.key
    source = f"{_score_file(score)}.{score.within_class or key}"
    sql = NUMBER_SQL.format(source)
    if score.within_class:
        sql = _within_class_sql(score)
    return Column(key, sql, source, always=key in _ALWAYS, yields=score.plugin)


def _columns() -> list[Column]:
    others = [key for key in SCORES if key not in _ALWAYS]
    others.sort(key=lambda key: _SCORE_FILES.index(_score_file(SCORES[key])))
    return [
        *(Column(name, f"samples.{name}") for name in ("id", "path", "split", "label")),
        Column("label_name", NAMES["label_name"]),
        Column("parent", NAMES["parent"], "parents"),
        Column("predicted", "scores.predicted::INTEGER", "scores.predicted", "INTEGER", always=True),
        Column("predicted_name", NAMES["predicted_name"]),
        Column("predicted_parent", NAMES["predicted_parent"], "parents"),
        *(score_column(SCORES[key]) for key in (*_ALWAYS, *others)),
        *(Column(name, f"CAST(votes.{name} AS {kind})") for name, kind in HSF_COLUMNS.items()),
        Column("hsf_bin", NAMES["hsf_bin"]),
        *(Column(key, f"predicted.{key}::DOUBLE", "predicted") for key in PREDICTED),
        Column("hsf_predicted_bin", "predicted.hsf_predicted_bin::VARCHAR", "predicted"),
        # The confidence is that of the run, or null.
        Column("human_gap", "(predicted.hsf_predicted - confidence)::DOUBLE", "predicted"),
        Column("consensus_label", "consensus.consensus_label::INTEGER", "consensus"),
        Column("consensus_label_name", NAMES["consensus_label_name"], "consensus"),
        Column("consensus", "consensus.consensus::DOUBLE", "consensus"),
        Column("consensus_of", "consensus.consensus_of::VARCHAR", "consensus"),
        Column("answers", "consensus.answers::BIGINT", "consensus"),
        *(Column(name, UNDECIDED[name]) for name in ("tags", "curated_label")),
        Column("curated_label_name", NAMES["curated_label_name"]),
        Column("locked", UNDECIDED["locked"]),
        *(
            Column(name, f"quality.{name}::{kind}", f"quality.{name}", yields=name in MEASURES)
            for name, kind in QUALITY_COLUMNS.items()
        ),
    ]


COLUMNS = tuple(_columns())
#: The columns of every export, in their order.
STANDARD = tuple(
    column.name for column in COLUMNS if (column.always or column.source == "samples") and column.name != "_hsf_bin"
)


# --- columns of the user ---------------------------------------------------------------------------------------

Kind = Literal["number", "date", "text", "yes or no", "other"]

#: Columns that one query summarises: DuckDB's planning takes the square of their number.
_A_QUERY = 250
#: A text column of at most this many values filters by them and groups.
FEW = 100

_NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE"),
)


@dataclass(frozen=True)
class Summary:
    """What a column of the user's holds: its kind and how many `samples` have a value.

    `values`, of text: about how many values there are. `low` and `high`: the smallest and largest finite number, or
    the first and last day.
    """

    kind: Kind
    samples: int
    values: int | None = None
    low: float | datetime.date | None = None
    high: float | datetime.date | None = None

    @property
    def groups(self) -> bool:
        """Whether its values are few, so that samples can be grouped and filtered by them."""
        return self.kind == "yes or no" or (self.kind == "text" and 0 < (self.values or 0) <= FEW)


def kind_of(type: str) -> Kind:
    """Return what a column of a DuckDB type can do.

    >>> kind_of("DOUBLE"), kind_of("TIMESTAMP WITH TIME ZONE"), kind_of("VARCHAR"), kind_of("INTERVAL")
    ('number', 'date', 'text', 'other')
    """
    if type in _NUMBERS:
        return "number"
    if type == "DATE" or type.startswith("TIMESTAMP"):
        return "date"
    if type == "VARCHAR":
        return "text"
    if type == "BOOLEAN":
        return "yes or no"
    return "other"


def own_score(name: str, harder: Harder | Literal[""]) -> Score:
    """Describe a column of numbers as a score; `harder` is "" until a person has said it."""
    sentence = "A column of yours: which end is harder is not known."
    if harder:
        sentence = f"A column of yours: {harder} means harder."
    elif name.startswith(WORDS):
        sentence = "Angle between the words and the image, in radians: the smaller, the more alike."
    return Score(
        key=name,
        name=name,
        formula="",
        sentence=sentence,
        harder=harder,
        needs="table",
        low="-∞",
        high="∞",
        needs_label=False,
        reference="",
    )


def summarise(kinds: Mapping[str, Kind], read: Callable[[str], Sequence[Any]]) -> dict[str, Summary]:
    """Return what columns of these kinds hold, by name; `read` returns the one row of a query."""
    summaries = dict[str, Summary]()
    for start in range(0, len(kinds), _A_QUERY):
        names = list(kinds)[start : start + _A_QUERY]
        values = ", ".join(_summary_sql(kinds[name], quote(name)) for name in names)
        row = iter(read(f"SELECT {values} FROM samples"))
        summaries |= {name: Summary(kinds[name], *(next(row) for _ in range(4))) for name in names}
    return summaries


def _summary_sql(kind: Kind, column: str) -> str:
    """Return SQL of the four values of a summary of a column."""
    values = "NULL"
    end = "NULL"
    if kind == "number":
        # Not FILTER, which takes ten times as long over many columns.
        end = f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
    elif kind == "date":
        end = f"CASE WHEN {column}::DATE BETWEEN '0001-01-01' AND '9999-12-31' THEN {column}::DATE END"
    elif kind == "text":
        values = f"approx_count_distinct({column})"
    return f"count({column}), {values}, min({end}), max({end})"

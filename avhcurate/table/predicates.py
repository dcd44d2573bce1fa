"""Checks SQL predicates: only conditions over known columns pass, no statements, no files."""

import copy
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import duckdb

from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.filters import quote
from avhcurate.table.predicted import PREDICTED_COLUMNS
from avhcurate.table.sample_sql import QUALITY_TYPES

#: Kinds of expression that compare and combine values; subqueries, windows, lambdas and stars are not among them.
_EXPRESSIONS = {
    "CONJUNCTION",
    "COMPARISON",
    "BETWEEN",
    "CONSTANT",
    "COLUMN_REF",
    "OPERATOR",
    "CASE",
    "CAST",
    "FUNCTION",
}

#: Functions that look at their arguments alone: no files, no settings, no clock, no memory to speak of.
_FUNCTIONS = frozenset(
    """
    + - * / // % ** ^ || ~~ !~~ ~~* !~~* ~~~ abs ceil floor round sqrt ln log10 log2 exp pow power sign greatest least
    lower upper length len strlen trim ltrim rtrim substring substr left right replace contains prefix suffix
    starts_with ends_with regexp_matches regexp_full_match like_escape ilike_escape not_like_escape not_ilike_escape
    concat coalesce ifnull nullif isnan isfinite isinf list_contains list_has array_contains list_has_any list_has_all
    array_extract list_extract list_value year month day acos asin atan atan2 cos sin tan pi degrees radians
    """.split()  # noqa: SIM905 - a list of forty quoted words says less
)

#: Columns that a table has once they are computed, in lower case, and the command that computes them.
_COMPUTED_BY = (
    dict.fromkeys(PREDICTED_COLUMNS, "avhcurate predict NAME")
    | dict.fromkeys(QUALITY_TYPES, "avhcurate quality NAME")
    | {key: "avhcurate neighbours NAME" for key, score in SCORES.items() if score.needs == "neighbours"}
    | {key: "avhcurate train NAME --model MODEL" for key, score in SCORES.items() if score.training}
)

_LONGEST = 4000
#: Columns of class indices, which text beside them means by name, and functions of text that keep what it means.
_NAMES = {"label": "label_name", "predicted": "predicted_name", "curated_label": "curated_label_name"}
_CASES = ("lower", "upper", "trim")

#: Functions whose result may be longer than what they get: nested, each would multiply what the one before made.
_TEXT_MAKERS = {"replace", "concat", "||"}
_MOST_TEXT_MAKERS = 16
#: By how many characters `replace` may lengthen each place.
_LONGER = 16


def check_predicate(text: str, columns: Iterable[str]) -> None:
    """Passes when `text` is one condition over `columns`; refuses anything else with a CurateError that says why.

    >>> check_predicate("avh > 0.1 AND label_name = 'cat'", ["avh", "label_name"])
    """
    with _readable(text):
        _check_condition(text, columns)


def by_name(text: str) -> str:
    """The same condition with classes that are compared with text read as their names.

    >>> print(by_name("label = 'dog' AND predicted IN ('cat', 'cow')"))
    ((label_name = 'dog') AND (predicted_name IN ('cat', 'cow')))
    >>> by_name("label = 3")
    'label = 3'
    """
    with _readable(text):
        node = copy.deepcopy(_parse(text))
        return _text_of(node) if _name_classes(node["where_clause"]) else text


def columns_in(text: str) -> list[str]:
    """The columns that a condition names, each once, in their order."""
    columns = [node for node in _nodes(_parse(text)["where_clause"]) if node.get("class") == "COLUMN_REF"]
    return list(dict.fromkeys(".".join(node["column_names"]) for node in columns))


def describe_column(name: str, kind: str, value: Any) -> str:
    """What a column of a DuckDB type holds, with a condition on it; `value` is one that occurs, None for none.

    >>> describe_column("avh", "DOUBLE", 0.03125)
    'avh is a number (DOUBLE), as in avh > 0.0312'
    >>> print(describe_column("odd name", "VARCHAR", "it's"))
    odd name is text (VARCHAR), as in "odd name" = 'it''s'
    """
    column = name if name.isidentifier() else quote(name)
    what, example = next(
        (what, example) for pattern, what, example in _KINDS if re.fullmatch(pattern, kind, re.IGNORECASE)
    )
    return f"{name} is {what} ({kind}), as in {example(column, value)}"


def _quoted(value: Any) -> str:
    return "'" + str("text" if value is None else value).replace("'", "''") + "'"


#: Types of DuckDB by pattern: what a column of it holds, and a condition on it.
_KINDS: tuple[tuple[str, str, Callable[[str, Any], str]], ...] = (
    (r".*\[\d*\]", "a list", lambda column, value: f"list_contains({column}, {_quoted((value or ['blurred'])[0])})"),
    (r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?", "a whole number", lambda column, value: f"{column} = {value or 0}"),
    (r"FLOAT|DOUBLE|DECIMAL.*", "a number", lambda column, value: f"{column} > {value or 0:.3g}"),
    (r"BOOLEAN", "true or false", lambda column, _: f"NOT {column}"),
    (r"DATE|TIME.*", "a date", lambda column, value: f"{column} > {_quoted(value)}"),
    (r".*", "text", lambda column, value: f"{column} = {_quoted(value)}"),
)


def unknown_column(name: str, columns: Iterable[str]) -> CurateError:
    """The error for a column that a table lacks: what computes it, else the names that are near, else all of them.

    >>> print(unknown_column("hsf_predicted", ["hsf", "predicted"]))
    hsf_predicted is not computed yet: run `avhcurate predict NAME`
    >>> print(unknown_column("labels", ["id", "label"]))
    no column is called labels: did you mean label?
    >>> print(unknown_column("zoom", ["id", "label"]))
    no column is called zoom: choose from id, label
    """
    if command := _COMPUTED_BY.get(name.lower()):
        return CurateError(f"{name} is not computed yet: run `{command}`")
    by_lower = {column.lower(): column for column in columns}
    near = ", ".join(by_lower[key] for key in difflib.get_close_matches(name.lower(), by_lower, n=3))
    return CurateError(
        f"no column is called {name}: "
        + (f"did you mean {near}?" if near else f"choose from {', '.join(by_lower.values())}")
    )


@contextmanager
def _readable(text: str) -> Iterator[None]:
    if len(text) > _LONGEST:
        raise CurateError(f"the predicate is {len(text)} characters long: {_LONGEST} is the most")
    try:
        yield
    except RecursionError:
        raise CurateError("the predicate is nested too deeply: write it with fewer brackets or NOTs") from None


def _check_condition(text: str, columns: Iterable[str]) -> None:
    # Parsed bare and within brackets: text that closes a bracket or adds a clause passes only one of the two.
    bare, _ = _parse(text), _parse(f"({text}\n)")
    extras = [name for name in ("group_expressions", "having", "qualify", "sample", "modifiers") if bare.get(name)]
    if bare.get("type") != "SELECT_NODE" or extras or bare.get("from_table", {}).get("type") != "BASE_TABLE":
        raise CurateError(f"not a condition: {text!r}. Write what is true or false of a sample, e.g. relative_avh > 1")
    _check(bare["where_clause"], {column.lower(): column for column in columns if not column.startswith("_")})
    _check_texts(bare["where_clause"])


@lru_cache(maxsize=256)
def _parse(condition: str) -> dict[str, Any]:
    query = "SELECT json_serialize_sql(?)"
    try:
        with duckdb.connect() as connection:
            (serialised,) = connection.execute(query, [f"SELECT 1 FROM samples WHERE {condition}"]).fetchall()[0]
    except duckdb.InvalidInputException as error:  # half a surrogate pair, say
        raise CurateError(f"cannot read the condition: {str(error).splitlines()[0]}") from error
    parsed: dict[str, Any] = json.loads(serialised)
    if parsed["error"]:
        why = parsed.get("error_message", "not SQL")
        raise CurateError(f"cannot read the condition: {why}. Write one such as relative_avh > 1 AND label = 'cat'")
    if len(parsed["statements"]) != 1:
        raise CurateError("give one predicate, not several statements")
    node: dict[str, Any] = parsed["statements"][0]["node"]
    return node


def _text_of(node: dict[str, Any]) -> str:
    """The condition of a parsed query as SQL."""
    statement = json.dumps({"error": False, "statements": [{"node": node}]})
    with duckdb.connect() as connection:
        (query,) = connection.execute("SELECT json_deserialize_sql(?)", [statement]).fetchall()[0]
    return str(query).partition(" WHERE ")[2]


def _name_classes(node: Any) -> bool:
    """Turns columns of class indices that stand beside text into columns of names; whether there were any."""
    changed = False
    for child in _children(node):
        changed |= _name_classes(child)
    operands = _children(node)
    if any(_constant_text(operand) is not None for operand in operands):
        for column in [column for operand in operands for column in _compared(operand)]:
            if (name := column["column_names"][-1].lower()) in _NAMES:
                column["column_names"], changed = [_NAMES[name]], True
    return changed


def _compared(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns whose values an operand compares, as they are or as changed by functions of text."""
    if node["class"] == "FUNCTION" and node["function_name"].lower() in _CASES:
        return [column for child in _children(node) for column in _compared(child)]
    return [node] if node["class"] == "COLUMN_REF" else []


def _children(node: Any) -> list[dict[str, Any]]:
    """The expressions directly below a node."""
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found: list[dict[str, Any]] = []
    for value in values:
        found += [value] if isinstance(value, dict) and value.get("class") not in (None, "TYPE") else _children(value)
    return found


def _check(node: Any, columns: dict[str, str]) -> None:
    if isinstance(node, list):
        for child in node:
            _check(child, columns)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind == "TYPE":
        return
    if kind is not None and kind not in _EXPRESSIONS:
        raise CurateError(f"a predicate may compare and combine columns, but not use a {kind.lower()}")
    if kind == "COLUMN_REF":
        _check_column(".".join(node["column_names"]), columns)
    if kind == "FUNCTION" and (node["function_name"].lower() not in _FUNCTIONS or node.get("schema")):
        raise CurateError(f"the function {node['function_name']} is not allowed in a predicate")
    for child in node.values():
        _check(child, columns)


def _check_texts(condition: Any) -> None:
    """Refuses what could make text of any length from a short condition."""
    makers = [node for node in _nodes(condition) if node.get("function_name", "").lower() in _TEXT_MAKERS]
    replaces = [node for node in makers if node["function_name"].lower() == "replace"]
    within = [inner for node in replaces for inner in _nodes(node["arguments"])]
    around = [node for node in makers if any(inner in replaces for inner in _nodes(node["arguments"]))]
    if len(makers) > _MOST_TEXT_MAKERS or around or any(inner in makers for inner in within):
        raise CurateError(
            f"a predicate may use replace on a column alone, and concat and || up to {_MOST_TEXT_MAKERS} times"
        )
    for node in replaces:
        sought, new = (_constant_text(argument["expression"]) for argument in node["arguments"][1:3])
        if not sought or new is None or len(new) > len(sought) + _LONGER:
            raise CurateError(
                f"replace needs a text to look for and one at most {_LONGER} characters longer, both in quotes"
            )


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """A node of the parsed condition and all below it."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _nodes(child)


def _constant_text(node: dict[str, Any]) -> str | None:
    literal = node.get("literal") or {}
    text: str | None = literal.get("text") if literal.get("kind") == "STRING" else None
    return text


def _check_column(name: str, columns: dict[str, str]) -> None:
    if name.lower() not in columns:
        raise unknown_column(name, columns.values())

"""Checks SQL predicates: only conditions over known columns pass, no statements, no files."""

import difflib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import duckdb

from avhcurate.errors import CurateError

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

_LONGEST = 4000

#: Functions whose result may be longer than what they get: nested, each would multiply what the one before made.
_TEXT_MAKERS = {"replace", "concat", "||"}
_MOST_TEXT_MAKERS = 16
#: By how many characters `replace` may lengthen each place.
_LONGER = 16


def check_predicate(text: str, columns: Iterable[str]) -> None:
    """Passes when `text` is one condition over `columns`; refuses anything else with a CurateError that says why.

    >>> check_predicate("avh > 0.1 AND label_name = 'cat'", ["avh", "label_name"])
    """
    if len(text) > _LONGEST:
        raise CurateError(f"the predicate is {len(text)} characters long: {_LONGEST} is the most")
    try:
        _check_condition(text, columns)
    except RecursionError:
        raise CurateError("the predicate is nested too deeply: write it with fewer brackets or NOTs") from None


def _check_condition(text: str, columns: Iterable[str]) -> None:
    # Parsed bare and within brackets: text that closes a bracket or adds a clause passes only one of the two.
    bare, _ = _parse(text), _parse(f"({text}\n)")
    extras = [name for name in ("group_expressions", "having", "qualify", "sample", "modifiers") if bare.get(name)]
    if bare.get("type") != "SELECT_NODE" or extras or bare.get("from_table", {}).get("type") != "BASE_TABLE":
        raise CurateError(f"not a condition: {text!r}. Write one that is true or false of a sample, e.g. avh > 0.1")
    _check(bare["where_clause"], {column.lower(): column for column in columns if not column.startswith("_")})
    _check_texts(bare["where_clause"])


@lru_cache(maxsize=256)
def _parse(condition: str) -> dict[str, Any]:
    query = "SELECT json_serialize_sql(?)"
    with duckdb.connect() as connection:
        (serialised,) = connection.execute(query, [f"SELECT 1 FROM samples WHERE {condition}"]).fetchall()[0]
    parsed: dict[str, Any] = json.loads(serialised)
    if parsed["error"]:
        raise CurateError(f"cannot read the predicate: {parsed.get('error_message', 'not SQL')}")
    if len(parsed["statements"]) != 1:
        raise CurateError("give one predicate, not several statements")
    node: dict[str, Any] = parsed["statements"][0]["node"]
    return node


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
        near = difflib.get_close_matches(name.lower(), columns, n=3) or sorted(columns)
        raise CurateError(f"no column is called {name}: did you mean {', '.join(columns[key] for key in near)}?")

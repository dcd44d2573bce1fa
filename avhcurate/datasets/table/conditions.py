"""Check SQL conditions of users and limit their queries: only known columns, no statements, no files."""

import copy
import difflib
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias

import duckdb

from avhcurate.datasets.table.columns import PREDICTED_COLUMNS, QUALITY_COLUMNS
from avhcurate.errors import CurateError, Run
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.consensus import CONSENSUS

#: Kinds of expression that compare and combine values; subqueries, windows, lambdas and stars are not among them.
_EXPRESSIONS = frozenset(
    ("CONJUNCTION", "COMPARISON", "BETWEEN", "CONSTANT", "COLUMN_REF", "OPERATOR", "CASE", "CAST", "FUNCTION", "TYPE")
)

#: Functions that look only at their arguments: no files, no settings, no clock, no long results.
_FUNCTIONS = frozenset(
    """
    + - * / // % ** ^ || ~~ !~~ ~~* !~~* ~~~ abs ceil floor round sqrt ln log10 log2 exp pow power sign greatest least
    lower upper length len strlen trim ltrim rtrim substring substr left right contains prefix suffix
    starts_with ends_with regexp_matches regexp_full_match like_escape ilike_escape not_like_escape not_ilike_escape
    concat coalesce ifnull nullif isnan isfinite isinf list_contains list_has array_contains list_has_any list_has_all
    array_extract list_extract list_value year month day acos asin atan atan2 cos sin tan pi degrees radians
    """.split()  # noqa: SIM905 - a list of forty quoted words says less
)
#: Functions whose result is longer than their arguments, and how often a condition may use them.
_LONGER = ("concat", "||")
_MOST_LONGER = 16

#: Columns that a table has once they are computed, in lower case, and the verb that computes them.
_COMPUTED_BY = dict.fromkeys(PREDICTED_COLUMNS, Run("predict", "NAME"))
_COMPUTED_BY |= dict.fromkeys(CONSENSUS, Run("consensus", "NAME"))
_COMPUTED_BY |= dict.fromkeys(QUALITY_COLUMNS, Run("quality", "NAME"))
_COMPUTED_BY |= {key: Run("neighbours", "NAME") for key, score in SCORES.items() if score.needs == "neighbours"}
_COMPUTED_BY |= {key: Run("train", "NAME", model="MODEL") for key, score in SCORES.items() if score.training}

_LONGEST = 4000
#: A node of a parsed condition, as DuckDB writes it in JSON.
_Node: TypeAlias = dict[str, Any]
#: Columns of class indices, each with the column of names that a comparison with text means; functions of such text.
_NAMES = {name: f"{name}_name" for name in ("label", "predicted", "curated_label", "consensus_label")}
_CASES = ("lower", "upper", "trim")
_EQUAL = ("COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_IN")


def check_condition(condition: str, columns: Iterable[str]) -> None:
    """Refuse anything but one condition over `columns` with a CurateError that says why.

    >>> check_condition("avh > 0.1 AND label_name = 'cat'", ["avh", "label_name"])
    """
    with _readable(condition):
        # Parsed bare and within brackets: text that closes a bracket or adds a clause passes only one of the two.
        bare = _parse(condition)
        _ = _parse(f"({condition}\n)")
        clauses = [name for name in ("group_expressions", "having", "qualify", "sample", "modifiers") if bare.get(name)]
        if bare.get("type") != "SELECT_NODE" or clauses or bare.get("from_table", {}).get("type") != "BASE_TABLE":
            raise CurateError(f"{condition!r} is not a condition. Write one, such as relative_avh > 1.")
        names = {column.lower(): column for column in columns if not column.startswith("_")}
        longer = 0
        for node in _nodes(bare["where_clause"]):
            _check_node(node, names)
            longer += node.get("function_name", "").lower() in _LONGER
        if longer > _MOST_LONGER:
            raise CurateError(f"The condition uses concat and || more than {_MOST_LONGER} times. Shorten it.")


def _check_node(node: _Node, columns: dict[str, str]) -> None:
    kind = node.get("class")
    if kind is not None and kind not in _EXPRESSIONS:
        raise CurateError(f"A condition compares and combines columns. It cannot use a {kind.lower()}.")
    if kind == "COLUMN_REF":
        name = ".".join(node["column_names"])
        if name.lower() not in columns:
            raise unknown_column(name, columns.values())
    if kind == "FUNCTION" and (node["function_name"].lower() not in _FUNCTIONS or node.get("schema")):
        raise CurateError(f"The function {node['function_name']} is not allowed in a condition.")


def by_name(condition: str) -> str:
    """Return the same condition with classes that are compared with text replaced by their names.

    >>> print(by_name("label = 'dog' AND predicted IN ('cat', 'cow')"))
    ((label_name = 'dog') AND (predicted_name IN ('cat', 'cow')))
    >>> by_name("label = 3")
    'label = 3'
    """
    with _readable(condition):
        node = copy.deepcopy(_parse(condition))
        if not _name_classes(node["where_clause"]):
            return condition
        statement = json.dumps({"error": False, "statements": [{"node": node}]})
        with duckdb.connect() as connection:
            (query,) = connection.execute("SELECT json_deserialize_sql(?)", [statement]).fetchall()[0]
        return str(query).partition(" WHERE ")[2]


def check_classes(condition: str, classes: Sequence[str]) -> None:
    """Refuse a condition, as `by_name` returns it, that asks for a class there is not: no sample would satisfy it.

    >>> check_classes("label_name IN ('cat', 'dgo')", ["cat", "dog"])
    Traceback (most recent call last):
    avhcurate.errors.CurateError: No class is called 'dgo'. Did you mean dog?
    """
    for node in _nodes(_parse(condition)["where_clause"]):
        operands = list(_operands(node))
        if node.get("type") in _EQUAL and {".".join(o.get("column_names", ())) for o in operands} & {*_NAMES.values()}:
            texts = [literal["text"] for o in operands if (literal := o.get("literal") or {}).get("kind") == "STRING"]
            for text in texts:
                if text not in classes:
                    raise CurateError(f"No class is called {text!r}. {_nearest(text, classes)}")


def _name_classes(node: _Node) -> bool:
    """Turn columns of class indices that are compared with text into columns of names; return whether any was."""
    operands = list(_operands(node))
    changed = max(map(_name_classes, operands), default=False)  # which goes through all, and so changes all
    if any((operand.get("literal") or {}).get("kind") == "STRING" for operand in operands):
        for column in _compared(operands):
            if (name := column["column_names"][-1].lower()) in _NAMES:
                column["column_names"] = [_NAMES[name]]
                changed = True
    return changed


def _compared(operands: Iterable[_Node]) -> Iterator[_Node]:
    """Yield the columns whose values the operands compare, also within functions of text."""
    for operand in operands:
        if operand["class"] == "COLUMN_REF":
            yield operand
        elif operand["class"] == "FUNCTION" and operand["function_name"].lower() in _CASES:
            yield from _compared(_operands(operand))


def _operands(node: _Node) -> Iterator[_Node]:
    """Yield the expressions directly below a node."""
    for child in _children(node):
        if child.get("class") is None:
            yield from _operands(child)
        elif child["class"] != "TYPE":
            yield child


def _nodes(node: _Node) -> Iterator[_Node]:
    """Yield a node of the parsed condition and all below it, but not what a type consists of."""
    yield node
    if node.get("class") != "TYPE":
        for child in _children(node):
            yield from _nodes(child)


def _children(node: _Node) -> Iterator[_Node]:
    for value in node.values():
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            yield from (child for child in value if isinstance(child, dict))


def columns_in(condition: str) -> list[str]:
    """Return the columns that a condition names, each once, in their order; none of an empty one."""
    if not condition:
        return []
    nodes = [node for node in _nodes(_parse(condition)["where_clause"]) if node.get("class") == "COLUMN_REF"]
    return list(dict.fromkeys(".".join(node["column_names"]) for node in nodes))


@contextmanager
def _readable(condition: str) -> Iterator[None]:
    if len(condition) > _LONGEST:
        raise CurateError(f"The condition is too long ({len(condition)} characters; limit {_LONGEST}).")
    try:
        yield
    except RecursionError:
        raise CurateError("The condition is nested too deeply. Use fewer brackets or NOTs.") from None


@lru_cache(maxsize=256)
def _parse(condition: str) -> _Node:
    query = "SELECT json_serialize_sql(?)"
    try:
        with duckdb.connect() as connection:
            (serialised,) = connection.execute(query, [f"SELECT 1 FROM samples WHERE {condition}"]).fetchall()[0]
    except duckdb.InvalidInputException as error:
        raise CurateError(f"The condition cannot be read: {str(error).splitlines()[0]}") from error
    parsed: _Node = json.loads(serialised)
    if parsed["error"]:
        reason = parsed.get("error_message", "not SQL")
        raise CurateError(f"The condition cannot be read: {reason}. Write one, such as relative_avh > 1.")
    if len(parsed["statements"]) != 1:
        raise CurateError("Give one condition, not several statements.")
    node: _Node = parsed["statements"][0]["node"]
    return node


# --- messages about columns ----------------------------------------------------------------------------------


def unknown_column(name: str, columns: Iterable[str]) -> CurateError:
    """Return the error for a column that a table lacks: what computes it, or similar names, or all names.

    >>> print(unknown_column("hsf_predicted", ["hsf", "predicted"]))
    hsf_predicted is not computed yet. Run `avhcurate predict NAME`.
    >>> print(unknown_column("labels", ["id", "label"]))
    Unknown column labels. Did you mean label?
    >>> print(unknown_column("zoom", ["id", "label"]))
    Unknown column zoom. Choose from id, label.
    """
    if run := _COMPUTED_BY.get(name.lower()):
        return CurateError(f"{name} is not computed yet.", fix=run)
    return CurateError(f"Unknown column {name}. {_nearest(name, columns)}")


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return what may have been meant, or what there is."""
    by_lower = {known.lower(): known for known in names}
    if similar := difflib.get_close_matches(name.lower(), by_lower, n=3):
        return f"Did you mean {', '.join(by_lower[key] for key in similar)}?"
    return f"Choose from {', '.join(by_lower.values())}."


#: Seconds that such a query may take, and bytes besides the table.
LONGEST_S = 10.0
MOST_BYTES = 1 << 29


def bound_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Limit queries to `MOST_BYTES` besides the tables in memory and what annotations and votes add to them."""
    used = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
    ((used,),) = connection.execute(used).fetchall()
    connection.execute(f"SET memory_limit = '{int(used or 0) * 2 + MOST_BYTES}B'; SET temp_directory = ''")


@contextmanager
def limited(cursor: duckdb.DuckDBPyConnection, condition: str, *, timed: bool = True) -> Iterator[None]:
    """Raise `CurateError` for a condition that takes too much or does not fit its columns.

    Only a query with a condition is stopped after `LONGEST_S`, and only if `timed`.
    """
    ended = threading.Event()
    watch = threading.Thread(target=_interrupt, args=(cursor, ended), daemon=True)
    if condition and timed:
        watch.start()
    try:
        yield
    except duckdb.InterruptException:
        raise CurateError(f"The condition took longer than {LONGEST_S:.0f} s and was stopped. Simplify it.") from None
    except duckdb.OutOfMemoryException:
        raise CurateError("The condition needs more memory than a query may use. Simplify it.") from None
    except (duckdb.DataError, duckdb.NotSupportedError, duckdb.ProgrammingError) as error:
        raise CurateError(f"The condition does not fit the columns: {str(error).splitlines()[0]}") from error
    finally:
        ended.set()
        # It may be the last to let go of the cursor, and a process that ends meanwhile is aborted.
        if watch.is_alive():
            watch.join()


def _interrupt(cursor: duckdb.DuckDBPyConnection, ended: threading.Event) -> None:
    """Stop a query that has not ended after `LONGEST_S`; again and again, since one that only begins ignores it."""
    seconds = LONGEST_S
    while not ended.wait(seconds):
        cursor.interrupt()
        seconds = 0.1

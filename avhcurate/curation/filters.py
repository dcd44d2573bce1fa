"""Which samples a view, an export or a bulk action is about: a predicate that fits in a URL, never a list of ids."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from avhcurate.errors import CurateError

_T = TypeVar("_T")

#: Value of a bin, class or split filter that stands for "has none".
NONE = -1


@dataclass(frozen=True)
class Filters:
    """Conditions that all must hold; an empty one holds for every sample.

    `hsf_bins` and `classes` are indices, NONE for samples without; `ranges` are (column, low, high), both ends
    included; `tags` must all be present, and a sample be in all of the stored `sets`; `excluded` False leaves excluded
    samples out, True shows only them, None takes both; `where` is a SQL predicate, checked before use by
    `storage.predicates`. `ids` names samples chosen by hand (None: any) and is the one condition that a URL does not
    carry.
    """

    hsf_bins: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()
    predicted: tuple[int, ...] = ()
    splits: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()
    mistakes: bool = False
    excluded: bool | None = False
    where: str = ""
    ids: tuple[int, ...] | None = None

    def to_sql(self) -> tuple[str, list[Any]]:
        """A parenthesised predicate over the sample table, without `where`, and its parameters.

        >>> Filters(classes=(3,), excluded=None).to_sql()
        ('(label IN (?))', [3])
        """
        parts: list[str] = []
        parameters: list[Any] = []
        for column, chosen in (("_hsf_bin", self.hsf_bins), ("label", self.classes), ("predicted", self.predicted)):
            _membership(parts, parameters, column, chosen)
        _membership(parts, parameters, "split", self.splits)
        for tag in self.tags:
            parts.append("list_contains(tags, ?)")
            parameters.append(tag)
        for name in self.sets:
            parts.append("id IN (SELECT id FROM memberships WHERE name = ?)")
            parameters.append(name)
        for column, low, high in self.ranges:
            for operator, bound in ((">=", low), ("<=", high)):
                if math.isfinite(bound):
                    parts.append(f"{quote(column)} {operator} ?")
                    parameters.append(bound)
        if self.ids is not None:
            parts.append("id IN (SELECT unnest(?::BIGINT[]))")
            parameters.append(list(self.ids))
        if self.mistakes:
            parts.append("predicted <> label")
        if self.excluded is not None:
            parts.append("excluded" if self.excluded else "NOT excluded")
        return "(" + (" AND ".join(parts) or "TRUE") + ")", parameters

    def to_query(self) -> dict[str, str]:
        """The conditions as URL parameters; defaults are left out.

        >>> Filters(hsf_bins=(0, 1), ranges=(("avh", 0.1, 0.2),)).to_query()
        {'bin': '0,1', 'range': 'avh:0.1:0.2'}
        """
        query = {
            "bin": _join(self.hsf_bins),
            "class": _join(self.classes),
            "predicted": _join(self.predicted),
            "split": _join(self.splits),
            "tag": _join(self.tags),
            "set": _join(self.sets),
            "range": _join(f"{key}:{low!r}:{high!r}" for key, low, high in self.ranges),
            "mistakes": "1" if self.mistakes else "",
            "excluded": {False: "", True: "only", None: "with"}[self.excluded],
            "where": self.where,
        }
        return {key: value for key, value in query.items() if value}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """The inverse of `to_query`; a parameter that cannot be read is refused by name."""
        read: dict[str, tuple[str, Callable[[str], Any]]] = {
            "hsf_bins": ("bin", lambda text: _split(text, int)),
            "classes": ("class", lambda text: _split(text, int)),
            "predicted": ("predicted", lambda text: _split(text, int)),
            "splits": ("split", lambda text: _split(text, str)),
            "tags": ("tag", lambda text: _split(text, str)),
            "sets": ("set", lambda text: _split(text, str)),
            "ranges": ("range", lambda text: _split(text, _range)),
            "mistakes": ("mistakes", lambda text: text == "1"),
            "excluded": ("excluded", lambda text: {"only": True, "with": None}[text]),
            "where": ("where", str),
        }
        values = {}
        for name, (key, parse) in read.items():
            if text := query.get(key):
                try:
                    values[name] = parse(text)
                except (ValueError, KeyError) as error:
                    raise CurateError(
                        f"the address has {key}={text}, which is not a {key} filter: leave it out"
                    ) from error
        return cls(**values)

    def with_(self, **changes: Any) -> "Filters":
        """The same conditions with some of them changed."""
        return replace(self, **changes)

    @property
    def active(self) -> int:
        """How many conditions are set."""
        return sum(getattr(self, field.name) != field.default for field in fields(self))


def quote(column: str) -> str:
    """A column name as a SQL identifier, whatever it holds.

    >>> print(quote('odd "name"'))
    "odd ""name""\"
    """
    return '"' + column.replace('"', '""') + '"'


def _membership(parts: list[str], parameters: list[Any], column: str, chosen: tuple[Any, ...]) -> None:
    values = [value for value in chosen if value not in (NONE, "")]
    tests = []
    if values:
        tests.append(f"{column} IN ({', '.join('?' * len(values))})")
        parameters.extend(values)
    if len(values) < len(chosen):
        tests.append(f"{column} IS NULL")
    if tests:
        parts.append(tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})")


#: The separator inside a parameter, and what stands for it (and for itself) within a value.
_ESCAPES = (("~", "~0"), (",", "~1"))
_EMPTY = "~2"


def _join(values: Any) -> str:
    texts = []
    for value in values:
        text = str(value)
        for raw, escaped in _ESCAPES:
            text = text.replace(raw, escaped)
        texts.append(text or _EMPTY)
    return ",".join(texts)


def _split(text: str, parse: Callable[[str], _T]) -> tuple[_T, ...]:
    values = []
    for part in text.split(","):
        value = "" if part == _EMPTY else part
        for raw, escaped in reversed(_ESCAPES):
            value = value.replace(escaped, raw)
        values.append(parse(value))
    return tuple(values)


def _range(text: str) -> tuple[str, float, float]:
    key, low, high = text.rsplit(":", 2)
    bounds = float(low), float(high)
    if any(math.isnan(bound) for bound in bounds):
        raise ValueError(text)
    return key, *bounds

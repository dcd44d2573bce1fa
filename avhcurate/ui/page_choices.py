"""A page's own choices: each lives in the address as PAGE.CHOICE, its default left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import streamlit as st

from avhcurate.table.filters import join_values, split_values
from avhcurate.ui import url_state
from avhcurate.ui.frame import mirrored
from avhcurate.ui.url_state import View
from avhcurate.ui.user_errors import plain

_T = TypeVar("_T")
_R = TypeVar("_R", bound="Named")


class Named(Protocol):
    """A result on disk, by the name of its folder."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Choice(Generic[_T]):
    """One choice of a page: `read` turns the address's text into a value and raises ValueError where it cannot."""

    name: str
    default: _T
    read: Callable[[str], _T]
    write: Callable[[_T], str] = str

    def of(self, view: View) -> _T:
        """The value in the address; the default, with a warning, where it cannot be read."""
        text = view.chosen(self.name)
        try:
            return self.read(text) if text else self.default
        except ValueError:
            st.warning(
                plain(f"The address has {self.name}={text[:40]}, which is not understood: it was ignored."),
                icon=":material/link_off:",
            )
            return self.default

    def show(
        self,
        widget: Callable[..., Any],
        label: str,
        view: View,
        *arguments: Any,
        value: _T | None = None,
        on_change: Callable[..., None] | None = None,
        **keywords: Any,
    ) -> _T:
        """Draws the choice as a widget and returns its value: the address's, or `value` if given.

        `arguments` follow the widget's label: the options, as a list or as a mapping to their texts, or the ends of a
        slider. A value that is not among the options is replaced by the default, else by the first option.
        """
        shown = self.of(view) if value is None else value
        if arguments and isinstance(arguments[0], Mapping):
            keywords["format_func"] = arguments[0].__getitem__
        if arguments and isinstance(arguments[0], Mapping | Sequence):
            options = list(arguments[0])
            shown = self._among(options, shown)
            arguments = (options, *arguments[1:])
        if widget is st.segmented_control:
            keywords["required"] = True
        widget(label, *arguments, key=self.key(shown), on_change=on_change or self.keep, **keywords)
        return shown

    def _among(self, options: list[Any], value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in value if one in options]
        return next((one for one in (value, self.default) if one in options), options[0])

    def key(self, value: _T) -> str:
        """Key of the widget that shows the choice, set to `value`; its callback is `keep`."""
        return mirrored(self.name, value)

    def keep(self) -> None:
        """Writes the widget's value into the address."""
        self.put(st.session_state[self.name])

    def restart(self, *dropped: str) -> None:
        """As `keep`, and goes to row 1 with no sample open; the choices `dropped` are reset."""
        view = replace(url_state.current(), row=1, sample=None)
        for name in dropped:
            view = view.choosing(name, "")
        url_state.write(view)
        self.keep()

    def put(self, value: _T) -> None:
        """Writes a value into the address; to be called in a widget's callback."""
        url_state.write(url_state.current().choosing(self.name, "" if value == self.default else self.write(value)))


def one_of(name: str, options: Sequence[_T], default: _T) -> Choice[_T]:
    """A choice among values, each by its text."""
    by_text = {str(option): option for option in options}

    def read(text: str) -> _T:
        if text not in by_text:
            raise ValueError(text)
        return by_text[text]

    return Choice(name, default, read)


def some_of(
    name: str, options: Sequence[str], default: Sequence[str], *, most: int | None = None, none: str = ""
) -> Choice[list[str]]:
    """A choice of some texts, at most `most` of them, in the order chosen.

    `none` is the address's text for an emptied choice; without it an emptied choice gives the default.
    """

    def read(text: str) -> list[str]:
        chosen = [] if text == none else list(dict.fromkeys(split_values(text)))
        if not set(chosen) <= set(options) or len(chosen) > (most or len(options)):
            raise ValueError(text)
        return chosen

    return Choice(name, list(default), read, lambda chosen: join_values(chosen) or none)


def number(name: str, default: float, *, low: float, high: float) -> Choice[float]:
    """A number from `low` to `high`."""

    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return Choice(name, default, read, lambda value: f"{value:g}")


def page_of(choice: Choice[float], view: View, count: int, size: int) -> range:
    """The places, from 0, of a list's entries on the page of `size` that the address names, at most its last."""
    first = (min(int(choice.of(view)), max(1, -(-count // size))) - 1) * size
    return range(first, min(first + size, count))


def turn_pages(choice: Choice[float], shown: range, count: int, size: int) -> None:
    """The way to the other pages of a list, and which of its entries are shown; nothing where all are."""
    if len(shown) < count:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{shown.start + 1:,}–{shown.stop:,} of {count:,}", width="content")
            st.pagination(-(-count // size), key=choice.key(shown.start // size + 1), on_change=choice.keep)


def switch(name: str) -> Choice[bool]:
    """A flag, off by default."""

    def read(text: str) -> bool:
        if text != "1":
            raise ValueError(text)
        return True

    return Choice(name, False, read, lambda _: "1")


def read_ids(text: str, *, most: int) -> tuple[int, ...]:
    """Ids of at most so many samples from an address, each once; ValueError for any other text.

    >>> read_ids("3,1,3", most=4)
    (3, 1)
    """
    ids = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    if len(ids) > most or min(ids) < 0:
        raise ValueError(text)
    return ids


def write_ids(ids: Sequence[int]) -> str:
    """The text that `read_ids` reads."""
    return ",".join(map(str, ids))


def chosen_result(name: str, view: View, results: Sequence[_R]) -> _R | None:
    """The result that the address names, else the newest of `results`, oldest first; None where there is none."""
    by_name = {result.name: result for result in results}
    return by_name.get(view.chosen(name)) or next(reversed(by_name.values()), None)


def choose_result(
    name: str, label: str, view: View, results: Sequence[_R], title: Callable[[_R], str], **look: Any
) -> None:
    """A selectbox of results, newest first, where there are several."""
    if len(results) > 1:
        titles = {result.name: title(result) for result in reversed(results)}
        Choice(name, results[-1].name, str).show(st.selectbox, label, view, titles, **look)

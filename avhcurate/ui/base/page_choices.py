"""A page's own choices: each lives in the address as PAGE.CHOICE, its default left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, NoReturn, Protocol, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base import frame, url_state
from avhcurate.ui.base.frame import mirrored
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.base.url_state import View, not_understood
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.disk.app_files import PAGES, page_file

_T = TypeVar("_T")
_R = TypeVar("_R", bound="Named")


class Named(Protocol):
    """A result on disk, by the name of its folder."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Choice(Generic[_T]):
    """One choice of a page: `read` turns the address's text into a value, or raises ValueError."""

    name: str
    default: _T
    read: Callable[[str], _T]
    write: Callable[[_T], str] = str

    def asked(self) -> _T:
        """Return the value in the address; the default, with a warning, if it cannot be read."""
        text = st.query_params.get(self.name, "")
        if not text:
            return self.default
        try:
            return self.read(text)
        except ValueError:
            st.warning(plain(not_understood(self.name, text)), icon=":material/link_off:")
            return self.default

    def show(
        self,
        widget: Callable[..., Any],
        label: str,
        *arguments: Any,
        value: _T | None = None,
        on_change: Callable[..., None] | None = None,
        **keywords: Any,
    ) -> _T:
        """Draw the choice as a widget and return its value: the address's, or `value` if given.

        `arguments` follow the widget's label: the options, as a list or as a mapping to their texts, or the ends of a
        slider. A value that is not among the options is replaced by the default, else by the first option.
        """
        shown = value
        if shown is None:
            shown = self.asked()
        options, *others = arguments or (0,)
        if isinstance(options, Mapping):
            keywords["format_func"] = options.__getitem__
        if isinstance(options, Mapping | Sequence):
            arguments = (list(options), *others)
            shown = self._among(list(options), shown)
        if widget is st.segmented_control:
            keywords["required"] = True
        widget(label, *arguments, key=self.key(shown), on_change=on_change or self.keep, **keywords)
        return shown

    def _among(self, options: list[Any], value: Any) -> Any:
        if isinstance(value, list):
            return [option for option in value if option in options]
        return next(option for option in (value, self.default, options[0]) if option in options)

    def key(self, value: _T) -> str:
        """Return the key of the widget that shows the choice, set to `value`; its callback is `keep`."""
        return mirrored(self.name, value)

    def keep(self) -> None:
        """Write the widget's value into the address."""
        self.put(st.session_state[self.name])

    def restart(self, *dropped: str) -> None:
        """Do the same, reset the choices `dropped`, and go to row 1 with no sample open."""
        view = replace(url_state.current(), row=1, sample=None)
        for name in dropped:
            view = view.choosing(name, "")
        url_state.write(view)
        self.keep()

    def put(self, value: _T) -> None:
        """Write a value into the address, in a widget's callback."""
        text = ""
        if value != self.default:
            text = self.write(value)
        url_state.write(url_state.current().choosing(self.name, text))


def one_of(name: str, options: Sequence[_T], default: _T) -> Choice[_T]:
    """Return a choice among values, each by its text."""
    by_text = {str(option): option for option in options}

    def read(text: str) -> _T:
        if text not in by_text:
            raise ValueError(text)
        return by_text[text]

    return Choice(name, default, read)


def some_of(
    name: str, options: Sequence[str], default: Sequence[str], *, most: int | None = None, none: str = ""
) -> Choice[list[str]]:
    """Return a choice of some texts, at most `most` of them, in the order chosen.

    `none` is the address's text for an emptied choice; without it an emptied choice gives the default.
    """

    def read(text: str) -> list[str]:
        if text == none:
            return []
        names = list(dict.fromkeys(map(unquote, text.split(","))))
        if not set(names) <= set(options) or len(names) > (most or len(options)):
            raise ValueError(text)
        return names

    return Choice(name, list(default), read, lambda names: ",".join(map(quote, names)) or none)


def number(name: str, default: float, *, low: float, high: float) -> Choice[float]:
    """Return a choice of a number from `low` to `high`."""

    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return Choice(name, default, read, "{:g}".format)


def switch(name: str) -> Choice[bool]:
    """Return a choice of a flag, off by default."""
    return Choice(name, False, lambda text: bool(int(text)), lambda on: str(int(on)))


def page_of(choice: Choice[float], count: int, size: int) -> range:
    """Return the positions of a list's entries on the page of `size` that the address names, at most its last."""
    page = min(int(choice.asked()), max(1, -(-count // size)))
    return range((page - 1) * size, min(page * size, count))


def turn_pages(choice: Choice[float], shown: range, count: int, size: int) -> None:
    """Draw the way to the other pages of a list, and which of its entries are shown, unless all are."""
    if len(shown) < count:
        with in_a_row("center"):
            st.caption(f"{shown.start + 1:,}–{shown.stop:,} of {count:,}", width="content")
            st.pagination(-(-count // size), key=choice.key(shown.start // size + 1), on_change=choice.keep)


def read_ids(text: str, *, most: int) -> tuple[int, ...]:
    """Return ids of at most so many samples from an address, each once; ValueError for any other text.

    >>> read_ids("3,1,3", most=4)
    (3, 1)
    """
    ids = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    if len(ids) > most or min(ids) < 0:
        raise ValueError(text)
    return ids


def write_ids(ids: Sequence[int]) -> str:
    """Return the text that `read_ids` reads."""
    return ",".join(map(str, ids))


def chosen_result(name: str, results: Sequence[_R]) -> _R | None:
    """Return the result that the address names, else the newest of `results`, oldest first; None without any."""
    matches = [result for result in results if result.name == st.query_params.get(name)]
    return next(iter(matches or results[-1:]), None)


def choose_result(name: str, label: str, results: Sequence[_R], title: Callable[[_R], str], **widget: Any) -> None:
    """Draw a selectbox of results, newest first, if there are several."""
    if len(results) > 1:
        titles = {result.name: title(result) for result in reversed(results)}
        Choice(name, results[-1].name, str).show(st.selectbox, label, titles, **widget)


# --- the gallery and the details of images ---------------------------------------------------------------------------


#: The page and address that a mark of a chart was clicked on, for the way back.
_BACK = Choice("gallery.back", "", str)


def gallery_link(label: str, query: Mapping[str, str] | None = None, **changes: Any) -> None:
    """Draw a link to the gallery at an address, or with the view's samples after `changes` of its fields."""
    if query is None:
        query = replace(url_state.current(), choices=(), **changes).elsewhere
    st.page_link(
        PAGES / "gallery.py",
        label=label,
        icon=":material/grid_view:",
        query_params={**query, **_back()},
        width="content",
    )


def _back() -> dict[str, str]:
    """Return the parameter that leads back to the current view; none in the gallery itself."""
    page = st.session_state[frame.PAGE]
    if page == "gallery":
        return {}
    return {_BACK.name: f"{page}?{urlencode(st.query_params.to_dict())}"}


def go_to_gallery(filters: Filters, *, like: Sequence[int] = (), run: str = "") -> NoReturn:
    """Open the gallery with the samples of these filters, in the order of likeness to some, and with the way back."""
    view = url_state.current()
    view = replace(view, filters=filters, run=run or view.run, row=1, sample=None, choices=())
    view = view.choosing(LIKE.name, LIKE.write(tuple(like)))
    st.switch_page(PAGES / "gallery.py", query_params=view.to_query() | _back())


def way_back() -> None:
    """Draw a link to the page that led here, as it was."""
    page, _, query = _BACK.asked().partition("?")
    if page in TITLES:
        st.page_link(
            page_file(page),
            label=f"Back to {TITLES[page]}",
            icon=":material/arrow_back:",
            query_params=dict(parse_qsl(query)),
            width="content",
        )


# --- the details of an image -----------------------------------------------------------------------------------------


#: Images that others are compared with, at most.
_MOST_LIKE = 20
#: Images side by side, at most.
_MOST_TOGETHER = 4
#: The ids side by side; they do not count while the image that is open is none of them.
TOGETHER: Choice[tuple[int, ...]] = Choice("details.together", (), partial(read_ids, most=_MOST_TOGETHER), write_ids)
#: The ids to be like; none for the order of a column.
LIKE: Choice[tuple[int, ...]] = Choice("gallery.like", (), partial(read_ids, most=_MOST_LIKE), write_ids)


def open_sample(id: int | None) -> None:
    """Put a sample into the address, so that its details open with the next run; None closes them."""
    view = url_state.current()
    together = TOGETHER.asked()
    if id not in together:
        together = ()
    url_state.write(replace(view, sample=id).choosing(TOGETHER.name, write_ids(together)))


def open_side_by_side(ids: Sequence[int]) -> None:
    """Open the first of some samples with the next three next to it. For a widget's callback."""
    if ids:
        view = replace(url_state.current(), sample=ids[0])
        url_state.write(view.choosing(TOGETHER.name, write_ids(ids[:_MOST_TOGETHER])))


def side_by_side(view: View) -> tuple[int, ...]:
    """Return the samples to show: that of the view, or several of which it is one."""
    together = TOGETHER.asked()
    if view.sample in together:
        return together
    if view.sample is None:
        return ()
    return (view.sample,)


def more_like(ids: Sequence[int]) -> None:
    """Order the gallery by likeness to these samples; without any by a score. For a widget's callback."""
    url_state.change(row=1, sample=None)
    LIKE.put(tuple(ids[:_MOST_LIKE]))

"""Forms that start a job: the settings class of a verb gives the widgets and the command line."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.datasets.table.subset import same_classes
from avhcurate.errors import CurateError
from avhcurate.networks.models.names import network_names, refuse_unknown, refuse_unlisted
from avhcurate.ui.frame import Opened, attempt, while_allowed
from avhcurate.ui.layout import empty_state
from avhcurate.ui.signin import for_curators
from avhcurate.workspace.data import background
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.settings import Option, VerbSettings, joined
from avhcurate.workspace.data.workspace import Workspace

#: The usual models, first in a choice; any other name may be typed.
MODELS = (
    "torchvision:resnet50",
    "torchvision:resnet18",
    "torchvision:convnext_tiny",
    "torchvision:vit_b_16",
    "efficientnet-lite0",
    "avhcurate:digits",
    "avhcurate:resnet20",
    "clip:openai/clip-vit-base-patch32",
    "clip:google/siglip-base-patch16-224",
    "transformers:google/vit-base-patch16-224",
)
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "tf32")

_ANY_MODEL = """
Type a part of a name and choose a match, or type a name in full: `torchvision:NAME`, `timm:NAME`, `avhcurate:NAME`,
`transformers:FOLDER-or-HUB`, `clip:FOLDER-or-HUB` (zero-shot: class names are enough), `onnx:FILE`, or a
`PACKAGE.MODULE:FACTORY` that the server's owner lists in `AVHCURATE_FACTORIES`.
"""
_BUSY = "A job is running. Wait for it or cancel it."
#: Session state: the command line of the job that this session started last.
STARTED = "jobs.started"


def models(*first: str, usual: Sequence[str] = MODELS) -> list[str]:
    """Return names to choose a model from: `first` and the usual ones, then every network that is known by name."""
    return list(dict.fromkeys([*first, *usual, *network_names()]))


def has_ray() -> bool:
    """Return whether work can be done on a Ray cluster."""
    return find_spec("ray") is not None


def widget_of(option: Option) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the widget of an option by its type, and how it looks."""
    if option.type is bool:
        return st.checkbox, {"value": bool(option.default)}
    if option.choices:
        return st.selectbox, {
            "options": option.choices,
            "index": option.choices.index(option.default),
            "width": 130,
        }
    if option.type in (int, float):
        limits = {"min_value": option.low, "max_value": option.high, "value": option.default}
        numbers = {name: option.type(value) for name, value in limits.items() if value is not None}
        return st.number_input, {"value": None, "placeholder": option.usual, "width": 130} | numbers
    if option.repeat:
        return st.text_area, {"placeholder": option.usual, "width": 300, "height": "content"}
    return st.text_input, {"value": _text_of(option), "placeholder": option.usual, "width": 150}


def _text_of(option: Option) -> str:
    if option.required or option.default is None:
        return ""
    if option.is_list:
        return joined(option.default)
    return str(option.default)


class JobForm:
    """The widgets of a verb's settings, and the button that starts the job with their values.

    `known` are options that no widget asks for; `make` makes the settings of all values, `then` follows a start.
    """

    def __init__(
        self,
        root: Path,
        key: str,
        settings: type[VerbSettings],
        *,
        busy: bool,
        make: Callable[..., VerbSettings] | None = None,
        then: Callable[[VerbSettings], None] | None = None,
        **known: Any,
    ) -> None:
        self._root, self._key, self._busy, self._known = root, key, busy, known
        self._make, self._then = make or settings, then
        self._options = {option.name: option for option in settings.options()}
        self._keys: dict[str, str] = {}
        self._checks: dict[str, Callable[[str], Any]] = {}

    def ask_model(
        self,
        names: Sequence[str],
        *,
        name: str = "model",
        check: Callable[[str], Any] | None = refuse_unknown,
        **look: Any,
    ) -> None:
        """Ask for a model, chosen from `names` or typed. `check` refuses a name that is not a model's."""
        if check:
            self._checks[name] = check
        usual: dict[str, Any] = {"options": names, "accept_new_options": True, "help": _ANY_MODEL, "index": 0}
        self.ask(name, widget=st.selectbox, **(usual | look))

    def ask(self, *names: str, key: str = "", widget: Callable[..., Any] | None = None, **look: Any) -> None:
        """Draw the widgets of these options. `widget` and `look` override what their types and fields say."""
        for name in names:
            option = self._options.get(name)
            usual: dict[str, Any] = {"label": name.replace("_", " ").capitalize()}
            draw = widget
            if option is not None:
                usual |= {"label": option.label or usual["label"], "help": option.help or None}
                if widget is None:
                    draw, by_type = widget_of(option)
                    usual |= by_type
            assert draw is not None, f"{name} is not an option: give its widget"
            self._keys[name] = key or f"{self._key}{name}"
            draw(key=self._keys[name], **(usual | look))

    def ask_where(self) -> None:
        """Ask where the job runs, if there is a choice."""
        if has_ray():
            cluster = os.environ.get("RAY_ADDRESS", "of this machine")
            names = {"local": "In one process here", "ray": f"On a Ray cluster {cluster}"}
            self.ask("engine", label="Where", format_func=names.get, width=280)

    def submit(self, label: str, icon: str = "play_arrow", button: Any = None, **look: Any) -> None:
        """Draw the button that starts the job, unless one is running."""
        draw = button or st.form_submit_button
        look = {"type": "primary", "disabled": self._busy} | look
        if self._busy:
            look["help"] = _BUSY
        look = for_curators("Running jobs", **look)
        draw(label, icon=f":material/{icon}:", on_click=attempt, args=(self._start,), **look)

    def _start(self) -> None:
        asked = self._known | {name: st.session_state[key] for name, key in self._keys.items()}
        given = {name: self._value(name, value) for name, value in asked.items() if value not in (None, "")}
        for name, check in self._checks.items():
            if name in given:
                check(given[name])
        settings = self._make(**given)
        start(self._root, settings)
        if self._then:
            self._then(settings)

    def _value(self, name: str, value: Any) -> Any:
        """Return the value of a widget: the lines of a text area, or a text without spaces at its ends."""
        if not isinstance(value, str):
            return value
        option = self._options.get(name)
        if option is not None and option.repeat:
            return tuple(line.strip() for line in value.splitlines() if line.strip())
        return value.strip()


def start(root: Path, settings: VerbSettings) -> None:
    """Run a verb as the workspace's job; a network by a factory must be one that the server's owner lists."""
    refuse_unlisted(getattr(settings, "model", None) or "")
    background.start(root, settings.argv, verb=settings.verb, dataset=settings.subject)
    st.session_state[STARTED] = settings.argv


def first_job(
    page: Opened, title: str, icon: str, story: str, settings: VerbSettings, form: Callable[..., None], *, busy: bool
) -> None:
    """Draw an empty page: a button that starts its job with the usual settings, and `form` for others."""

    def draw() -> None:
        note = f"Runs `{settings.line}` in the background."
        if busy:
            note = _BUSY
        st.button(
            "Fill this page",
            icon=":material/auto_awesome:",
            key="page.fill",
            type="primary",
            on_click=attempt,
            args=(start, page.workspace.root, settings),
            **for_curators("Running jobs", disabled=busy, help=note),
        )
        st.caption("Starts with the usual settings. Or choose your own:")
        form(page, busy=busy)

    empty_state(title, icon, story, draw, command=settings.line)


@contextmanager
def job_form(root: Path, key: str, settings: type[VerbSettings], **more: Any) -> Iterator[JobForm]:
    """Open a form of Streamlit's with a `JobForm`, whose widgets' keys begin with `key`."""
    with st.form(f"{key}form", border=False):
        yield JobForm(root, key, settings, **more)


def row() -> Any:
    """Return a line of widgets."""
    return st.container(horizontal=True, vertical_alignment="bottom")


def partners(workspace: Workspace, dataset: DatasetFolder) -> list[str]:
    """Return the workspace's other datasets with the same two or more classes that are not damaged."""
    names = []
    for name in workspace.names():
        with suppress(CurateError):
            record = workspace.dataset(name).record
            if name != dataset.name and len(record.classes) > 1 and same_classes(record, dataset.record):
                names.append(name)
    return names


# --- forms next to results ------------------------------------------------------------------------------------


def another(page: str, label: str, draw: Callable[[], None]) -> None:
    """Draw a form next to the page's results while its switch is on; see `close_another`."""
    if st.toggle(label, key=f"{page}.another"):
        with st.container(border=True):
            draw()


def close_another(page: str) -> None:
    """Switch that form off, in a widget's callback."""
    st.session_state[f"{page}.another"] = False


def await_more(count: Callable[[], int], *, known: int | None = None, every: float = 1.0) -> None:
    """Run the page again as soon as the number of results changes."""
    if known is None:
        known = count()

    @while_allowed
    def look() -> None:
        if count() != known:
            st.rerun()

    st.fragment(look, run_every=every)()

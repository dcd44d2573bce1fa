"""Forms that start a job: a dataclass of a verb's options gives the widgets and the command line."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.data import background
from avhcurate.data.background import Command
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.settings import Option, VerbSettings, joined
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.models.catalogue import network_names, refuse_unknown
from avhcurate.models.factories import refuse_unlisted
from avhcurate.ui.frame import attempt, while_allowed
from avhcurate.ui.signin import for_curators

#: The usual models, first in a choice; any other name that the command line takes may be typed.
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
_BUSY = "A job is running: wait for it or cancel it."
#: Session state: the command line of the job that this session started last.
STARTED = "jobs.started"


# --- options of a verb, as fields of a Command ---------------------------------------------------------------


def option(widget: Any, *, default: Any = "", write: Any = None, check: Any = None, **look: Any) -> Any:
    """An option with its widget, labelled by its name; `write` turns the value into the command line's.

    Without a default (`MISSING`) it is an argument of the verb. `check` raises CurateError for a value that no job
    should start with.
    """
    metadata = {"widget": widget, "look": look, "check": check, **({"write": write} if write else {})}
    return field(default=default, metadata=metadata)


def text(help: str | None = None, usual: str = "", width: int = 150, default: Any = "", **look: Any) -> Any:
    """A text; `usual` tells what an empty one means."""
    value = "" if default is MISSING else default
    look |= {"value": value, "placeholder": usual, "help": help, "width": width}
    return option(st.text_input, default=default, **look)


def lines(help: str | None = None, usual: str = "", width: int = 300, **look: Any) -> Any:
    """A text of several lines, each one an option of its own; `usual` tells what an empty one means."""
    look |= {"placeholder": usual, "help": help, "width": width, "height": "content"}
    return option(st.text_area, write=lambda text: [line.strip() for line in text.splitlines()], **look)


def number(help: str | None = None, usual: str | None = None, width: int = 130, low: Any = 1, **look: Any) -> Any:
    """A number from `low`; `usual` tells what an empty one means."""
    look = {"min_value": low, "value": look.get("default"), "default": None, "help": help, "width": width} | look
    return option(st.number_input, placeholder=usual, **look)


def choice(options: Sequence[str], help: str | None = None, width: int = 130, **look: Any) -> Any:
    """One of `options`, by default the first."""
    return option(st.selectbox, default=options[0], options=options, help=help, width=width, **look)


def model_choice(label: str, width: int, help: str = _ANY_MODEL, *, check: Any = refuse_unknown) -> Any:
    """A model's name, chosen or typed; one that is no model's is answered with near matches, unless `check` is None."""
    look = {"label": label, "width": width, "help": help}
    return option(st.selectbox, check=check, accept_new_options=True, **look)


def models(*first: str, usual: Sequence[str] = MODELS) -> list[str]:
    """Names for a `model_choice`: `first` and the usual ones, then every network that is known by name."""
    return list(dict.fromkeys([*first, *usual, *network_names()]))


def tick(label: str, help: str | None = None) -> Any:
    """A flag."""
    return option(st.checkbox, label=label, default=False, help=help)


@dataclass(frozen=True, kw_only=True)
class PlacedCommand(Command):
    """A verb whose work is done in a process of this machine or on a Ray cluster.

    Which cluster is for the server's owner to say, in RAY_ADDRESS: what answers there can run code in the job.
    """

    engine: str = option(
        st.selectbox,
        default="local",
        label="Where",
        options=("local", "ray"),
        format_func=lambda name: _cluster() if name == "ray" else "In one process here",
        width=280,
        help="The numbers are the same. A cluster takes a while to start, and pays where it has more machines.",
    )


def _cluster() -> str:
    address = os.environ.get("RAY_ADDRESS")
    return f"On the Ray cluster {address}" if address else "On a Ray cluster of this machine"


def has_ray() -> bool:
    """Whether work can be done on a Ray cluster."""
    return find_spec("ray") is not None


def seed_list(count: int) -> str:
    """Seeds as the command line takes them.

    >>> seed_list(3)
    '0,1,2'
    """
    return ",".join(map(str, range(count)))


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
    """The widgets of a verb's options, and the button that starts the job with their values.

    `known` are arguments and options that no widget asks for; `make` makes the command of all, `then` follows a start.
    """

    def __init__(
        self,
        root: Path,
        key: str,
        command: type[Any],
        *,
        busy: bool,
        make: Callable[..., Any] | None = None,
        then: Callable[[Any], None] | None = None,
        **known: Any,
    ) -> None:
        self._root, self._key, self._busy, self._known = root, key, busy, known
        self._make, self._then = make or command, then
        self._options: dict[str, Option] = {}
        self._fields: dict[str, Any] = {}
        if issubclass(command, VerbSettings):
            self._options = {option.name: option for option in command.options()}
        else:
            self._fields = {field.name: field.metadata for field in fields(command)}
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
            self._keys[name] = key or f"{self._key}{name}"
            if name in self._options:
                option = self._options[name]
                usual_widget, by_type = widget_of(option)
                if widget is not None:
                    by_type = {}
                label = option.label or name.replace("_", " ").capitalize()
                usual = {"label": label, "help": option.help or None} | by_type
                (widget or usual_widget)(key=self._keys[name], **(usual | look))
                continue
            usual = {"label": name.replace("_", " ").capitalize(), **self._fields[name]["look"]}
            self._fields[name]["widget"](key=self._keys[name], **(usual | look))

    def ask_where(self) -> None:
        """Asks where a `PlacedCommand` runs, if there is a choice."""
        if has_ray():
            self.ask("engine")

    def submit(self, label: str, icon: str = "play_arrow", button: Any = None, **look: Any) -> None:
        """The button that starts the job, unless one is running."""
        look = {"type": "primary", "help": _BUSY if self._busy else None, "disabled": self._busy, **look}
        draw = button or st.form_submit_button
        look = for_curators("Running jobs", **look)
        draw(label, icon=f":material/{icon}:", on_click=attempt, args=(self._start,), **look)

    def _start(self) -> None:
        asked = self._known | {name: st.session_state[key] for name, key in self._keys.items()}
        if self._options:
            asked = {name: self._value(name, value) for name, value in asked.items() if value not in (None, "")}
        for name, check in self._checks.items():
            if asked.get(name):
                check(asked[name])
        command = self._make(**asked)
        start(self._root, command)
        if self._then:
            self._then(command)

    def _value(self, name: str, value: Any) -> Any:
        """Return the value of an option: the lines of a text area, or a text without spaces at its ends."""
        option = self._options.get(name)
        if not isinstance(value, str):
            return value
        if option and option.repeat:
            return tuple(line.strip() for line in value.splitlines() if line.strip())
        return value.strip()


def start(root: Path, command: Any) -> None:
    """Runs a verb as the workspace's job; a network by a factory must be one that the server's owner lists."""
    refuse_unlisted(getattr(command, "model", None) or "")
    for known in () if isinstance(command, VerbSettings) else fields(command):
        if (check := known.metadata.get("check")) and (value := getattr(command, known.name)):
            check(value)
    background.start(root, command.argv, verb=command.verb, dataset=command.subject)
    st.session_state[STARTED] = command.argv


def fill_page(root: Path, command: Any, *, busy: bool) -> None:
    """The button of an empty page that starts its job with the usual settings, above the form for others."""
    st.button(
        "Fill this page",
        icon=":material/auto_awesome:",
        key="page.fill",
        type="primary",
        on_click=attempt,
        args=(start, root, command),
        **for_curators(
            "Running jobs",
            disabled=busy,
            help=_BUSY if busy else f"Runs `{command.line}` in the background.",
        ),
    )
    st.caption("Starts with the usual settings. Or choose your own:")


@contextmanager
def job_form(root: Path, key: str, command: type[Any], **more: Any) -> Iterator[JobForm]:
    """A `JobForm` in a form of Streamlit's, whose widgets' keys begin with `key`."""
    with st.form(f"{key}form", border=False):
        yield JobForm(root, key, command, **more)


def row() -> Any:
    """A line of widgets."""
    return st.container(horizontal=True, vertical_alignment="bottom")


def other_datasets(workspace: Workspace, name: str) -> list[DatasetFolder]:
    """The workspace's other datasets without damaged ones, whose own pages say what is wrong."""
    folders = []
    for other in workspace.names():
        with suppress(CurateError):
            folder = workspace.dataset(other)
            if folder.record and other != name:
                folders.append(folder)
    return folders


# --- forms beside results ------------------------------------------------------------------------------------


def another_button(page: str, label: str) -> None:
    """Opens the form of a page that has results already, or closes it."""
    opened = is_open(page)
    st.button(
        "Close the form" if opened else label,
        icon=f":material/{'close' if opened else 'add'}:",
        key=f"{page}.another",
        on_click=open_form,
        args=(page, not opened),
        width="content",
    )


def another(page: str, draw: Callable[[], None]) -> None:
    """The form beside the page's results, where it is open."""
    if is_open(page):
        with st.container(border=True):
            draw()


def is_open(page: str) -> bool:
    """Whether the form beside the page's results is open."""
    return bool(st.session_state.get(f"{page}.open"))


def open_form(page: str, opened: bool) -> None:
    """Opens or closes that form."""
    st.session_state[f"{page}.open"] = opened


def await_more(count: Callable[[], int], *, known: int | None = None, every: float = 1.0) -> None:
    """Runs the page again as soon as the number of results changes."""
    known = count() if known is None else known

    @while_allowed
    def look() -> None:
        if count() != known:
            st.rerun()

    st.fragment(look, run_every=every)()

"""Forms that start a job: the settings class of a verb gives the widgets and the command line."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import streamlit as st

from avhcurate.datasets.table.subset import same_classes
from avhcurate.errors import CurateError
from avhcurate.networks.models.names import USUAL, ModelName, network_names, refuse_unknown, refuse_unlisted
from avhcurate.ui.base.frame import Opened, attempt, show_error, while_allowed
from avhcurate.ui.base.layout import empty_state
from avhcurate.ui.base.signin import for_curators
from avhcurate.workspace.data import background
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.settings import OptionField, VerbSettings, joined
from avhcurate.workspace.data.workspace import Workspace, find_workspace
from avhcurate.workspace.disk.job_record import JobRecord
from avhcurate.workspace.disk.jobs import Jobs

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "tf32")

_ANY_MODEL = """
Type a part of a name and choose a match, or type a name in full: `torchvision:NAME`, `timm:NAME`, `avhcurate:NAME`,
`transformers:FOLDER-or-HUB`, `clip:FOLDER-or-HUB` (zero-shot: class names are enough), `onnx:FILE`, or a
`PACKAGE.MODULE:FACTORY` that the server's owner lists in `AVHCURATE_FACTORIES`.
"""
#: Session state: the command line of the job that this session started last.
STARTED = "jobs.started"


def models(*first: str, usual: Sequence[str] = USUAL) -> list[str]:
    """Return names to choose a model from: `first` and the usual ones, then every network that is known by name."""
    return list(dict.fromkeys([*first, *usual, *network_names()]))


def widget_of(option: OptionField) -> tuple[Callable[..., Any], dict[str, Any]]:
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


def _text_of(option: OptionField) -> str:
    if option.required or option.default is None:
        return ""
    if option.is_list:
        return joined(option.default)
    return str(option.default)


class JobForm:
    """The widgets of a verb's settings, and the button that starts the job with their values.

    `fixed` are options that no widget asks for; `make` makes the settings of all values, `then` follows a start.
    """

    def __init__(
        self,
        key: str,
        settings: type[VerbSettings],
        *,
        make: Callable[..., VerbSettings] | None = None,
        then: Callable[[VerbSettings], None] | None = None,
        **fixed: Any,
    ) -> None:
        self._key = key
        self._fixed = fixed
        self._make = make or settings
        self._then = then
        self._options = {option.name: option for option in settings.options()}
        self._keys: dict[str, str] = {}

    def ask_model(self, names: Sequence[str], **widget: Any) -> None:
        """Ask for a model, chosen from `names` or typed."""
        self.ask(
            "model", widget=st.selectbox, options=names, accept_new_options=True, help=_ANY_MODEL, index=0, **widget
        )

    def ask(self, *names: str, key: str = "", widget: Callable[..., Any] | None = None, **arguments: Any) -> None:
        """Draw the widgets of these options. `widget` and `arguments` override what their types and fields say."""
        for name in names:
            option = self._options[name]
            draw, usual = widget_of(option)
            if widget is not None:
                draw = widget
                usual = {}
            usual |= {"label": option.title, "help": option.help or None}
            if option.words:
                usual["format_func"] = lambda value, words=option.words: words.get(value, value)
            self._keys[name] = key or f"{self._key}{name}"
            draw(key=self._keys[name], **(usual | arguments))

    def ask_where(self) -> None:
        """Ask where the job runs, if there is a choice."""
        if find_spec("ray"):
            cluster = os.environ.get("RAY_ADDRESS", "of this machine")
            names = {"local": "In one process here", "ray": f"On a Ray cluster {cluster}"}
            self.ask("engine", format_func=names.get, width=280)

    def submit(self, label: str, icon: str = "play_arrow", **widget: Any) -> None:
        """Draw the button that starts the job."""
        job_button(label, icon, self._settings, draw=st.form_submit_button, then=self._then, at=self._key, **widget)

    def _settings(self) -> VerbSettings:
        values = self._fixed | {name: self._value(name, st.session_state[key]) for name, key in self._keys.items()}
        return self._make(**{name: value for name, value in values.items() if value not in (None, "")})

    def _value(self, name: str, value: Any) -> Any:
        """Return the value of a widget: the lines of a text area, or a text without spaces at its ends."""
        if not isinstance(value, str):
            return value
        if self._options[name].repeat:
            return tuple(line.strip() for line in value.splitlines() if line.strip())
        return value.strip()


def newest_job() -> JobRecord | None:
    """Return the workspace's newest job; None before the first."""
    return Jobs(find_workspace().root).newest()


def running_job() -> JobRecord | None:
    """Return the workspace's job while it runs."""
    job = newest_job()
    if job and job.active:
        return job
    return None


def job_button(
    label: str,
    icon: str,
    settings: Callable[[], VerbSettings],
    *,
    draw: Callable[..., Any] = st.button,
    then: Callable[[VerbSettings], None] | None = None,
    at: str = "",
    **widget: Any,
) -> None:
    """Draw the button that runs a verb as the workspace's job, unless one is running; `then` follows the start.

    `at` is the key of the form that shows an error.
    """
    widget = for_jobs(**{"type": "primary"} | widget)
    draw(label, icon=f":material/{icon}:", on_click=attempt, args=(start, settings, then), kwargs={"at": at}, **widget)


def for_jobs(**widget: Any) -> dict[str, Any]:
    """Return arguments of a widget that starts a job, disabled while another runs and for who may not."""
    if running_job():
        widget |= {"disabled": True, "help": "A job is running. Wait for it or cancel it."}
    return for_curators("Running jobs", **widget)


def start(make: Callable[[], VerbSettings], then: Callable[[VerbSettings], None] | None = None) -> None:
    """Start the job; a network by a factory must be one that the server's owner lists."""
    settings = make()
    if model := getattr(settings, "model", None):
        name = ModelName.of(model)
        refuse_unlisted(name)
        if settings.verb in ("score", "train"):  # others may name a run
            refuse_unknown(name)
    background.start(find_workspace().root, settings.argv, verb=settings.verb, dataset=settings.subject)
    st.session_state[STARTED] = settings.argv
    if then:
        then(settings)


def of_run(page: Opened) -> dict[str, Any]:
    """Return the options of a job on the open run."""
    return {"dataset": page.dataset.name, "model": page.opened.run and page.opened.run.name}


def first_job(
    page: Opened, title: str, icon: str, does: str, method: str, settings: VerbSettings, form: Callable[[Opened], None]
) -> None:
    """Draw an empty page: a button that starts its job with the usual settings, and `form` for others.

    The button says what the job `does`. The method goes into the menu *Help* of the page.
    """

    def draw() -> None:
        job_button(does, icon, lambda: settings, key="page.fill", help=f"Runs `{settings.line}` in the background.")

    page.help.markdown(method)
    empty_state(title, icon, page.story, draw)
    with st.expander("Other settings"):
        form(page)
        st.code(settings.line, language="bash")


@contextmanager
def job_form(key: str, settings: type[VerbSettings], **options: Any) -> Iterator[JobForm]:
    """Open a form of Streamlit's with a `JobForm`, whose widgets' keys begin with `key`; it shows its own errors."""
    with st.form(f"{key}form", border=False):
        yield JobForm(key, settings, **options)
        show_error(key, settings.verb)


def partners(workspace: Workspace, dataset: DatasetFolder) -> list[str]:
    """Return the workspace's other datasets with the same two or more classes that are not damaged."""
    names = []
    for name in workspace.names():
        with suppress(CurateError):
            record = workspace.dataset(name).record
            if name != dataset.name and len(record.classes) > 1 and same_classes(record, dataset.record):
                names.append(name)
    return names


def await_more(count: Callable[[], int]) -> None:
    """Run the page again as soon as the number of results changes, while a job runs."""
    if not running_job():
        return
    before = count()

    @while_allowed
    def look() -> None:
        if count() != before:
            st.rerun()

    st.fragment(look, run_every=1.0)()

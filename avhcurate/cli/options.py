"""Shared by the verbs: the application, options, opening workspaces and tables, jobs, and printing."""

import inspect
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from avhcurate import __version__
from avhcurate.cli import completion
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.datasets.table.filters import Filters
    from avhcurate.datasets.table.open_dataset import OpenDataset
    from avhcurate.networks.scoring.shards import Engine
    from avhcurate.workspace.data.datasets import DatasetFolder
    from avhcurate.workspace.data.settings import OptionField, VerbSettings
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import Progress


_REST = "Workspace"
#: The verbs by what they are for, as the pages of the app are; those that are not here stand with the last ones.
GROUPS: dict[str, tuple[str, ...]] = {
    "Start": ("demo", "review", "import", "fetch", "score", "attach", "serve"),
    "Images": ("columns", "project", "neighbours", "suspects", "tag", "relabel", "exclude", "lock", "export", "report"),
    "People and network": ("votes", "votes-out", "annotators", "predict", "correlate", "disagree", "models"),
    "Data": ("quality", "select", "saved", "history", "diff", "payoff", "classes", "split"),
    _REST: ("list", "default", "jobs"),
}
#: Verbs whose table --out writes. A verb that writes another file has an --out of its own.
TABLES = {
    *("list", "columns", "project", "neighbours", "correlate", "disagree", "models", "suspects", "quality", "history"),
    *("predict", "jobs", "diff", "classes", "annotators"),
}
#: Options of all verbs, and whether a value follows.
_ANYWHERE = dict.fromkeys(("--workspace", "--out"), True)
_ANYWHERE |= dict.fromkeys(("--force", "--json", "--quiet", "-q", "--verbose", "-v"), False)


class _Verbs(TyperGroup):
    """The group of all verbs. Options of all verbs may stand anywhere in a call, and belong to the group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        moved: list[str] = []
        others: list[str] = []
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        words = iter(args)
        for word in words:
            name = word.partition("=")[0]
            if name not in _ANYWHERE or (others and self._has(others[0], name)):
                others.append(word)
            elif word == name and _ANYWHERE[name]:
                value = next(words, "")
                if not value and ctx.resilient_parsing:  # a shell completes it, with the files that it knows
                    raise CurateError(f"{name} needs a value.")
                moved += [word, value]
            else:
                moved.append(word)
        return super().parse_args(ctx, [*moved, *others])

    def _has(self, verb: str, option: str) -> bool:
        return verb in self.commands and any(option in parameter.opts for parameter in self.commands[verb].params)

    def get_command(self, ctx: Any, name: str) -> Any:
        """Return a verb, whose help also names what it takes besides its own options."""
        verb = super().get_command(ctx, name)
        if verb is not None:
            verb.epilog = "With any verb: --workspace FOLDER, --json, --quiet, --verbose."
            if name in TABLES:
                verb.epilog += " --out FILE writes the table: .csv, .parquet or .jsonl, or - for standard output;"
                verb.epilog += " --force replaces the file."
        return verb

    def list_commands(self, ctx: Any) -> list[str]:
        return [verb for verbs in self._groups().values() for verb in verbs]

    def _groups(self) -> dict[str, list[str]]:
        groups = {title: [verb for verb in verbs if verb in self.commands] for title, verbs in GROUPS.items()}
        placed = {verb for verbs in groups.values() for verb in verbs}
        groups[_REST] = groups.pop(_REST) + [verb for verb in self.commands if verb not in placed]
        return groups

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        limit = formatter.width - 6 - max(map(len, self.commands))
        for title, verbs in self._groups().items():
            with formatter.section(title):
                formatter.write_dl([(verb, self.commands[verb].get_short_help_str(limit)) for verb in verbs])


#: The application.
app = typer.Typer(
    name="avhcurate",
    cls=_Verbs,
    help="See where humans and an image classifier disagree, and leave with a label file.",
    epilog="Exit codes: 0 done, 1 a fault of the program, 2 a mistake in the call, 3 nothing was found, 130 cancelled. "
    "An avhcurate.toml in the current folder may set workspace, dataset and model.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def path(text: str) -> Path:
    """Return a path; refuse an empty one, which would be the current folder.

    >>> path("a.csv").name
    'a.csv'
    """
    if not text:
        raise CurateError('The path is empty. Use "." for the current folder.')
    return Path(text)


def new_path(text: str) -> Path:
    """Return a path at which something is made, which must have a name."""
    place = path(text)
    if not place.name:
        raise CurateError(f"{text} is a folder without a name. Give the name of what to write.")
    return place


def _print_version(wanted: bool) -> None:
    if wanted:
        print("avhcurate", __version__)
        raise typer.Exit


@app.callback()
def _options_of_all_verbs(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            metavar="FOLDER",
            help="The workspace, with any verb [default: AVHCURATE_WORKSPACE, else ./workspace].",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, with any verb that has one.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the table to this file, with any verb that has one: .csv, .parquet or .jsonl, or - for "
            "CSV on standard output.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file of --out, once the new one is whole.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the result and errors only: no progress, notes or next steps.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what is done and how long it takes, and where errors arise.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    verb = str(ctx.invoked_subcommand)
    if quiet and verbose:
        raise CurateError("--quiet and --verbose exclude each other. Give one of them.")
    LOG.setLevel(logging.NOTSET)
    if quiet:
        LOG.setLevel(logging.ERROR)
    elif verbose:
        logging.basicConfig(format="%(asctime)s %(message)s")
        LOG.setLevel(logging.DEBUG)
    if out == "-" and json:
        raise CurateError("--json and --out - both print to standard output. Leave one out.")
    if out is not None and verb not in TABLES:
        raise CurateError(f"{verb} has no table to write. Leave --out out, or take --json.")
    if force and out is None:
        raise CurateError(f"{verb} replaces nothing here. Leave --force out, or name the file by --out.")
    file = None
    if out is not None:
        file = new_path(out)
        _check_table(file, force=force)
    _call.set(_Options(workspace=workspace, json=json, out=file, force=force))
    _used.set("")
    ctx.default_map = {verb: _defaults(ctx, verb)}


def _defaults(ctx: Any, verb: str) -> dict[str, str]:
    """Return what avhcurate.toml says for the options of a verb that reads one dataset."""
    from avhcurate.workspace.data.names import project_settings
    from avhcurate.workspace.disk.jobs import JOB_VARIABLE

    settings = project_settings()
    parameters = ctx.command.commands[verb].params if verb in ctx.command.commands else []
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    required = [argument.name for argument in arguments if argument.required]
    defaults = {}
    if "dataset" in settings and verb != "remove" and required in (["dataset"], ["name"]):
        defaults[required[0]] = settings["dataset"]
    # Training uses its own network, and the app has chosen what its job uses.
    if "model" in settings and not verb.endswith("train") and not os.environ.get(JOB_VARIABLE):
        defaults["model"] = settings["model"]
    return defaults


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What this call has of the options of all verbs."""

    workspace: Path | None = None
    json: bool = False
    out: Path | None = None
    force: bool = False


_call: ContextVar[_Options] = ContextVar("call", default=_Options())  # noqa: B039  (it is frozen)

#: Notes of the whole package; its level is that of --quiet and --verbose.
LOG = logging.getLogger("avhcurate")
#: The run whose scores the verb has read.
_used: ContextVar[str] = ContextVar("run", default="")


#: The most entries that a verb lists; longer numbers would not fit into a query.
MOST_ENTRIES = 1_000_000_000


#: How a path at which something is made is given to an option.
NEW_PATH: dict[str, Any] = {"parser": new_path, "metavar": "<path>"}

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", help="Which run: a model's or a run's name [default].", autocompletion=completion.of("model")
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what exists.")]
WhereOption = Annotated[str, typer.Option(help='SQL condition that the images satisfy, as "relative_avh > 1".')]
IdsOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Ids, as 3,17,20, or a file that lists images: CSV with `path` or `id`, or a line each."
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.", autocompletion=completion.of("name"))]


def verb(
    settings: "type[VerbSettings]", *, group: str = "", table: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a verb with the options of a settings class; it gets the checked settings.

    A verb that is not listed above names its group in the help, and whether --out writes its table.
    """
    if group:
        GROUPS[group] = (*GROUPS.get(group, ()), settings.verb)
    if table:
        TABLES.add(settings.verb)

    def add(work: Callable[..., None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            work(settings(**{name: value for name, value in values.items() if value is not None}))

        parameters = [_parameter(option, settings.verb) for option in settings.options()]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        call.__module__ = work.__module__
        call.__doc__ = inspect.cleandoc(settings.__doc__ or "").split("\n\n")[0]
        app.command(settings.verb)(call)
        return work

    return add


def _parameter(option: "OptionField", verb: str) -> inspect.Parameter:
    """Return an option of a verb as a parameter that typer reads."""
    about: dict[str, Any] = {"help": option.help, "autocompletion": completion.of(option.name, verb)}
    kind = option.type
    if option.repeat:
        kind = list[str]
    elif option.is_list:
        kind = str
        about["metavar"] = "LIST"
    elif kind is Path:
        kind = str
        about["metavar"] = "PATH"
    elif kind in (int, float):
        about |= {"min": option.low, "max": option.high}
    elif kind is not bool and not option.choices:
        kind = str
    if option.usual:
        about["show_default"] = option.usual
    if option.argument:
        about["metavar"] = option.name.upper()
        annotation: Any = Annotated[kind, typer.Argument(**about)]
    elif kind is bool and option.default is False:
        annotation = Annotated[bool, typer.Option(option.flag, **about)]
    elif option.also:
        annotation = Annotated[kind | None, typer.Option(option.flag, option.also, **about)]
    else:
        annotation = Annotated[kind | None, typer.Option(**about)]
    default = inspect.Parameter.empty
    if not option.required:
        default = _typed_default(option)
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typed_default(option: "OptionField") -> Any:
    """Return the default in the form that is typed on the command line; None for an empty one."""
    if option.is_list and option.default and not option.repeat:
        return ",".join(map(str, option.default))
    if isinstance(option.default, Path):
        return str(option.default)
    return option.default or None


def open_workspace() -> "Workspace":
    """Open the workspace of --workspace, of AVHCURATE_WORKSPACE, or ./workspace."""
    from avhcurate.workspace.data.workspace import find_workspace

    return find_workspace(_call.get().workspace)


def run_table(name: str, model: str | None = None, *, edges: tuple[float, ...] | None = None) -> "OpenDataset":
    """Return the table of a dataset with the scores of a run, by default its default one."""
    from avhcurate.datasets.table.open_dataset import open_dataset

    opened = open_dataset(open_workspace(), name, model, edges=edges)
    if opened.run:
        _used.set(opened.run.name)
    return opened


def name_run() -> None:
    """Say at the end of a call which run it used, if it used one."""
    if run := _used.get():
        print_messages([f"run {run}"])


def job(settings: "VerbSettings") -> "AbstractContextManager[Progress]":
    """Run the block as the workspace's job."""
    from avhcurate.workspace.data import background

    return background.job(open_workspace().root, settings)


def started_job() -> "AbstractContextManager[Progress]":
    """Run the block as the job that the app has started this process for; from a shell it is not a job."""
    from avhcurate.workspace.data import background

    return background.run_started(open_workspace().root)


@contextmanager
def engine(name: Literal["local", "ray"], needs: str) -> "Iterator[Engine]":
    """Open where the work of the block is done: this process, or the Ray cluster of RAY_ADDRESS.

    The module `needs` is imported where the work is done, while the block begins.
    """
    if name == "ray":
        from avhcurate.networks.scoring.ray_engine import ray_engine

        with ray_engine(None, needs=needs) as cluster:
            yield cluster
        return
    from avhcurate.networks.scoring.shards import LOCAL

    yield LOCAL


def distributed_job(settings: "VerbSettings", work: "Callable[[Progress], Sequence[Any]]") -> Sequence[Any]:
    """Return the result of `work` as a job. In `torchrun` only the first process reports; the others return nothing."""
    from avhcurate.workspace.disk.jobs import SILENT, Cancelled

    if int(os.environ.get("RANK", "0")):
        try:
            work(SILENT)
        except (Cancelled, CurateError):
            raise SystemExit(130) from None  # the first process says why
        return []
    with job(settings) as progress:
        return work(progress)


def _check_table(out: Path, *, force: bool) -> None:
    """Refuse a file that exists or has an unknown ending before the work, not after it."""
    from avhcurate.datasets.export.tabular import format_of
    from avhcurate.workspace.disk.files import check_free

    if str(out) != "-":
        format_of(out)
        check_free(out, force=force)


@contextmanager
def output(out: Path) -> Iterator[Path]:
    """Yield where to write what a verb makes; for - its content goes to standard output, and texts to stderr."""
    if str(out) != "-":
        yield out
        return
    if _call.get().json:
        raise CurateError("--json and --out - both print to standard output. Leave one out.")
    _call.set(replace(_call.get(), out=out))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "out.csv"
        yield place
        if place.is_dir():
            raise CurateError("A folder cannot go to standard output. Give --out a name.")
        sys.stdout.buffer.write(place.read_bytes())


def check_alone(option: str, others: Mapping[str, Any]) -> None:
    """Refuse options that cannot be given with another one."""
    refused = [other for other, value in others.items() if value]
    if refused:
        raise CurateError(f"{', '.join(refused)} cannot be given with {option}. Leave one of them out.")


def samples(opened: "OpenDataset", ids: str | None, where: str, *, excluded: bool = False) -> "list[int] | Filters":
    """Return the samples that a call names: by --ids, numbers or a file that lists samples, or by --where."""
    from avhcurate.datasets.curate.saved import listed_ids
    from avhcurate.datasets.table.filters import Filters

    if (ids is None) == (not where):
        raise CurateError("Name the images by either --ids LIST or --where CONDITION.")
    if ids is None:
        return Filters(where=where, excluded=excluded)
    try:
        return [int(part) for part in ids.split(",")]
    except ValueError:
        if not os.path.isfile(ids):
            raise CurateError(f"--ids must be whole numbers, as 3,17,20, or a file, not {ids!r}.") from None
    listed, unknown = listed_ids(opened.dataset, Path(ids).read_bytes())
    if unknown:
        print_messages([f"{len(unknown)} entries of {ids} are not in {opened.samples.name}, as {unknown[0]}: left out"])
    return listed


def print_dataset(folder: "DatasetFolder") -> None:
    """Print what a dataset holds."""
    record = folder.record
    if printed(record):
        return
    print(f"{record.name}: {record.samples} images, {len(record.classes)} classes, {record.skipped} files skipped")
    print_messages(record.messages)
    if record.votes:
        kind = "simulated votes" if record.votes.simulated else "human votes"
        print(f"{record.votes.total} {kind} on {record.votes.samples} images")
        print_messages(record.votes.messages)


def class_names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of classes as given, or those of the file or the known order that is given in their place."""
    if len(given) != 1:
        return given
    from avhcurate.datasets.sources.manifest import class_list

    return tuple(class_list(given[0]) or ())


def print_messages(messages: Sequence[str]) -> None:
    """Print notes next to the result, unless --quiet."""
    if not LOG.isEnabledFor(logging.WARNING):
        return
    for message in messages:
        print(f"note: {message}", file=sys.stderr)


def print_next(commands: Sequence[Sequence[str]]) -> None:
    """Print commands to try next, in the workspace of this call."""
    if not LOG.isEnabledFor(logging.WARNING):
        return
    workspace = _call.get().workspace
    place = []
    if workspace is not None:
        place = ["--workspace", str(workspace)]
    print("Now try:")
    for command in commands:
        print("  " + shlex.join(["avhcurate", *command, *place]))


def print_next_of_run(name: str) -> None:
    """Print what works with the default run of a dataset: correlate with attached votes, else suspects; and the app."""
    dataset = open_workspace().dataset(name)
    run = dataset.default_run
    verbs = [["serve"]]
    if (dataset.labels() >= 0).any():
        if dataset.record.votes:
            verbs.insert(0, ["correlate", name])
        elif run is not None and run.has_features and run.has_class_weights:
            verbs.insert(0, ["suspects", name])
    print_next(verbs)


def print_votes_note(opened: "OpenDataset") -> None:
    """Print which dataset and run a table is of, and whether its votes are simulated."""
    run = "no run"
    if opened.run:
        run = opened.run.root.name
    votes = ", SIMULATED human votes" if opened.samples.simulated else ""
    print(f"{opened.samples.name}, {run}{votes}")


def print_table(
    rows: "pd.DataFrame | Sequence[Mapping[str, Any]]", *, columns: list[str] | None = None, digits: int = 3
) -> None:
    """Print rows, or some of their columns, as a table, with a dash for what is missing."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    print(frame.round(digits).to_string(index=False, na_rep="-"))


def print_result(result: Mapping[str, Any], text: str) -> None:
    """Print a result as JSON, or as a text for people."""
    if printed(result):
        return
    stream = sys.stdout
    if str(_call.get().out) == "-":
        stream = sys.stderr
    print(text, file=stream)


def printed(result: Any, table: Any = None) -> bool:
    """Print a record or named results as one line of JSON if --json asks for it; write `table` to the file of --out.

    `table`: a DataFrame, rows, or a function that returns them. Return whether nothing else is to be printed.
    """
    from avhcurate.workspace.disk.json_text import json_text, records

    def plain(value: Any) -> Any:
        if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        if hasattr(value, "to_dict"):
            return records(value)
        return value

    call = _call.get()
    if call.out is not None and table is not None:
        _write_table(table() if callable(table) else table, call.out, force=call.force)
    if call.json:
        print(json_text({key: plain(item) for key, item in plain(result).items()}, ascii=True))
    return call.json or (table is not None and str(call.out) == "-")


def _write_table(table: "pd.DataFrame | Sequence[Mapping[str, Any]]", out: Path, *, force: bool) -> None:
    import pandas as pd

    from avhcurate.datasets.export.tabular import frame_text, write_table

    frame = pd.DataFrame(table)
    if str(out) == "-":
        print(frame_text(frame, "csv"), end="")
    else:
        write_table(frame, out, force=force)

"""Shared by the verbs: the application, options, opening workspaces and tables, jobs, and printing."""

import csv
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from avhcurate import __version__
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.data.datasets import DatasetFolder
    from avhcurate.data.settings import Option, VerbSettings
    from avhcurate.data.workspace import Workspace
    from avhcurate.disk.jobs import Progress
    from avhcurate.scoring.shards import Engine
    from avhcurate.table.dataset_table import DatasetTable


class _Verbs(TyperGroup):
    """The group of all verbs. --workspace may stand anywhere in a call, and belongs to the group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        moved, rest = [], []
        words = iter(args)
        for word in words:
            if word == "--workspace":
                moved += [word, next(words, "")]
            elif word.startswith("--workspace="):
                moved.append(word)
            else:
                rest.append(word)
        return super().parse_args(ctx, [*moved, *rest])


#: Verbs join it in the order in which the help shows them.
app = typer.Typer(
    name="avhcurate",
    cls=_Verbs,
    help="See where humans and an image classifier disagree, and leave with a label file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        print("avhcurate", __version__)
        raise typer.Exit


@app.callback()
def _options_of_all_verbs(
    workspace: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The workspace, with any verb [default: AVHCURATE_WORKSPACE, else ./workspace].",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    _given.set(workspace)


#: The --workspace of this call.
_given: ContextVar[str | None] = ContextVar("workspace", default=None)


def given_workspace() -> Path | None:
    """Return the folder of --workspace, if it was given."""
    given = _given.get()
    if given is None:
        return None
    return path(given)


#: The most entries that a verb lists; longer numbers would not fit into a query.
MOST_ENTRIES = 1_000_000_000


def path(text: str) -> Path:
    """A path that was given; an empty one, as of a variable without a value, would be the current folder.

    >>> path("a.csv").name
    'a.csv'
    """
    if not text:
        raise CurateError('The path is empty. Use "." for the current folder.')
    return Path(text)


def new_path(text: str) -> Path:
    """A path at which something is made, which therefore has a name."""
    if not (made := path(text)).name:
        raise CurateError(f"{text} is a folder without a name. Give the name of what to write.")
    return made


#: How a path, and one at which something is made, is given to an option.
PATH: dict[str, Any] = {"parser": path, "metavar": "<path>"}
NEW_PATH: dict[str, Any] = {"parser": new_path, "metavar": "<path>"}

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        **PATH,
        help="Folder of the workspace [AVHCURATE_WORKSPACE, else ./workspace].",
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Which run: a model's or a run's name [newest].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", **PATH, help="Write the table to this new file.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what exists.")]
WhereOption = Annotated[str, typer.Option(help='SQL condition that the samples satisfy, as "relative_avh > 1".')]
IdsOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Ids, as 3,17,20, or a file that lists samples: CSV with `path` or `id`, or a line each."
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")]

EngineOption = Annotated[
    Literal["local", "ray"], typer.Option(help="Where the work is done: in this process, or on a Ray cluster.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="Of the Ray cluster: HOST:PORT, ray://HOST:PORT, auto, or local for one of this machine that ends with "
        "the work [RAY_ADDRESS, else local]."
    ),
]


def verb(settings: "type[VerbSettings]") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a verb with the options of a settings class.

    The function gets the checked settings first. A parameter `space` gets the workspace of --workspace; any other
    parameter is an option of the command line only, as `as_json: options.JsonOption = False`.
    """

    def add(work: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(work).parameters.values())[1:]
        extra = [each.replace(kind=each.KEYWORD_ONLY) for each in own if each.name != "space"]

        def call(**values: Any) -> None:
            kept = {each.name: values.pop(each.name) for each in extra}
            if len(extra) < len(own):
                kept["space"] = open_workspace()
            given = {name: value for name, value in values.items() if value is not None}
            work(settings(**given), **kept)

        parameters = [*(_parameter(option) for option in settings.options()), *extra]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        call.__doc__ = inspect.cleandoc(settings.__doc__ or "").split("\n\n")[0]
        app.command(settings.verb)(call)
        return work

    return add


def _parameter(option: "Option") -> inspect.Parameter:
    """Return an option as a parameter that typer reads."""
    look: dict[str, Any] = {"help": option.help}
    kind = option.type
    if option.is_list:
        kind = list[str] if option.repeat else str
        look["metavar"] = None if option.repeat else "LIST"
    elif kind is Path:
        kind, look["metavar"] = str, "PATH"
    elif kind not in (bool, int, float) and not option.choices:
        kind = str
    if kind in (int, float):
        look |= {"min": option.low, "max": option.high}
    if option.usual:
        look["show_default"] = option.usual
    if option.argument:
        look["metavar"] = option.name.upper()
        annotation: Any = Annotated[kind, typer.Argument(**look)]
    elif kind is bool and option.default is False:
        annotation = Annotated[bool, typer.Option(option.flag, **look)]
    else:
        annotation = Annotated[kind | None, typer.Option(**look)]
    default = inspect.Parameter.empty if option.required else _typed_default(option)
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typed_default(option: "Option") -> Any:
    """Return the default as it is typed on the command line; None for an empty one."""
    if option.is_list and option.default and not option.repeat:
        return ",".join(map(str, option.default))
    if isinstance(option.default, Path):
        return str(option.default)
    return option.default or None


def open_workspace(option: Path | None = None) -> "Workspace":
    """Open the workspace of --workspace, of AVHCURATE_WORKSPACE, or ./workspace."""
    from avhcurate.data.workspace import find_workspace

    return find_workspace(option or given_workspace())


def run_table(name: str, model: str | None = None) -> "DatasetTable":
    """Return the table of a dataset with the scores of a run, by default the newest."""
    from avhcurate.table.dataset_table import open_table

    return open_table(open_workspace(), name, model)


def open_run_table(workspace: Path | None, name: str, model: str | None) -> "DatasetTable":
    from avhcurate.table.dataset_table import open_table

    return open_table(open_workspace(workspace), name, model)


@contextmanager
def job(space: "Workspace", verb: str, dataset: str) -> "Iterator[Progress]":
    """Runs the block as the workspace's job, with progress on the terminal and on the pages."""
    from avhcurate.data import background
    from avhcurate.data.terminal import terminal_reports

    with terminal_reports() as show, background.run(space.root, verb, dataset, arguments(), on_report=show) as progress:
        yield progress


@contextmanager
def engine(name: Literal["local", "ray"], address: str | None = None) -> "Iterator[Engine]":
    """Where the work of the block is done."""
    from avhcurate.scoring.shards import LOCAL

    if name == "ray":
        from avhcurate.scoring.ray_engine import ray_engine

        with ray_engine(address) as cluster:
            yield cluster
        return
    check_alone("--engine local", {"--address": address})
    yield LOCAL


def distributed_job(
    space: "Workspace", verb: str, dataset: str, work: "Callable[[Progress], Sequence[Any]]"
) -> Sequence[Any]:
    """The result of `work` as a job. In `torchrun` only the first process reports; the others return nothing."""
    from avhcurate.disk.jobs import SILENT, Cancelled

    if int(os.environ.get("RANK", "0")):
        try:
            work(SILENT)
        except (Cancelled, CurateError):
            raise SystemExit(130) from None  # the first process says why
        return []
    with job(space, verb, dataset) as progress:
        return work(progress)


def check_csv(csv: Path | None, *, force: bool = False) -> None:
    """Refuse a file that exists before the work, not after it."""
    if csv and csv.exists() and not force:
        raise CurateError(f"{csv} already exists. Remove it or name another file.")


def write_csv(frame: "pd.DataFrame", csv: Path | None, *, force: bool = False) -> None:
    """Write a table to the file of `--csv`, if there is one."""
    from avhcurate.export.tabular import write_csv_file

    if csv:
        check_csv(csv, force=force)
        write_csv_file(frame, csv, force=force)


def arguments() -> list[str]:
    """The arguments of this call without the workspace, as a job resumes with them."""
    kept, skip = [], False
    for argument in sys.argv[1:]:
        if skip or argument == "--workspace":
            skip = not skip
        elif not argument.startswith("--workspace="):
            kept.append(argument)
    return kept


def check_alone(option: str, given: Mapping[str, Any]) -> None:
    """Refuse options that cannot be given with another one."""
    others = [other for other, value in given.items() if value]
    if others:
        raise CurateError(f"{', '.join(others)} cannot be given with {option}. Leave one of them out.")


def given(context: typer.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values, by parameter, that the caller gave and no default did."""
    sources = {name: context.get_parameter_source(name) for name in values}
    return {name: values[name] for name, source in sources.items() if source is not None and source.name != "DEFAULT"}


def comma_separated(text: str) -> list[str]:
    """Parts of a list such as avh,confidence; quotes hold a name that has a comma.

    >>> comma_separated("avh, confidence"), comma_separated('avh,"a, b"')
    (['avh', 'confidence'], ['avh', 'a, b'])
    """
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [""])]


def integers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise CurateError(f"{option} takes whole numbers, as 0,1,2, not {text!r}") from None


def check_one_of_ids_and_where(ids: str | None, where: str) -> None:
    """Refuse a call that does not name its samples in one way."""
    if (ids is None) == (not where):
        raise CurateError("Name the samples by either --ids LIST or --where CONDITION.")


def sample_ids(dataset: "DatasetFolder", text: str) -> list[int]:
    """The ids of `--ids`: numbers, or those of the samples that a file lists; what it has besides is noted."""
    from avhcurate.curate.sample_lists import listed_ids

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        if not os.path.isfile(text):
            raise CurateError(
                f"--ids takes whole numbers, as 3,17,20, or a file that lists samples: {text!r} is neither"
            ) from None
    ids, unknown = listed_ids(dataset, Path(text).read_bytes())
    if unknown:
        print_messages([f"{len(unknown)} entries of {text} are not in {dataset.name}, as {unknown[0]}: left out"])
    return ids


def numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CurateError(f"{option} takes numbers, as 0.5 or 0.5,0.5,0.5, not {text!r}") from None


def print_dataset(folder: "DatasetFolder", *, as_json: bool = False) -> None:
    record = folder.record
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.name}: {record.samples} samples, {len(record.classes)} classes, {record.skipped} files skipped")
    if record.votes:
        kind = "simulated votes" if record.votes.simulated else "human votes"
        print(f"{record.votes.total} {kind} on {record.votes.samples} samples")
    print_messages([*record.messages, *(record.votes.messages if record.votes else [])])


def print_messages(messages: list[str]) -> None:
    for message in messages:
        print(f"note: {message}", file=sys.stderr)


def print_next(commands: Sequence[Sequence[str]], workspace: Path | None = None) -> None:
    """Print commands to try next, in the workspace of this call."""
    workspace = workspace or given_workspace()
    given = ["--workspace", str(workspace)] if workspace else []
    print("Now try:", *(shlex.join(["avhcurate", *command, *given]) for command in commands), sep="\n  ")


def print_next_of_run(name: str, workspace: Path | None = None) -> None:
    """Print what works with the newest run of a dataset: correlations with votes, else suspects; and the app."""
    from avhcurate.table.dataset_table import open_table

    table = open_table(open_workspace(workspace), name)
    labelled = bool((table.dataset.labels() >= 0).any())
    searchable = table.run is not None and table.run.has_features and table.run.has_class_weights
    commands = [["serve"]]
    if labelled and table.votes:
        commands.insert(0, ["correlate", name])
    elif labelled and searchable:
        commands.insert(0, ["suspects", name])
    print_next(commands, workspace)


def print_votes_note(table: "DatasetTable") -> None:
    run = table.run.root.name if table.run else "no run"
    print(f"{table.dataset.name}, {run}" + (", SIMULATED human votes" if table.simulated else ""))


def print_table(rows: "pd.DataFrame | Sequence[Mapping[str, Any]]", *, digits: int = 3) -> None:
    """Print rows as a table, with a dash for what is missing."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    print(frame.round(digits).to_string(index=False, na_rep="-"))


def print_result(result: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Print a result as JSON, or as a text for people."""
    if as_json:
        print_json(dict(result))
    else:
        print(text)


def print_json(value: dict[str, Any]) -> None:
    """One line of JSON; data frames as lists of their rows."""
    from avhcurate.disk.json_text import json_text, records

    plain = {key: records(item) if hasattr(item, "to_dict") else item for key, item in value.items()}
    print(json_text(plain, ascii=True))

"""The application: its help, the options of all verbs, and how a function becomes a verb."""

import inspect
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from avhcurate import __version__
from avhcurate.cli import completion
from avhcurate.cli.arguments import new_path, path
from avhcurate.cli.call import CALL, LOG, USED_RUN, Call
from avhcurate.cli.printing import check_table
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.workspace.data.settings import OptionField, VerbSettings

_REST = "Workspace"
#: The groups of verbs in the help, in their order; others stand after them, before the last.
_GROUPS = ("Start", "Images", "People and network", "Data")
#: The group of each verb that names one, and the verbs whose table --out writes. A verb that writes another file has an
#: --out of its own.
_group_of: dict[str, str] = {}
_with_table: set[str] = set()
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
            if name in _with_table:
                verb.epilog += " --out FILE writes the table: .csv, .parquet or .jsonl, or - for standard output;"
                verb.epilog += " --force replaces the file."
        return verb

    def list_commands(self, ctx: Any) -> list[str]:
        return [verb for verbs in self._groups().values() for verb in verbs]

    def _groups(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {title: [] for title in _GROUPS}
        rest = []
        for verb in self.commands:
            if verb in _group_of:
                groups.setdefault(_group_of[verb], []).append(verb)
            else:
                rest.append(verb)
        return groups | {_REST: rest}

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
    if out is not None and verb not in _with_table:
        raise CurateError(f"{verb} has no table to write. Leave --out out, or take --json.")
    if force and out is None:
        raise CurateError(f"{verb} replaces nothing here. Leave --force out, or name the file by --out.")
    file = None
    if out is not None:
        file = new_path(out)
        check_table(file, force=force)
    CALL.set(Call(workspace=workspace, json=json, out=file, force=force))
    USED_RUN.set("")
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


def verb(
    settings: "type[VerbSettings] | None" = None, *, name: str = "", group: str = "", table: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a verb, in a group of the help, whose table --out writes if it has a `table`.

    With a settings class the verb has its name and its options, and the function gets the checked settings. Else the
    function's own parameters are the options, and `name` is the verb's unless it is the function's.
    """

    def add(work: Callable[..., None]) -> Callable[..., None]:
        called = name or work.__name__
        function = work
        if settings is not None:
            called = settings.verb
            function = _with_options(settings, work)
        if group:
            _group_of[called] = group
        if table:
            _with_table.add(called)
        app.command(called)(function)
        return work

    return add


def _with_options(settings: "type[VerbSettings]", work: Callable[..., None]) -> Callable[..., None]:
    """Return a function whose parameters are the options of a settings class, for typer to read."""

    def call(**values: Any) -> None:
        work(settings(**{name: value for name, value in values.items() if value is not None}))

    parameters = [_parameter(option, settings.verb) for option in settings.options()]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__module__ = work.__module__
    call.__doc__ = inspect.cleandoc(settings.__doc__ or "").split("\n\n")[0]
    return call


def _parameter(option: "OptionField", verb: str) -> inspect.Parameter:
    """Return an option of a verb as a parameter that typer reads."""
    kind, details = _typed(option)
    details |= {"help": option.help, "autocompletion": completion.of(option.name, verb)}
    if option.usual:
        details["show_default"] = option.usual
    if option.argument:
        details["metavar"] = option.name.upper()
        annotation: Any = Annotated[kind, typer.Argument(**details)]
    elif kind is bool and option.default is False:
        annotation = Annotated[bool, typer.Option(option.flag, **details)]
    elif option.also:
        annotation = Annotated[kind | None, typer.Option(option.flag, option.also, **details)]
    else:
        annotation = Annotated[kind | None, typer.Option(**details)]
    default = inspect.Parameter.empty
    if not option.required:
        default = _typed_default(option)
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typed(option: "OptionField") -> tuple[Any, dict[str, Any]]:
    """Return the type in which an option is typed on the command line, and what typer is told of it."""
    if option.repeat or (option.is_list and option.argument):
        return list[str], {}
    if option.is_list:
        return str, {"metavar": "LIST"}
    if option.type is Path:
        return str, {"metavar": "PATH"}
    if option.type in (int, float):
        return option.type, {"min": option.low, "max": option.high}
    if option.type is bool or option.choices:
        return option.type, {}
    return str, {}


def _typed_default(option: "OptionField") -> Any:
    """Return the default in the form that is typed on the command line; None for an empty one."""
    if option.is_list and option.default and not option.repeat:
        return ",".join(map(str, option.default))
    if isinstance(option.default, Path):
        return str(option.default)
    return option.default or None

"""Arguments and options that several verbs take, and what a path on the command line may be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from avhcurate.cli import completion
from avhcurate.errors import CurateError

#: The most entries that a verb lists; longer numbers would not fit into a query.
MOST_ENTRIES = 1_000_000_000


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
    target = path(text)
    if not target.name:
        raise CurateError(f"{text} is a folder without a name. Give the name of what to write.")
    return target


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


def check_alone(option: str, others: Mapping[str, Any]) -> None:
    """Refuse options that cannot be given with another one."""
    refused = [other for other, value in others.items() if value]
    if refused:
        raise CurateError(f"{', '.join(refused)} cannot be given with {option}. Leave one of them out.")


def class_names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of classes as given, or those of the file or the known order that is given in their place."""
    if len(given) != 1:
        return given
    from avhcurate.datasets.sources.manifest import class_list

    return tuple(class_list(given[0]) or ())

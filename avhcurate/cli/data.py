"""Verbs that bring data in and describe it: import, columns."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command("import")
def import_(
    name: options.NameArgument,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of classes (also below train, val and test: splits), a CSV or Parquet manifest, Parquet "
            "with images, list:FILE (lines of path and class index), wds:PATTERN (tar shards), torchvision:NAME or "
            "hf:REPO[@REVISION][:CONFIG/SPLIT].",
        ),
    ],
    label_column: Annotated[str | None, typer.Option(help="Column of the labels [found].")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images or their paths [found].")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column of the splits [found].")] = None,
    votes: Annotated[str | None, typer.Option(help="A file of human votes, or the column with them.")] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            **options.PATH,
            help="Folder that relative paths start from [that of the list or manifest].",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Class names in order of their index: as cat,dog, a file with a name a line, or visda17."),
    ] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Import images with their labels; nothing is written beside them. The same call resumes a download."""
    from avhcurate.data import background
    from avhcurate.sources import class_list
    from avhcurate.sources.service import import_dataset
    from avhcurate.table.logs import open_response_log

    options.path(source)
    columns = {"label_column": label_column, "image_column": image_column, "split_column": split_column}
    space = options.open_workspace(workspace)
    names = class_list(classes)
    far = source.startswith(("hf:", "torchvision:"))  # hours, perhaps: the pages show it
    with options.job(space, "import", name) if far else background.run_started(space.root) as progress:
        folder = import_dataset(
            space, name, source, **columns, votes=votes, root=root, classes=names, force=force, progress=progress
        )
    open_response_log(space)
    options.print_dataset(folder, as_json=as_json)


@options.app.command()
def columns(
    name: options.NameArgument,
    harder: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=high, low or none: which end of a column means a harder sample; may be repeated."),
    ] = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """List your own columns of a dataset, and say which end of them is harder; it is kept with the dataset."""
    from avhcurate.curate.columns import describe_columns, set_harder
    from avhcurate.table.dataset_table import open_table

    space = options.open_workspace(workspace)
    table = open_table(space, name)
    if harder:
        set_harder(space, table, dict(map(_column_and_end, harder)))
        table = open_table(space, name)
    described = describe_columns(table)
    if as_json:
        options.print_json({"columns": described})
    elif described.empty:
        print(f"{name} has no columns of your own: import a CSV or Parquet table that has some")
    else:
        print(described.to_string(index=False, na_rep=""))


def _column_and_end(text: str) -> tuple[str, str]:
    from avhcurate.errors import CurateError

    column, equals, end = text.rpartition("=")
    if not equals:
        raise CurateError(f"--harder takes COLUMN=high or COLUMN=low, not {text!r}")
    return column, end

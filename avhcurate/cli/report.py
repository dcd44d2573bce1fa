"""`avhcurate report`: a dataset in one HTML file to send."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options
from avhcurate.cli.workspace import size_text


@options.app.command()
def report(
    name: options.NameArgument,
    out: Annotated[Path, typer.Option(**options.NEW_PATH, help="HTML file to write.")],
    model: options.ModelOption = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Inline thumbnails.")] = True,
    force: options.ForceOption = False,
) -> None:
    """What a dataset is and what was found, in one HTML file that asks for nothing else, with the commands."""
    from avhcurate.features.report.service import write_report

    with options.output(out) as place:
        path = write_report(options.run_table(name, model), place, images=images, force=force)
        size = path.stat().st_size
    options.print_result({"out": str(out), "bytes": size}, f"{out}: {size_text(size)}")

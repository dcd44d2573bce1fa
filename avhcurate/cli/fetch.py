"""The verb that fetches public data."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.sources.public.dataset_spec import PublicDataset


@options.app.command()
def fetch(
    dataset: Annotated[str | None, typer.Argument(metavar="DATASET", help="Its name; lists all without one.")] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Folder or address with the files, in place of the official ones.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(**options.PATH, help="Folder to save the files in [the workspace's downloads]."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            **options.PATH,
            help="Folder of images that may not be redistributed (imagenet-real).",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the licence and the size without being asked.")] = False,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Download a public dataset, verify its checksums and import it with its votes; the same call resumes."""
    from avhcurate.sources.fetch import fetch_public, find_public

    if dataset is None:
        _list(as_json)
        return
    public = find_public(dataset)
    _agree(public, yes)
    space = options.open_workspace(workspace)
    with options.job(space, "fetch", dataset) as progress:
        result = fetch_public(
            space,
            dataset,
            mirror=mirror,
            out=out,
            images=images,
            force=force,
            progress=progress,
        )
    if result.folder is not None:
        options.print_dataset(result.folder, as_json=as_json)
    elif as_json:
        options.print_json({"name": dataset, "place": str(result.place), "imported": False})
    options.print_messages(result.messages)


def _list(as_json: bool) -> None:
    from avhcurate.sources.fetch import PUBLIC

    if as_json:
        rows = [
            {"name": one.name, "title": one.title, "licence": one.licence, "bytes": one.size} for one in PUBLIC.values()
        ]
        options.print_json({"datasets": rows})
        return
    for public in PUBLIC.values():
        print(f"{public.name}: {public.title} ({_megabytes(public.size)})")


def _agree(public: "PublicDataset", yes: bool) -> None:
    """Shows size, licence and citation, and asks for consent; without a terminal only `--yes` agrees."""
    print(f"{public.title}\nfrom {public.home}, {_megabytes(public.size)}", file=sys.stderr)
    print(f"licence: {public.licence}\nto cite: {public.citation}", file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise CurateError(f"`fetch {public.name}` asks whether you agree to this: add --yes where nobody can be asked")
    if not typer.confirm("Fetch it?", err=True):
        raise CurateError("nothing was fetched")


def _megabytes(size: int) -> str:
    return f"about {size / 1e6:,.0f} MB"

"""The verb that fetches public data."""

import sys
from typing import TYPE_CHECKING

import typer

from avhcurate.cli import options
from avhcurate.datasets.sources.settings import FetchSettings
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.datasets.sources.public_data import PublicDataset


@options.verb(FetchSettings)
def fetch(settings: FetchSettings) -> None:
    from avhcurate.datasets.sources.fetch import PUBLIC, fetch_public, find_public

    if settings.dataset is None:
        listed = [f"{public.name}: {public.title} ({_megabytes(public.size)})" for public in PUBLIC.values()]
        known = [{"name": public.name, "title": public.title, "bytes": public.size} for public in PUBLIC.values()]
        options.print_result({"datasets": known}, "\n".join(listed))
        return
    _agree(find_public(settings.dataset), settings.yes)
    with options.job(settings) as progress:
        result = fetch_public(
            options.open_workspace(),
            settings.dataset,
            mirror=settings.mirror,
            images=settings.images,
            force=settings.force,
            progress=progress,
        )
    assert result.folder is not None
    options.print_dataset(result.folder)
    options.print_messages(result.messages)


def _agree(public: "PublicDataset", yes: bool) -> None:
    """Show size, licence and citation, and ask for consent; without a terminal only `--yes` agrees."""
    print(f"{public.title}\nfrom {public.home}, {_megabytes(public.size)}", file=sys.stderr)
    print(f"licence: {public.licence}\nto cite: {public.citation}", file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise CurateError(
            f"`fetch {public.name}` asks whether you agree to this. Add --yes to agree without a terminal."
        )
    if not typer.confirm("Fetch it?", err=True):
        raise CurateError("Nothing was fetched.")


def _megabytes(size: int) -> str:
    return f"about {size / 1e6:,.0f} MB"

"""Consent to what a public dataset asks for, before anything is downloaded."""

import sys
from typing import TYPE_CHECKING

import typer

from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.datasets.sources.fetch import PublicDataset


def agree(public: "PublicDataset", yes: bool, call: str) -> None:
    """Show size, licence and citation, and ask for consent; without a terminal only `--yes` agrees to the call."""
    print(f"{public.title}\nfrom {public.home}, {public.megabytes}", file=sys.stderr)
    print(f"licence: {public.licence}\nto cite: {public.citation}", file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise CurateError(f"`{call}` asks whether you agree to this. Add --yes to agree without a terminal.")
    if not typer.confirm("Fetch it?", err=True):
        raise CurateError("Nothing was fetched.")

"""The specification of a public dataset, and the files fetched for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from avhcurate.storage.datasets import DatasetFolder
from avhcurate.storage.fetching import Wanted
from avhcurate.storage.sources.folder import IMAGE_SUFFIXES
from avhcurate.storage.votes import VoteSheet


@dataclass
class FetchedFiles:
    """What was fetched: `paths` by the names of the wanted files; `images` that the user has.

    A path may be that of an unpacked tree in place of an archive. `messages` gathers what the user should know.
    """

    paths: dict[str, Path]
    images: Path | None = None
    messages: list[str] = field(default_factory=list)


def no_votes(fetched: FetchedFiles, folder: DatasetFolder) -> None:
    """Of a dataset that nobody voted on."""


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset; `licence` is what its authors say of it, `size` about how many bytes come.

    `prepare` makes a source to import of what was fetched, in the folder that it is given or elsewhere; `votes` reads
    the answers, for the dataset once it is imported. `trees`: names of folders that a mirror may hold in place of the
    first file. `hub`: its name on the Hugging Face hub, where it comes from there. `needs_images`: its images may not
    be handed on, so that the user must have them.
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    files: tuple[Wanted, ...]
    size: int
    prepare: Callable[[FetchedFiles, Path], Path]
    votes: Callable[[FetchedFiles, DatasetFolder], VoteSheet | None] = no_votes
    trees: tuple[str, ...] = ()
    hub: str | None = None
    needs_images: bool = False


def is_image(name: str) -> bool:
    path = Path(name)
    return path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".")

"""The specification of a public dataset, and the files fetched for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.download import Wanted
from avhcurate.sources.folder import IMAGE_SUFFIXES
from avhcurate.votes.files import VoteSheet


@dataclass
class FetchedFiles:
    """The files of a public dataset: `paths` by the names of the wanted files, and the folder of `images` of the user.

    A path may be an unpacked tree instead of an archive. `messages` are for the user.
    """

    paths: dict[str, Path]
    images: Path | None = None
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset: `licence` as its authors state it, approximate `size` of the download in bytes.

    `prepare` turns the fetched files into a source to import, in the given folder or elsewhere; `votes` reads the
    human answers for the imported dataset. `trees`: names of folders that a mirror may hold instead of the first file.
    `hub`: its name on the Hugging Face hub, if it comes from there. `needs_images`: its images may not be
    redistributed, so the user must provide them.
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    files: tuple[Wanted, ...]
    size: int
    prepare: Callable[[FetchedFiles, Path], Path]
    votes: Callable[[FetchedFiles, DatasetFolder], VoteSheet | None] | None = None
    trees: tuple[str, ...] = ()
    hub: str | None = None
    needs_images: bool = False


def is_image(name: str) -> bool:
    path = Path(name)
    return path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".")

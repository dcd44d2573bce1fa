"""Downloads public datasets and imports them with their votes."""

from dataclasses import dataclass
from pathlib import Path

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.download import fetch_file
from avhcurate.disk.files import user_path
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.remote import is_url
from avhcurate.errors import CurateError
from avhcurate.sources.hf_hub import HubName, fetch_hub
from avhcurate.sources.public.cifar10h import CIFAR10H
from avhcurate.sources.public.dataset_spec import FetchedFiles, PublicDataset
from avhcurate.sources.public.imagenet_real import IMAGENET_REAL
from avhcurate.sources.public.imagenetv2 import IMAGENETV2
from avhcurate.sources.public.pacs import PACS
from avhcurate.sources.service import import_dataset
from avhcurate.votes.attach import attach_sheet

#: Every public dataset by name. Checksums are the published ones; `fetch` tells where there is none.
PUBLIC: dict[str, PublicDataset] = {public.name: public for public in (CIFAR10H, *IMAGENETV2, PACS, IMAGENET_REAL)}


@dataclass(frozen=True)
class FetchResult:
    """The dataset, None where the user must get its images first; the folder of the files; messages for the user."""

    folder: DatasetFolder | None
    place: Path
    messages: list[str]


def find_public(name: str) -> PublicDataset:
    """The public dataset of that name; `CurateError` where there is none."""
    if name in PUBLIC:
        return PUBLIC[name]
    raise CurateError(f"there is no public dataset {name!r}: choose one of {', '.join(PUBLIC)}")


def fetch_public(
    workspace: Workspace,
    name: str,
    *,
    mirror: str | None = None,
    out: Path | None = None,
    images: Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> FetchResult:
    """Fetches a public dataset's files and imports them, with their votes, as dataset `name`.

    `mirror`: a folder or an address with the files by their names, in place of the official ones. `out`: where they
    are saved, else the workspace's downloads. `images`: a folder of images that may not be redistributed. The same call
    resumes. Progress is in megabytes.
    """
    public = find_public(name)
    place = user_path(out or workspace.downloads / "fetch" / name).absolute()
    fetched = _fetch_files(public, place, mirror, images, progress)
    if public.needs_images and images is None:
        hint = f"the labels lie in {place}; the images may not be redistributed: get them from {public.home} and run "
        return FetchResult(None, place, [*fetched.messages, f"{hint}`avhcurate fetch {name} --images FOLDER`"])
    progress.report(0, 0, "making a dataset of it")
    source = public.prepare(fetched, place / "prepared")
    progress.check("cancelled; the same command again resumes")
    folder = import_dataset(workspace, name, source, force=force)
    with workspace.lock(name):
        _attach(public, fetched, folder, force)
    return FetchResult(folder, place, fetched.messages)


def _fetch_files(
    public: PublicDataset, place: Path, mirror: str | None, images: Path | None, progress: Progress
) -> FetchedFiles:
    """Fetches or finds every file; an optional file that is not available is left out with a message."""
    fetched = FetchedFiles({}, None if images is None else _folder("--images", images))
    if public.hub is not None and mirror is None:
        fetched.paths["hub"] = fetch_hub(HubName(public.hub), place, progress=progress)
        return fetched
    mirror = str(_folder("--mirror", Path(mirror))) if mirror is not None and not is_url(mirror) else mirror
    first, done = public.files[0], 0
    if (tree := _tree(public, mirror)) is not None:
        fetched.paths[first.name] = tree
    for wanted in public.files:
        if wanted.name in fetched.paths:
            continue
        megabytes = _megabytes(progress, wanted.name, done, public.size)
        try:
            file = fetch_file(wanted, place, mirror=mirror, progress=megabytes)
        except CurateError as problem:
            if not wanted.optional:
                raise
            fetched.messages.append(f"without {wanted.name}: {problem}")
            continue
        done += file.path.stat().st_size
        fetched.paths[wanted.name] = file.path
        fetched.messages += [file.message] if file.message else []
    return fetched


def _folder(option: str, path: Path) -> Path:
    folder = user_path(path).absolute()
    if not folder.is_dir():
        raise CurateError(f"{option} {path} is not a folder: give one, or an address where it may be one")
    return folder


def _megabytes(progress: Progress, name: str, before: int, size: int) -> Progress:
    """Takes the bytes of one file and reports the megabytes of all."""

    def report(done: int, total: int, _: str) -> None:
        progress.report((before + done) // 1_000_000, max(size, before + total) // 1_000_000, f"megabytes of {name}")

    return progress.through(report)


def _tree(public: PublicDataset, mirror: str | None) -> Path | None:
    """An unpacked tree that a mirror's folder holds, or is."""
    if mirror is None or is_url(mirror):
        return None
    folder = Path(mirror)
    places = [folder / name for name in public.trees] + ([folder] if folder.name in public.trees else [])
    return next((place for place in places if place.is_dir()), None)


def _attach(public: PublicDataset, fetched: FetchedFiles, folder: DatasetFolder, force: bool) -> None:
    """Attaches the votes; where they cannot be read, the dataset is imported without them, with a message."""
    try:
        if public.votes is not None and (sheet := public.votes(fetched, folder)) is not None:
            attach_sheet(folder, sheet, f"{public.title}, {public.home}", force=force)
    except CurateError as problem:
        fetched.messages.append(f"no votes were attached: {problem}")

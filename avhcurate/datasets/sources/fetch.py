"""Download public datasets and import them with their votes."""

from pathlib import Path

from avhcurate.datasets.sources.hubs import fetch_hub, in_megabytes
from avhcurate.datasets.sources.public_data import (
    CIFAR10H,
    IMAGENET_REAL,
    IMAGENETV2,
    PACS,
    FetchedFiles,
    PublicDataset,
)
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_sheet
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.download import fetch_file
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.remote import is_url

#: Every public dataset by name. Checksums are the published ones; `fetch` says if there is none.
PUBLIC: dict[str, PublicDataset] = {public.name: public for public in (CIFAR10H, *IMAGENETV2, PACS, IMAGENET_REAL)}


def find_public(name: str) -> PublicDataset:
    """Return the public dataset of that name; raise `CurateError` if there is none."""
    if name in PUBLIC:
        return PUBLIC[name]
    raise CurateError(f"Unknown public dataset {name!r}. Choose one of {', '.join(PUBLIC)}.")


def fetch_public(
    workspace: Workspace,
    name: str,
    *,
    mirror: str | None = None,
    images: Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> FetchedFiles:
    """Fetch a public dataset's files and import them, with their votes, as dataset `name`.

    `mirror`: a folder or an address with the files by their names, in place of the official ones. `images`: a folder of
    images that may not be redistributed. The same call resumes. Progress is in megabytes.
    """
    public = find_public(name)
    place = (workspace.downloads / "fetch" / name).absolute()
    fetched = FetchedFiles(images=images and user_path(images).absolute())
    if mirror is not None and not is_url(mirror):
        mirror = str(user_path(mirror).absolute())
    for folder in (mirror, fetched.images):
        if folder is not None and not is_url(str(folder)) and not Path(folder).is_dir():
            raise CurateError(f"{folder} is not a folder.")
    if public.hub is not None and mirror is None:
        fetched.paths["hub"] = fetch_hub(public.hub, place, progress=progress)
    else:
        _fetch_files(public, place, mirror, fetched, progress)
    progress.report(0, 0, "making a dataset of it")
    source = public.prepare(fetched, place / "prepared")
    progress.check("cancelled; the same command again resumes")
    fetched.folder = import_dataset(workspace, name, source, force=force)
    with workspace.lock(name):
        try:
            if public.votes is not None and (sheet := public.votes(fetched, fetched.folder)) is not None:
                attach_sheet(fetched.folder, sheet, f"{public.title}, {public.home}", force=force)
        except CurateError as problem:
            fetched.messages.append(f"no votes were attached: {problem}")
    return fetched


def _fetch_files(
    public: PublicDataset, place: Path, mirror: str | None, fetched: FetchedFiles, progress: Progress
) -> None:
    """Fetch or find every file; an optional file that is not available is left out with a message."""
    done = 0
    megabytes = in_megabytes(progress, public.size, public.name)
    for tree in public.trees:
        if mirror is not None and Path(mirror, tree).is_dir():
            fetched.paths[public.files[0].name] = Path(mirror, tree)
    for wanted in public.files:
        if wanted.name in fetched.paths:
            continue
        try:
            file = fetch_file(wanted, place, mirror=mirror, progress=megabytes.after(done, public.size))
        except CurateError as problem:
            if not wanted.optional:
                raise
            fetched.messages.append(f"without {wanted.name}: {problem}")
            continue
        done += file.path.stat().st_size
        fetched.paths[wanted.name] = file.path
        fetched.messages += filter(None, [file.message])

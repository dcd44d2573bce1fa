"""The workspace: a folder of datasets, the results computed on them and the decisions of people."""

import itertools
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from avhcurate.errors import CurateError, Run, Unavailable
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.names import dataset_folders, dataset_names, named_workspace
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.disk import files

_PATIENCE_S = 60
#: Ends of the names of folders that are not a dataset yet, or no longer.
_STAGED = ".staged"
_ASIDE = ".aside"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Workspace:
    """A folder of datasets; nothing is created on disk before the first dataset is.

    Besides these it may have `annotations.made` (there was a database), `damaged/` (what repairs set aside) and
    `jobs/`. The id of a dataset is its first name, or that with a number; its present name is a field of its record.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        #: `ID/` of each dataset, see `DatasetFolder`
        self.datasets = self.root / "datasets"
        #: what people decide and answer
        self.annotations_path = self.root / "annotations.db"
        #: what `hf:` and `fetch` have fetched
        self.downloads = self.root / "downloads"
        #: SHA-256 of what addresses first gave; it stays when downloads are removed
        self.checksums = self.root / "checksums"
        #: files that a browser sent
        self.uploads = self.root / "uploads"
        #: networks as OpenVINO reads them; made again where they are missing
        self.networks = self.root / "networks"

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    def names(self) -> list[str]:
        """Return the names of the datasets, sorted; a half-imported one is not among them."""
        return sorted(self._ids())

    def dataset(self, name: str) -> DatasetFolder:
        """Return the dataset of that name, or that had it before a renaming; an unknown name is refused."""
        if id := self._ids(former=True).get(name):
            return DatasetFolder(self.datasets / id)
        raise CurateError(
            f"Unknown dataset {name!r} in {self.root}, which has: {', '.join(self.names()) or 'none'}.",
            fix=(
                f"Choose one, or {Run('demo')} for the embedded digits, or {Run('import', 'NAME', 'SOURCE')} for "
                "your own images"
            ),
        )

    def check_new(self, name: str) -> None:
        """Refuse a name that is not valid, or that differs only by case from that of another dataset."""
        check_name(name)
        for other in self.names():
            if other != name and other.casefold() == name.casefold():
                raise CurateError(
                    f"There is a dataset {other!r}, which is too similar to {name!r}. Choose another name."
                )

    def create(self, name: str) -> DatasetFolder:
        """Return an empty staging folder for a new version of dataset `name`, which `adopt` puts in its place."""
        self.check_new(name)
        folder = self.staged(self._locked_id(name))
        folder.mkdir(parents=True)
        return DatasetFolder(folder)

    def staged(self, id: str) -> Path:
        """Return a hidden place for what comes into being or goes while the lock of `id` is held."""
        return self.datasets / f".{id}.{uuid.uuid4().hex[:8]}{_STAGED}"

    def adopt(self, name: str, staged: DatasetFolder) -> DatasetFolder:
        """Put a complete staged folder in place of dataset `name`, whose lock is held; remove what stood there.

        The version before is set aside between two renames, and never removed while its dataset is absent.
        """
        id = self._id_for(name)
        target = self.datasets / id
        aside = self.datasets / f".{id}{_ASIDE}"
        if target.exists():
            os.rename(target, aside)
        os.rename(staged.root, target)
        files.flush_folder(self.datasets)
        shutil.rmtree(aside, ignore_errors=True)
        return DatasetFolder(target)

    def rename(self, old: str, new: str) -> DatasetFolder:
        """Give a dataset another name, which must be free; it is still found by the old one while that is free."""
        with self.lock(old):
            dataset = self.dataset(old)
            if new in self.names():
                raise CurateError(f"There is already a dataset {new!r}. Choose another name.")
            self.check_new(new)
            record = dataset.record
            former = {*record.former_names, record.name} - {new}
            dataset.write_record(record.model_copy(update={"name": new, "former_names": sorted(former)}))
        return dataset

    def choose_default(self, name: str, run: str) -> str:
        """Let a finished run of a dataset be opened unless another is named; return its name."""
        with self.lock(name):
            dataset = self.dataset(name)
            folder = dataset.run(run)
            if not folder.complete:
                raise CurateError(f"The run {folder.name} is not finished. Choose one that is.")
            dataset.write_record(dataset.record.model_copy(update={"default_run": folder.name}))
        return folder.name

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a dataset while its samples, votes or record change, by curators; refuse when it takes long."""
        require(Role.CURATOR, "changing datasets")
        id = self._locked_id(name)
        self.datasets.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.datasets / f".{id}.lock")
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            raise Unavailable(f"Another process is changing dataset {name!r}. Try again when it is done.") from None
        try:
            self._tidy(id)
            files.remove_leftovers(self.datasets / id)
            yield
        finally:
            self._tidy(id)
            lock.release()

    def _ids(self, *, former: bool = False) -> dict[str, str]:
        """Return the id of each dataset by its name, and by `former` names that no other one has now."""
        for leftover in (*self.datasets.glob(f".*{_ASIDE}"), *self.datasets.glob(f".*{_STAGED}")):
            # Of a killed process: one that lives holds the lock.
            id = leftover.stem[1:]
            if leftover.suffix == _STAGED:
                id = Path(id).stem
            with suppress(Timeout), FileLock(self.datasets / f".{id}.lock", timeout=0):
                self._tidy(id)
        folders = [folder for folder in dataset_folders(self.root) if _NAME.fullmatch(folder.name)]
        names = {folder.name: dataset_names(folder) for folder in folders}
        before = {name: id for id, all_names in names.items() for name in all_names[1:] if former}
        return before | {all_names[0]: id for id, all_names in names.items()}

    def _id_for(self, name: str) -> str:
        """Return the id of the dataset that has a name now, or that a new one gets."""
        if id := self._ids().get(name):
            return id
        choices = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(id for id in choices if not (self.datasets / id).exists())

    def _locked_id(self, name: str) -> str:
        """Return the id whose lock a change of dataset `name` holds."""
        return self._ids(former=True).get(name) or check_name(name)

    def _tidy(self, id: str) -> None:
        """Put back a dataset that a killed `adopt` had set aside, and remove what was staged; its lock is held."""
        for leftover in self.datasets.glob(f".{id}.????????{_STAGED}"):
            shutil.rmtree(leftover, ignore_errors=True)
        aside = self.datasets / f".{id}{_ASIDE}"
        if (self.datasets / id).exists():
            shutil.rmtree(aside, ignore_errors=True)
        elif aside.exists():
            os.rename(aside, self.datasets / id)


def holds_workspace(folder: Path) -> bool:
    """Return whether a folder is the root of a workspace that has a dataset."""
    records = (folder / "datasets").glob("*/dataset.json")
    return any(DatasetFolder(record.parent).samples_path.exists() for record in records)


def check_name(name: str) -> str:
    """Return the name when it can be a folder's name everywhere; refuse it otherwise.

    >>> check_name("cifar10h")
    'cifar10h'
    """
    if not _NAME.fullmatch(name) or files.safe_name(name) != name:
        raise CurateError(
            f"{name!r} is not a valid name of a dataset. Use up to 64 letters, digits, '.', '_' or '-', begin with a "
            "letter or digit, and do not end with a dot or use a name that Windows reserves."
        )
    return name


def find_workspace(option: Path | None = None) -> Workspace:
    """Return the workspace of the option, else of AVHCURATE_WORKSPACE, else of avhcurate.toml, else ./workspace."""
    root = named_workspace(option)
    folder = files.user_path(root).absolute()
    if folder.is_file():
        raise CurateError(f"{root} is a file, and the workspace must be a folder. Choose an existing or a new folder.")
    return Workspace(folder)

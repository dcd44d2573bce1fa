"""The workspace: a folder of datasets, the results computed on them and the annotations of people."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.people import Role, require
from avhcurate.disk import files
from avhcurate.errors import CurateError

_PATIENCE_S = 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Workspace:
    """A folder of datasets; nothing is created on disk before the first dataset is.

    Layout: `datasets/NAME/` (see `DatasetFolder`), `annotations.db`, `jobs/`, `downloads/`, `uploads/`,
    `exports/`.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def annotations_path(self) -> Path:
        return self.root / "annotations.db"

    @property
    def downloads(self) -> Path:
        """Where `torchvision:`, `hf:` and `fetch` keep what they have fetched."""
        return self.root / "downloads"

    @property
    def exports(self) -> Path:
        """Where exports lie that a browser may fetch, in a folder a dataset."""
        return self.root / "exports"

    @property
    def uploads(self) -> Path:
        """Where files that a browser sent are kept."""
        return self.root / "uploads"

    def names(self) -> list[str]:
        """Names of the datasets, sorted; a half-imported one is not among them."""
        self._put_back()
        records = self.datasets.glob("*/dataset.json")
        return sorted(record.parent.name for record in records if _NAME.fullmatch(record.parent.name))

    def dataset(self, name: str) -> DatasetFolder:
        """The dataset of that name; `CurateError` naming what exists when it is unknown."""
        names = self.names()
        if name in names:
            return DatasetFolder(self.datasets / name)
        if names:
            raise CurateError(
                f"there is no dataset {name!r} in {self.root}; it holds {', '.join(names)}. "
                f"Choose one of them or run `avhcurate import NAME SOURCE`"
            )
        raise CurateError(
            f"there is no dataset {name!r}: the workspace {self.root} is empty. "
            "Run `avhcurate demo` for the embedded digits or `avhcurate import NAME SOURCE` for your own images"
        )

    def check_new(self, name: str) -> None:
        """Refuses a name that not every disk can hold beside those there are, unless a dataset has it already."""
        check_name(name)
        names = self.names()
        if name in names:
            return
        if name.endswith(".") or files.DEVICE.match(name):
            raise CurateError(f"{name!r} cannot name a dataset: Windows has no such folders; choose another name")
        if alike := [other for other in names if other.casefold() == name.casefold()]:
            raise CurateError(
                f"there is a dataset {alike[0]!r}, and some disks do not tell {name!r} from it: choose another name"
            )

    def create(self, name: str) -> DatasetFolder:
        """An empty staging folder for a new version of dataset `name`, which `adopt` puts in its place."""
        self.check_new(name)
        folder = self.datasets / f".{name}.{uuid.uuid4().hex[:8]}.staged"
        folder.mkdir(parents=True)
        return DatasetFolder(folder)

    def adopt(self, name: str, staged: DatasetFolder) -> DatasetFolder:
        """Puts a complete staged folder in place of dataset `name` in one step; what stood there is removed.

        Where the system cannot exchange two folders, the old one is set aside for the moment between two renames; it
        is never removed while its dataset is absent. The dataset's lock is held meanwhile.
        """
        target = self.datasets / check_name(name)
        if target.exists() and not files.exchange(staged.root, target):
            os.rename(target, self.datasets / f".{name}.aside")
        if not target.exists():
            os.rename(staged.root, target)
        files.flush_folder(self.datasets)
        shutil.rmtree(staged.root, ignore_errors=True)
        shutil.rmtree(self.datasets / f".{name}.aside", ignore_errors=True)
        return DatasetFolder(target)

    def _put_back(self) -> None:
        """Puts back every dataset that a killed `adopt` had set aside; one that another process adopts is let be."""
        for aside in self.datasets.glob(".*.aside"):
            name = aside.name[1 : -len(".aside")]
            with suppress(Timeout), FileLock(self.datasets / f".{name}.lock", timeout=0):
                self._put_back_one(name)

    def _put_back_one(self, name: str) -> None:
        """The same for one dataset, whose lock is held."""
        aside = self.datasets / f".{name}.aside"
        if (self.datasets / name).exists():
            shutil.rmtree(aside, ignore_errors=True)
        elif aside.exists():
            os.rename(aside, self.datasets / name)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held while the samples or votes of dataset `name` change, by curators; `CurateError` when it takes long."""
        require(Role.CURATOR, "changing datasets")
        self.datasets.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.datasets / f".{check_name(name)}.lock")
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            raise CurateError(f"another process is changing dataset {name!r}: try again when it is done") from None
        try:
            self._put_back_one(name)
            for leftover in self.datasets.glob(f".{name}.????????.staged"):
                shutil.rmtree(leftover, ignore_errors=True)
            files.remove_leftovers(self.datasets / name)
            yield
        finally:
            lock.release()


def holds_workspace(folder: Path) -> bool:
    """Whether a folder is the root of a workspace that has a dataset."""
    records = (folder / "datasets").glob("*/dataset.json")
    return any(DatasetFolder(record.parent).samples_path.exists() for record in records)


def check_name(name: str) -> str:
    """The name itself when it can be a folder's name everywhere; `CurateError` otherwise.

    >>> check_name("cifar10h")
    'cifar10h'
    """
    if not _NAME.fullmatch(name):
        raise CurateError(
            f"{name!r} cannot name a dataset: use up to 64 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit"
        )
    return name


def find_workspace(option: Path | None = None) -> Workspace:
    """The workspace of the option, else of AVHCURATE_WORKSPACE, else ./workspace."""
    root = option or os.environ.get("AVHCURATE_WORKSPACE") or "workspace"
    folder = files.user_path(root).absolute()
    if folder.is_file():
        raise CurateError(f"{root} is a file: the workspace must be a folder, there already or new")
    return Workspace(folder)

"""The workspace: a folder of datasets, the results computed on them and the annotations of people."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from avhcurate.data.datasets import DatasetFolder
from avhcurate.errors import CurateError

_PATIENCE_S = 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Workspace:
    """A folder of datasets; nothing is created on disk before the first dataset is.

    Layout: `datasets/NAME/` (see `DatasetFolder`), `annotations.db`, `jobs/`, `downloads/`.
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

    def names(self) -> list[str]:
        """Names of the datasets, sorted; a half-imported one is not among them."""
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

    def create(self, name: str) -> DatasetFolder:
        """An empty staging folder for a new version of dataset `name`, which `adopt` puts in its place."""
        check_name(name)
        for leftover in self.datasets.glob(f".{name}.*.staged"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = self.datasets / f".{name}.{uuid.uuid4().hex[:8]}.staged"
        folder.mkdir(parents=True)
        return DatasetFolder(folder)

    def adopt(self, name: str, staged: DatasetFolder) -> DatasetFolder:
        """Puts a complete staged folder in place of dataset `name`; what stood there is removed."""
        target = self.datasets / check_name(name)
        old = self.datasets / f".{name}.{uuid.uuid4().hex[:8]}.staged"
        if target.exists():
            os.rename(target, old)
        os.rename(staged.root, target)
        shutil.rmtree(old, ignore_errors=True)
        return DatasetFolder(target)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held while the samples or votes of dataset `name` change; `CurateError` when another holds it for long."""
        self.datasets.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.datasets / f".{check_name(name)}.lock")
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            raise CurateError(f"another process is changing dataset {name!r}: try again when it is done") from None
        try:
            yield
        finally:
            lock.release()


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
    return Workspace(Path(root).expanduser().absolute())

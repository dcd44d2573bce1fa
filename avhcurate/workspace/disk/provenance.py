"""Records: the versions of their form, and what those of long work say about how it was done.

A record of an older version is taken up to this one step by step, and one of an unknown version is refused.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar

from pydantic import BaseModel, Field, model_validator

from avhcurate import __version__
from avhcurate.errors import Unavailable

#: The version of records in the first release, and of manifests; a kind of record has one more for each of its steps.
SCHEMA_VERSION = 2


class UnknownVersion(Unavailable):
    """This was written by another version of the program; its `title`, its `version`, and the `readable` ones."""

    def __init__(self, title: str, version: object, readable: Sequence[object]) -> None:
        super().__init__(
            f"{title} has schema version {version}, and avhcurate {__version__} reads only "
            f"{', '.join(map(str, readable))}. Install the avhcurate that wrote it, or go back to a copy of the "
            "workspace (see docs/install.md)."
        )
        self.version = version
        self.readable = readable


class StoredRecord(BaseModel):
    """The base of every record in a workspace.

    `STEPS` of a kind: each makes, of the JSON of one version, that of the next. They are taken when a record is read,
    and the file keeps its version until the record is written.
    """

    STEPS: ClassVar[Sequence[Callable[[dict[str, Any]], dict[str, Any]]]] = ()
    schema_version: int = SCHEMA_VERSION

    @model_validator(mode="before")
    @classmethod
    def _step_up(cls, values: Any) -> Any:
        newest = SCHEMA_VERSION + len(cls.STEPS)
        if not isinstance(values, dict):
            return values
        version = values.get("schema_version", newest)
        readable = range(SCHEMA_VERSION, newest + 1)
        if version not in readable:
            raise UnknownVersion("The record", version, readable)
        try:
            for step in cls.STEPS[version - SCHEMA_VERSION :]:
                values = step(values)
        except (AttributeError, LookupError, TypeError) as problem:
            raise ValueError(f"its version {version} is damaged: {problem}") from problem
        return {**values, "schema_version": newest}


class WorkRecord(StoredRecord):
    """What the record of every long work holds; `finished` and `seconds` are set when it is complete.

    `locked`: the number of the event that had locked a part of the dataset, whose labels it has not read; 0 for none.
    """

    versions: dict[str, str] = Field(default_factory=dict)
    finished: datetime | None = None
    seconds: float | None = None
    locked: int = 0

    def knows(self, locked_by: int) -> bool:
        """Return whether it may know labels that the event of a number has locked."""
        return locked_by not in (0, self.locked)


class Provenance(WorkRecord):
    """The record of work on one import of a dataset."""

    dataset_fingerprint: str
    started: datetime


def now() -> datetime:
    return datetime.now(UTC)


def versions(*packages: str) -> dict[str, str]:
    ours = {"python": platform.python_version(), "avhcurate": __version__}
    return ours | {name: version(name) for name in packages}


def settings_digest(settings: Any) -> str:
    """Return hexadecimal SHA-256 of settings that JSON can hold; the order of their keys does not matter."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

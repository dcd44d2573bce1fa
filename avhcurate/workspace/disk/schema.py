"""Versions of what is stored: an older one is taken up to this one step by step, and an unknown one is refused."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, model_validator

from avhcurate import __version__
from avhcurate.errors import Unavailable

#: The version of records in the first release, and of manifests; a kind of record has one more for each of its steps.
SCHEMA_VERSION = 2


class UnknownVersion(Unavailable):
    """This was written by another version of the program; `what` it is, its `version`, and those that are `known`."""

    def __init__(self, what: str, version: object, known: Sequence[object]) -> None:
        readable = ", ".join(map(str, known))
        super().__init__(
            f"{what} has schema version {version}, and avhcurate {__version__} reads only {readable}. "
            "Install the avhcurate that wrote it, or go back to a copy of the workspace (see docs/install.md)."
        )
        self.version = version
        self.known = known


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
        known = range(SCHEMA_VERSION, SCHEMA_VERSION + len(cls.STEPS) + 1)
        if not isinstance(values, dict):
            return values
        version = values.get("schema_version", known[-1])
        if version not in known:
            raise UnknownVersion("The record", version, known)
        try:
            for step in cls.STEPS[known.index(version) :]:
                values = step(values)
        except (AttributeError, LookupError, TypeError) as problem:
            raise ValueError(f"its version {version} is damaged: {problem}") from problem
        return {**values, "schema_version": known[-1]}

"""Versions of what is stored: records, shards and the database say theirs, and an unknown one is refused."""

from pydantic import BaseModel, field_validator

from avhcurate import __version__
from avhcurate.errors import CurateError

#: The version of records, shards, manifests and the database.
SCHEMA_VERSION = 2


class UnknownVersion(CurateError):
    """This was written by another version of the program; `what` it is, in words, and its `version`."""

    def __init__(self, what: str, version: object) -> None:
        super().__init__(
            f"{what} has schema version {version}, and avhcurate {__version__} reads only version {SCHEMA_VERSION}. "
            "Use the avhcurate that wrote it, or import the data into a new workspace (see docs/install.md)."
        )
        self.version = version


class StoredRecord(BaseModel):
    """The base of every record in a workspace."""

    schema_version: int = SCHEMA_VERSION

    @field_validator("schema_version")
    @classmethod
    def _check_version(cls, version: int) -> int:
        if version != SCHEMA_VERSION:
            raise UnknownVersion("The record", version)
        return version

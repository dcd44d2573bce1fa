"""Versions of what is stored: each record says its own, and what a newer program wrote is refused in one line."""

from pydantic import BaseModel, Field, field_validator

from avhcurate import __version__
from avhcurate.errors import CurateError

#: Of records, shards and manifests. Those that say none were written before there was any, and are of the first.
SCHEMA_VERSION = 1


class NewerVersion(CurateError):
    """A newer program has written this; `what` it is, in words, and its version beside the last one that is `known`."""

    def __init__(self, what: str, version: int | str, known: int | str = SCHEMA_VERSION) -> None:
        super().__init__(
            f"{what} has schema version {version}, of a newer avhcurate; this one ({__version__}) reads up to {known}: "
            "use the version that wrote it or a newer one (see docs/install.md)"
        )
        self.version = version


class StoredRecord(BaseModel):
    """The base of every record in a workspace."""

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)

    @field_validator("schema_version")
    @classmethod
    def _refuse_newer(cls, version: int) -> int:
        if version > SCHEMA_VERSION:
            raise NewerVersion("a record", version)
        return SCHEMA_VERSION

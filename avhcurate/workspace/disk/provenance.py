"""Provenance of results: the base of their records, versions of packages, and the digest of settings."""

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pydantic import Field

from avhcurate import __version__
from avhcurate.workspace.disk.schema import StoredRecord


class WorkRecord(StoredRecord):
    """What the record of every long work holds; `finished` and `seconds` are set when it is complete."""

    versions: dict[str, str] = Field(default_factory=dict)
    finished: datetime | None = None
    seconds: float | None = None


class Provenance(WorkRecord):
    """The record of work on one import of a dataset."""

    dataset_fingerprint: str
    started: datetime


def now() -> datetime:
    return datetime.now(UTC)


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of this package and of `packages`."""
    own = {"python": platform.python_version(), "avhcurate": __version__}
    return own | {name: version(name) for name in packages}


def settings_digest(settings: Any) -> str:
    """Return hexadecimal SHA-256 of settings that JSON can hold; the order of their keys does not matter."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

"""What one call of the command line has of the options of all verbs, and what it has read."""

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Call:
    """What this call has of the options of all verbs."""

    workspace: Path | None = None
    json: bool = False
    out: Path | None = None
    force: bool = False


CALL: ContextVar[Call] = ContextVar("call", default=Call())  # noqa: B039  (it is frozen)
#: The run whose scores the verb has read.
USED_RUN: ContextVar[str] = ContextVar("run", default="")
#: Notes of the whole package; its level is that of --quiet and --verbose.
LOG = logging.getLogger("avhcurate")

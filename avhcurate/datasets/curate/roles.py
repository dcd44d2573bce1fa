"""Roles of people in a workspace: given, taken away, listed."""

from avhcurate.datasets.curate.annotations import user
from avhcurate.datasets.table.logs import open_events
from avhcurate.errors import CurateError
from avhcurate.workspace.data.events import EVERY_DATASET, Event
from avhcurate.workspace.data.people import Role
from avhcurate.workspace.data.roles import give_role, role_events, subject_of, take_role
from avhcurate.workspace.data.workspace import Workspace


def grant(workspace: Workspace, subject: str, role: str) -> str:
    """Give a person (an e-mail address), a group (`group:NAME`) or `everyone` a role, in place of the one before."""
    who = subject_of(subject)
    give_role(open_events(workspace), who, Role.of(role), who=user())
    return who


def revoke(workspace: Workspace, subject: str) -> str:
    """Take a role away; groups of the person and `everyone` keep theirs."""
    who = subject_of(subject)
    log = open_events(workspace)
    given = role_events(log)
    if who not in given:
        known = ", ".join(given) or "no one"
        raise CurateError(f"{who} has no role here. These have one: {known}.")
    take_role(log, who, who=user())
    return who


def roles(workspace: Workspace) -> list[Event]:
    """Return the events that gave the present roles, highest role first; `details` is the role."""
    given = role_events(open_events(workspace)).values()
    return sorted(given, key=lambda event: (-Role.of(event.details), event.name))


def role_history(workspace: Workspace) -> list[Event]:
    """Return every role that was given or taken away, newest first."""
    return open_events(workspace).history(EVERY_DATASET, limit=100_000)[0]

"""Roles of people in a workspace: given, taken away, listed."""

from avhcurate.datasets.curate.annotations import user
from avhcurate.errors import CurateError
from avhcurate.workspace.data.events import EVERY_DATASET, Event
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.people import Role
from avhcurate.workspace.data.roles import give_role, role_events, subject_of, take_role
from avhcurate.workspace.data.workspace import Workspace


def grant(workspace: Workspace, subject: str, role: str) -> str:
    """Give a person (an e-mail address), a group (`group:NAME`) or `everyone` a role, in place of the one before."""
    person = subject_of(subject)
    give_role(open_events(workspace.root), person, Role.of(role), who=user())
    return person


def revoke(workspace: Workspace, subject: str) -> str:
    """Take a role away; groups of the person and `everyone` keep theirs."""
    person = subject_of(subject)
    log = open_events(workspace.root)
    people = role_events(log)
    if person not in people:
        raise CurateError(f"{person} has no role here. These have one: {', '.join(people) or 'no one'}.")
    take_role(log, person, who=user())
    return person


def roles(workspace: Workspace) -> list[Event]:
    """Return the events that gave the present roles, highest role first; `details` is the role."""
    events = role_events(open_events(workspace.root)).values()
    return sorted(events, key=lambda event: (-Role.of(event.details), event.name))


def role_history(workspace: Workspace) -> list[Event]:
    """Return every role that was given or taken away, newest first."""
    return open_events(workspace.root).history(EVERY_DATASET, limit=100_000)[0]

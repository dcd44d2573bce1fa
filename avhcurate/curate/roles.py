"""Roles of people in a workspace: given, taken away, listed."""

from avhcurate.curate.annotations import user
from avhcurate.data.people import Role
from avhcurate.data.role_log import RoleEntry, Subject
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.table.logs import open_roles


def grant(workspace: Workspace, subject: str, role: str) -> Subject:
    """Gives a person (an e-mail address), a group (`group:NAME`) or `everyone` a role, in place of the one before."""
    who = Subject.of(subject)
    open_roles(workspace).give(who, Role.of(role), who=user())
    return who


def revoke(workspace: Workspace, subject: str) -> Subject:
    """Takes a role away; groups of the person and `everyone` keep theirs."""
    who, roles = Subject.of(subject), open_roles(workspace)
    standing = roles.standing()
    if who not in standing:
        there = ", ".join(map(str, standing)) or "nobody"
        raise CurateError(f"{who} has no role here to take away: roles have {there}")
    roles.give(who, None, who=user())
    return who


def roles(workspace: Workspace) -> list[RoleEntry]:
    """The entries that stand, highest role first."""
    standing = open_roles(workspace).standing().values()
    return sorted(standing, key=lambda entry: (-(entry.role or 0), str(entry.subject)))


def role_history(workspace: Workspace) -> list[RoleEntry]:
    """Every role that was given or taken away, newest first."""
    return open_roles(workspace).entries()[::-1]

"""Who has which role in a workspace: an append-only log, so that it says who gave it and when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa

from avhcurate.data.decision_log import DecisionLog
from avhcurate.data.people import Role
from avhcurate.disk.database import log_table
from avhcurate.errors import CurateError

#: Stands for all who can sign in.
EVERYONE = "everyone"
_GROUP = "group:"
_LONGEST = 254

_METADATA = sa.MetaData()
#: `dataset` is "" throughout: a role is that of the whole workspace.
ROLES = log_table(
    "roles",
    _METADATA,
    sa.Column("action", sa.String, nullable=False),
    # person, group or everyone, and which
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("role", sa.String),
)


@dataclass(frozen=True)
class Subject:
    """Who has a role: a person by e-mail address, a group that the provider names, or everyone."""

    kind: str
    name: str

    @classmethod
    def of(cls, text: str) -> "Subject":
        """
        >>> Subject.of("Ann@X.org"), Subject.of("group:Labellers")
        (Subject(kind='person', name='ann@x.org'), Subject(kind='group', name='Labellers'))
        """
        text = text.strip()
        if not text or len(text) > _LONGEST or not text.isprintable() or text == _GROUP:
            raise CurateError(f"{text[:40]!r} names nobody: give an e-mail address, group:NAME or {EVERYONE}")
        if text == EVERYONE:
            return cls(EVERYONE, "")
        if text.startswith(_GROUP):
            return cls("group", text.removeprefix(_GROUP))
        return cls("person", text.casefold())

    def __str__(self) -> str:
        return {"person": self.name, "group": f"{_GROUP}{self.name}"}.get(self.kind, EVERYONE)


@dataclass(frozen=True)
class RoleEntry:
    """One entry: `who` gave `subject` a `role` at a time; None is no role any more."""

    at: datetime
    who: str
    subject: Subject
    role: Role | None


class RoleLog(DecisionLog):
    """The roles of one workspace. The newest entry about a person, a group or everyone stands."""

    ROLE: ClassVar[Role] = Role.OWNER
    WHAT: ClassVar[str] = "giving roles"

    def __init__(self, url: str) -> None:
        super().__init__(url, ROLES, ())

    def give(self, subject: Subject, role: Role | None, *, who: str) -> None:
        """Gives a role, or takes it away."""
        values = {"kind": subject.kind, "subject": subject.name, "role": None if role is None else str(role)}
        with self.engine.begin() as connection:
            self._insert(connection, "", who, "revoke" if role is None else "grant", **values)

    def entries(self) -> list[RoleEntry]:
        """All entries, oldest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(ROLES).order_by(ROLES.c.id)).all()
        return [
            RoleEntry(row.at, row.who, Subject(row.kind, row.subject), Role.of(row.role) if row.role else None)
            for row in rows
        ]

    def standing(self) -> dict[Subject, RoleEntry]:
        """The entry that gave each its role."""
        newest = {entry.subject: entry for entry in self.entries()}
        return {subject: entry for subject, entry in newest.items() if entry.role is not None}

    def role_of(self, name: str, groups: Collection[str] = ()) -> Role | None:
        """The highest role that a person has: their own, that of a group of theirs, or that of everyone."""
        theirs = {Subject("person", name.casefold()), Subject(EVERYONE, ""), *(Subject("group", one) for one in groups)}
        roles = (entry.role for subject, entry in self.standing().items() if subject in theirs)
        return max((role for role in roles if role is not None), default=None)

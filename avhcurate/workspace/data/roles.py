"""Who has which role in a workspace: events about a person, a group or everyone, the newest of which counts."""

from collections.abc import Collection

from avhcurate.errors import CurateError
from avhcurate.workspace.data.event import EVERY_DATASET, Event
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.people import Role

#: Stands for all who can sign in.
EVERYONE = "everyone"
_GROUP = "group:"
_IDENTITY = "id:"
_LONGEST = 254


def subject_of(text: str) -> str:
    """Return the name of a person (an e-mail address or `id:ISSUER#SUBJECT`), of a group, or `EVERYONE`, as stored.

    >>> subject_of("Ann@X.org"), subject_of("group:Labellers")
    ('ann@x.org', 'group:Labellers')
    """
    text = text.strip()
    if not text or len(text) > _LONGEST or not text.isprintable() or text == _GROUP:
        raise CurateError(
            f"{text[:40]!r} is not a valid name. Give an e-mail address, id:ISSUER#SUBJECT, group:NAME or {EVERYONE}."
        )
    return text if text.startswith((_GROUP, _IDENTITY)) else text.casefold()


def address_of(email: str) -> str:
    """Return an e-mail address; "" for a text that would be another kind of subject.

    >>> address_of("Ann@X.org"), address_of("group:labellers"), address_of("everyone")
    ('Ann@X.org', '', '')
    """
    if "@" not in email or email.startswith((_GROUP, _IDENTITY)):
        return ""
    return email


def identity_of(issuer: str, subject: str) -> str:
    """Return how a person is called who is known by what a provider calls them.

    >>> identity_of("https://login.example.org/", "4711")
    'id:https://login.example.org/#4711'
    """
    return f"{_IDENTITY}{issuer}#{subject}"


def grant(log: EventLog, subject: str, role: str) -> str:
    """Give a person (an e-mail address), a group (`group:NAME`) or `everyone` a role, in place of the one before."""
    person = subject_of(subject)
    log.write(EVERY_DATASET, "grant", person, details=str(Role.of(role)))
    return person


def revoke(log: EventLog, subject: str) -> str:
    """Take a role away; groups of the person and `everyone` keep theirs."""
    person = subject_of(subject)
    people = role_events(log)
    if person not in people:
        raise CurateError(f"{person} has no role here. These have one: {', '.join(people) or 'no one'}.")
    log.write(EVERY_DATASET, "revoke", person)
    return person


def roles(log: EventLog) -> list[Event]:
    """Return the events that gave the present roles, highest role first; `details` is the role."""
    return sorted(role_events(log).values(), key=lambda event: (-Role.of(event.details), event.name))


def role_history(log: EventLog) -> list[Event]:
    """Return every role that was given or taken away, newest first."""
    return log.history(EVERY_DATASET, limit=100_000)[0]


def role_events(log: EventLog) -> dict[str, Event]:
    """Return the event that gave each person, group or everyone their present role."""
    newest = log.newest(EVERY_DATASET, "grant", "revoke")
    return {subject: event for subject, event in newest.items() if event.action == "grant"}


def role_of(log: EventLog, name: str, groups: Collection[str] = ()) -> Role | None:
    """Return the highest role that a person has: their own, that of a group of theirs, or that of everyone."""
    subjects = {EVERYONE, *(f"{_GROUP}{group}" for group in groups)}
    if name.startswith(_IDENTITY):
        subjects.add(name)
    elif name and not name.startswith(_GROUP):
        subjects.add(name.casefold())
    roles = [Role.of(event.details) for subject, event in role_events(log).items() if subject in subjects]
    return max(roles, default=None)

"""Who acts, and what they may do: checked in one place wherever something is written for people."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

from avhcurate.errors import CurateError


class Role(IntEnum):
    """What people may do in a workspace; each may do what those before it may.

    A viewer looks, filters and downloads. An annotator answers in their own name. A curator tags, relabels, excludes,
    saves sets and views, runs jobs, imports, exports on the server, and rules over annotators. An owner removes and
    renames datasets, deletes the answers of others, and gives roles.
    """

    VIEWER = 1
    ANNOTATOR = 2
    CURATOR = 3
    OWNER = 4

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, text: str) -> "Role":
        """Return the role of that name; `CurateError` naming what there is for another."""
        try:
            return cls[text.strip().upper()]
        except KeyError:
            raise CurateError(f"Unknown role {text}. Choose from {', '.join(map(str, cls))}.") from None


@dataclass(frozen=True)
class Person:
    """A signed-in person and their role, None for none. Without a name: whoever works on this machine itself.

    `window` tells windows of a browser apart, "" in a shell or notebook. `act` names what they do now, "" where nothing
    tells one act from another: what is written under a name is written once.
    """

    name: str
    role: Role | None
    window: str = ""
    act: str = ""


#: In a shell, in a notebook, and in a server without a login.
OPERATOR = Person("", Role.OWNER)


class NotAllowed(CurateError):
    """The person's role does not allow it."""


_who: Callable[[], Person] = lambda: OPERATOR  # noqa: E731  (the server puts another in its place)
_request: ContextVar[Person | None] = ContextVar("request", default=None)


def ask(who: Callable[[], Person]) -> None:
    """Let the server say who acts, by the session in which it is asked."""
    global _who
    _who = who


def acting() -> Person:
    return _request.get() or _who()


def user() -> str:
    """Return the name under which events are written: who is signed in, else the account's, else "somebody"."""
    try:
        return acting().name or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """Let a person act within: who asks for something in a request of their browser."""
    before = _request.set(person)
    try:
        yield
    finally:
        _request.reset(before)


def require(role: Role, what: str, *, name: str | None = None) -> Person:
    """Return who acts; `NotAllowed` where their role is below `role`, or where they write in another name.

    `what` is refused, in words that go before "needs the role". `name` is that under which they write.
    """
    person = acting()
    if refused := refusal(person, role, what):
        raise NotAllowed(refused)
    if person.name and name is not None and name != person.name:
        raise NotAllowed(f"You are signed in as {person.name} and cannot write in the name of {name}.")
    return person


def refusal(person: Person, role: Role, what: str) -> str:
    """Return why a person may not do `what`, with the next step; "" where they may.

    >>> refusal(Person("ann@x.org", Role.VIEWER), Role.CURATOR, "tagging")
    'Tagging needs the role curator, and ann@x.org has the role viewer. An owner can give another role.'
    """
    if person.role is not None and person.role >= role:
        return ""
    name = person.name or "you"
    has = person.role or "none"
    return (
        f"{what[:1].upper()}{what[1:]} needs the role {role}, and {name} has the role {has}. "
        "An owner can give another role."
    )

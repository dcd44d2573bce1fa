"""What an event of the log is, and the actions that there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from avhcurate.errors import CurateError

#: The action of labels that came in a file: each sample has its own, and `value` names the file.
IMPORT_LABELS = "import labels"
#: The action that gives images without a label of their own the label that people's votes come to; `value` says by
#: which rule and of how many votes.
LABEL_BY_VOTES = "label by votes"
#: The action that locks a part of a dataset.
LOCK = "lock"
#: The action of a blind look at samples for the certificate that `value` names: each sample has the class that a person
#: saw, `NEITHER` for none of the classes, None for one who cannot tell.
LOOK = "look"
NEITHER = ""
#: Decisions about samples.
ACTIONS = ("tag", "untag", "relabel", IMPORT_LABELS, "exclude", "include", "check", LOOK)
#: Changes of the classes; their details say what becomes of `names` and which classes are `added`, or the `parents`.
CLASS_ACTIONS = (
    *("rename class", "merge classes", "add class", "split class", "retire class", "set parents"),
    LABEL_BY_VOTES,
)
#: Roles are of the whole workspace.
EVERY_DATASET = ""
Kind = Literal["set", "view", "keys"]


class SavedView(NamedTuple):
    """The address of a page: its file name and parameters, and the class names that numbers in these mean."""

    page: str
    query: dict[str, str]
    classes: Sequence[str] = ()


class DoneBefore(CurateError):
    """This act was written already: the browser had not heard of it and sent it again."""


@dataclass(frozen=True)
class Event:
    """`who` did `action` (such as "tag" or "save set") about `value` and so many `samples`, unless it is undone."""

    id: int
    at: datetime
    who: str
    action: str
    value: str | None
    #: a `SavedView`, what each key does, a role, how a locked part was drawn; of a decision about samples, the window
    #: that it was made in
    details: Any
    samples: int
    undone_by: str | None = None

    @property
    def key(self) -> str:
        """How people name it to undo it."""
        return str(self.id)

    @property
    def name(self) -> str:
        """The name of a set, a view or a person."""
        return self.value or ""

    @property
    def page(self) -> str:
        return SavedView(*self.details).page

    @property
    def query(self) -> dict[str, str]:
        return SavedView(*self.details).query

"""A log of what curators decide: it takes entries of those who may decide, in their own name."""

from typing import Any, ClassVar

import sqlalchemy as sa

from avhcurate.data.people import Role, require
from avhcurate.disk.database import AppendOnlyLog


class DecisionLog(AppendOnlyLog):
    """An append-only log whose entries, undo too, are written by people of a role."""

    ROLE: ClassVar[Role] = Role.CURATOR
    #: What is refused to others, in words.
    WHAT: ClassVar[str] = "changing tags, labels, exclusions, sets and views"

    def _insert(self, connection: sa.Connection, dataset: str, who: str, action: str, **values: Any) -> int:
        require(self.ROLE, self.WHAT, name=who)
        return super()._insert(connection, dataset, who, action, **values)

"""Named sets of samples, named views, and the keys of labellers: an append-only log."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from avhcurate.data.decision_log import DecisionLog
from avhcurate.disk.database import log_table
from avhcurate.errors import CurateError

Kind = Literal["set", "view", "keys"]

_METADATA = sa.MetaData()
ENTRIES = log_table(
    "saved",
    _METADATA,
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    # of a set: how many members; of a view: its address
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("address", sa.String),
)
#: The members of a set as one Parquet file of paths: a million of them are written and read in one go.
MEMBERS = sa.Table(
    "saved_members",
    _METADATA,
    sa.Column("entry", sa.Integer, sa.ForeignKey("saved.id"), primary_key=True),
    sa.Column("paths", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True)
class SavedEntry:
    """One entry: `who` did `action` (save, remove) to a set of `n` samples, or to a view: a `page` and its `query`."""

    id: int
    at: datetime
    who: str
    kind: Kind
    name: str
    action: str
    n: int
    page: str
    query: dict[str, str]


class SavedLog(DecisionLog):
    """The sets and views of one workspace. Samples are named by their path, which outlives a re-import."""

    def __init__(self, url: str) -> None:
        super().__init__(url, ENTRIES, ("kind", "name", "n"))

    def save_set(self, dataset: str, name: str, paths: Iterable[str], *, who: str) -> int:
        """Writes a set, whole or not at all; returns the entry's number once it is on the disk."""
        members = sorted(set(paths))
        with self.engine.begin() as connection:
            entry = self._insert(connection, dataset, who, "save", kind="set", name=name, n=len(members))
            connection.execute(MEMBERS.insert().values(entry=entry, paths=_packed(members)))
        return entry

    def save_view(self, dataset: str, name: str, page: str, query: Mapping[str, str], *, who: str) -> int:
        """Writes a view: a page and the parameters of its address."""
        address = json.dumps([page, dict(query)])
        with self.engine.begin() as connection:
            return self._insert(connection, dataset, who, "save", kind="view", name=name, n=0, address=address)

    def save_keys(self, dataset: str, keys: Mapping[str, str], *, who: str) -> int:
        """Writes what the keys of a labeller do."""
        address = json.dumps(["", dict(keys)])
        with self.engine.begin() as connection:
            return self._insert(
                connection, dataset, who, "save", kind="keys", name="keys", n=len(keys), address=address
            )

    def remove(self, dataset: str, kind: Kind, name: str, *, who: str) -> int:
        """Removes a set or view; undo restores it."""
        standing = self.find(dataset, kind, name)
        with self.engine.begin() as connection:
            return self._insert(connection, dataset, who, "remove", kind=kind, name=name, n=standing.n)

    def rename(
        self, dataset: str, kind: Kind, name: str, new: str, *, query: Mapping[str, str] | None = None, who: str
    ) -> None:
        """The same under a new name, and the old name removed: two entries, both or none.

        `query`: the parameters of a view, if they read otherwise now.
        """
        old = self.find(dataset, kind, name)
        address = json.dumps([old.page, old.query if query is None else dict(query)]) if kind == "view" else None
        copied = sa.select(sa.bindparam("new", type_=sa.Integer), MEMBERS.c.paths).where(MEMBERS.c.entry == old.id)
        with self.engine.begin() as connection:
            entry = self._insert(connection, dataset, who, "save", kind=kind, name=new, n=old.n, address=address)
            connection.execute(MEMBERS.insert().from_select(["entry", "paths"], copied), {"new": entry})
            self._insert(connection, dataset, who, "remove", kind=kind, name=name, n=old.n)

    def undo(self, dataset: str, entry: int, *, who: str) -> SavedEntry:
        """Undoes an entry; one that is undone already is refused."""
        return _entry(self._revert_one(dataset, entry, who))

    def standing(self, dataset: str, kind: Kind) -> list[SavedEntry]:
        """The sets or views, by name: of each name the newest entry that is not undone, unless it is a removal."""
        query = self._standing(dataset).where(ENTRIES.c.kind == kind).order_by(ENTRIES.c.id)
        with self.engine.connect() as connection:
            newest = {row.name: row for row in connection.execute(query)}
        return [_entry(newest[name]) for name in sorted(newest) if newest[name].action == "save"]

    def members(self, entry: int) -> pa.Array:
        """Paths of the set that an entry saved, sorted."""
        with self.engine.connect() as connection:
            packed = connection.execute(sa.select(MEMBERS.c.paths).where(MEMBERS.c.entry == entry)).scalar_one()
        return pq.read_table(io.BytesIO(packed))["path"].combine_chunks()

    def find(self, dataset: str, kind: Kind, name: str) -> SavedEntry:
        """The entry of a set or view; an unknown name is refused."""
        standing = {entry.name: entry for entry in self.standing(dataset, kind)}
        if name not in standing:
            raise CurateError(f"dataset {dataset!r} has no {kind} {name!r}; it has {', '.join(standing) or 'none'}")
        return standing[name]


def _packed(paths: Sequence[str]) -> bytes:
    """A Parquet file of sorted paths, each stored as its difference from the one before."""
    buffer = io.BytesIO()
    table = pa.table({"path": pa.array(paths, pa.string())})
    pq.write_table(
        table, buffer, compression="zstd", use_dictionary=False, column_encoding={"path": "DELTA_BYTE_ARRAY"}
    )
    return buffer.getvalue()


def _entry(row: Any) -> SavedEntry:
    page, query = json.loads(row.address) if row.address else ("", {})
    return SavedEntry(row.id, row.at, row.who, row.kind, row.name, row.action, row.n, page, query)

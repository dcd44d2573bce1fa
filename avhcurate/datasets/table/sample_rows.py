"""The rows of the samples as DuckDB has them: what their columns are, and reads by filters."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.table import build
from avhcurate.datasets.table.columns import EXTRA, QUALITY_COLUMNS, Kind, Summary, kind_of, own_score, quote, summarise
from avhcurate.datasets.table.conditions import by_name, check_classes, check_condition, limited, unknown_column
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.measures.scores import PREDICTIONS, SCORES, Score
from avhcurate.measures.stats.ranks import Scratch
from avhcurate.workspace.data.consensus import BOTH, NETWORK, PEOPLE
from avhcurate.workspace.data.dataset_records import Harder
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.tabular import nullable
from avhcurate.workspace.images.measures import MEASURES

#: Other numbers are read in double precision.
_NUMBERS = {"FLOAT": np.float32}
#: Scores that tell how hard a sample is, the best first.
HARDNESS = ("avh", "prototype_hardness", "loss", "entropy", "norm")


class SampleRows:
    """The columns and rows of a table `samples`; threads may share it, since every read has its own cursor.

    classes: names by label. users: the user's own columns, those of angles to `words` among them. scores: keys of the
    scores that the table has. harder: which end of an own column means harder.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        classes: Sequence[str],
        users: Sequence[str],
        *,
        scores: Sequence[str],
        words: Sequence[str],
        harder: Mapping[str, Harder],
    ) -> None:
        self._connection = connection
        self.classes = tuple(classes)
        #: Keys of the scores, in the order of SCORES; empty before a model was run.
        self.scores = tuple(scores)
        #: SQL types of the columns.
        self.types = {name: kind for name, kind in types_of(connection, "samples").items() if name[:1] != "_"}
        self.columns = tuple(self.types)
        #: The program's columns in the order of an export, and the user's own.
        self.standard = tuple(name for name in self.columns if name not in users and name not in EXTRA)
        self.user_columns = tuple(users)
        #: Keys of the predicted numbers, of what was measured of the images, and of the measures among these.
        self.predictions = tuple(key for key in PREDICTIONS if key in self.standard)
        self.measured = tuple(key for key in QUALITY_COLUMNS if key in self.standard)
        self.measures = tuple(key for key in self.measured if key in MEASURES)
        #: What a consensus may rest on, and its numbers; none before there is one.
        self.panel = tuple(key for key in (PEOPLE, BOTH, NETWORK) if "consensus_of" in self.standard)
        self.agreed = tuple(key for key in ("consensus", "answers") if key in self.standard)
        self.kinds: dict[str, Kind] = {name: kind_of(self.types[name]) for name in self.user_columns}
        #: What has an order by hardness or could have one: scores, measures and the user's numbers, by key.
        known: dict[str, Score] = SCORES | PREDICTIONS | MEASURES
        self.ranked = {key: known[key] for key in (*self.scores, *self.predictions, *self.measures)}
        self.ranked |= {name: own_score(name, harder.get(name, "")) for name in self.own("number")}
        #: Names of the columns of angles to words.
        self.words = tuple(words)
        self.size = self.count()

    def own(self, *kinds: Kind) -> tuple[str, ...]:
        """Return the user's columns of some kinds, in their order."""
        return tuple(name for name, kind in self.kinds.items() if kind in kinds)

    @cached_property
    def summaries(self) -> dict[str, Summary]:
        """What the user's columns hold, by name; read when first asked for, since they never change."""
        return summarise(self.kinds, lambda query: self.query(query)[0])

    @property
    def groups(self) -> tuple[str, ...]:
        """The user's columns of few values, by which samples can be grouped and filtered."""
        return tuple(name for name, summary in self.summaries.items() if summary.groups)

    @property
    def hardness(self) -> str:
        """Key of the score that stands for how hard a sample is: AVH, or the best that the run has."""
        return next((key for key in HARDNESS if key in self.scores), HARDNESS[0])

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for one thread."""
        cursor = self._connection.cursor()
        cursor.execute("USE stored")
        return cursor

    # --- rows ----------------------------------------------------------------------------------------------------

    def count(self, filters: Filters | None = None) -> int:
        """Return the number of samples that satisfy the filters; without filters, of all, also excluded ones."""
        return int(self._read("SELECT count(*) AS n FROM samples", filters)["n"][0].as_py())

    def page(
        self,
        filters: Filters | None = None,
        *,
        sort: str = "id",
        descending: bool = False,
        offset: int = 0,
        limit: int = 60,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return rows `offset` to `offset + limit` in the order of column `sort`; missing values last, ties by id."""
        order = self._ordering(sort, descending)
        # First which rows, reading only the columns of the conditions; then these few rows whole.
        rows = self._read("SELECT id FROM samples", filters, f"{order} LIMIT {int(limit)} OFFSET {int(offset)}")
        filters_of_page = Filters(excluded=None, ids=tuple(rows["id"].to_pylist()))
        return nullable(self._read(f"SELECT {self._list(columns)} FROM samples", filters_of_page, order))

    def order(self, filters: Filters | None = None, *, sort: str = "id", descending: bool = False) -> np.ndarray:
        """Return the ids of all samples that satisfy the filters, (n,) int32, in the order that `page` gives them."""
        query = "SELECT id::INTEGER AS id FROM samples"
        tail = self._ordering(sort, descending)
        return self._read(query, filters, tail)["id"].to_numpy()

    def _ordering(self, sort: str, descending: bool) -> str:
        if descending:
            return f"ORDER BY {self.column(sort)} DESC NULLS LAST, id"
        return f"ORDER BY {self.column(sort)} NULLS LAST, id"

    def frame(self, filters: Filters | None = None, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return all samples that satisfy the filters, by id; integers are nullable, missing scores NaN."""
        query = f"SELECT {self._list(columns)} FROM samples"
        parts = [self._read(query, filters, "ORDER BY id", part) for part in self._parts(filters)]
        return nullable(pa.concat_tables(parts))

    def numbers(self, filters: Filters | None, columns: Sequence[str]) -> Scratch:
        """Return `id` and columns of numbers of the samples that satisfy the filters, by id, on disk.

        Single precision stays so, everything else becomes double; NaN is missing.
        """
        filters = filters or Filters(excluded=None)
        numbers = Scratch()
        cursor = self._cursor()
        names = list(dict.fromkeys(["id", *columns]))
        for name in names:
            numbers[name] = np.empty(0, _NUMBERS.get(self.types[name], np.float64))
        with limited(cursor, filters.where):
            where, parameters = filters.to_sql(self)
            query = f"SELECT {self._list(names)} FROM samples WHERE {where}"
            for batch in cursor.sql(query, params=parameters).to_arrow_reader(build.AT_ONCE):
                for name, values in zip(names, batch.columns, strict=True):
                    numbers.append(name, values.to_numpy(zero_copy_only=False))
        # The rows lie by id but for those that a decision has moved: sorting all of them in SQL takes twice as long.
        if (np.diff(numbers["id"]) < 0).any():
            order = np.argsort(numbers["id"])
            for name in names:
                numbers[name] = numbers[name][order]
        return numbers

    def _parts(self, filters: Filters | None) -> list[str]:
        """Return SQL of ranges of ids, which are sorted one by one, since all at once might not fit into memory."""
        if self.size <= build.AT_ONCE or (filters is not None and filters.ids is not None):
            return ["TRUE"]
        starts = range(0, self.size, build.AT_ONCE)
        return [f"id BETWEEN {start} AND {start + build.AT_ONCE - 1}" for start in starts]

    def batches(
        self,
        filters: Filters | None = None,
        *,
        columns: Sequence[str] | None = None,
        rows: int = 50_000,
        order: np.ndarray | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Return the same rows as Arrow batches, for exports that do not fit into memory.

        They come in the order of the ids `order`, (n,) int64, if it is given; samples that it lacks come last.
        """
        filters = filters or Filters(excluded=None)
        if filters.where:
            self.count(filters)  # refuses a condition that takes too long before the first row
        query = f"SELECT {self._list(columns)} FROM samples"
        tail = "id"
        cursor = self._cursor()
        parts = ["TRUE"]
        if order is None:
            parts = self._parts(filters)
        else:
            cursor.register("in_order", pa.table({"_id": order, "_rank": np.arange(len(order))}))
            query = f"{query} LEFT JOIN in_order ON id = _id"
            tail = "_rank NULLS LAST, id"
        with limited(cursor, filters.where, timed=False):
            where, parameters = filters.to_sql(self)
            for part in parts:
                statement = f"{query} WHERE {where} AND {part} ORDER BY {tail}"
                yield from cursor.sql(statement, params=parameters).to_arrow_reader(rows)

    def paths(self, filters: Filters | None = None, condition: str = "TRUE") -> list[str]:
        """Return the paths of the samples that satisfy the filters and `condition`, which is SQL of ours."""
        return self._read("SELECT path FROM samples", filters, "ORDER BY id", f"({condition})")["path"].to_pylist()

    def paths_of(self, ids: Sequence[int]) -> list[str]:
        """Return the paths of the samples with these ids; an unknown id is refused."""
        query = "SELECT path FROM unnest(?::BIGINT[]) WITH ORDINALITY AS c(id, n) JOIN samples USING (id) ORDER BY n"
        wanted = [int(id) for id in ids]
        if missing := [id for id in wanted if not 0 <= id < self.size]:
            raise CurateError(f"No image has id {listed(map(str, missing))}. Ids run from 0 to {self.size - 1}.")
        return [path for (path,) in self.query(query, [wanted])]

    def sample(self, id: int) -> dict[str, Any]:
        """Return the row of one sample; an unknown id is refused."""
        table = self._cursor().sql("SELECT * FROM samples WHERE id = ?", params=[id]).to_arrow_table()
        if not table.num_rows:
            raise CurateError(f"Unknown image {id}. Ids run from 0 to {self.size - 1}.")
        (row,) = table.to_pylist()
        return {name: value for name, value in row.items() if not name.startswith("_")}

    # --- summaries -----------------------------------------------------------------------------------------------

    def percentiles(self, id: int) -> dict[str, float]:
        """Return for each score of the sample the share of samples whose value is not larger, in (0, 1]."""
        row = self.sample(id)
        keys = [key for key in self.scores if row[key] is not None]
        if not keys:
            return {}
        shares = ", ".join(f"avg((s.{key} <= o.{key})::DOUBLE)" for key in keys)
        (values,) = self.query(f"SELECT {shares} FROM samples s, (SELECT * FROM samples WHERE id = ?) o", [id])
        return dict(zip(keys, values, strict=True))

    def group_counts(self, column: str, filters: Filters | None = None, *, limit: int | None = None) -> pd.DataFrame:
        """Return how many samples have each value of a column: `value, n`, most first; tags count one by one.

        `limit`: the most values to return, for a column that may have a million.
        """
        name = self.column(column)
        if column == "tags":
            name = f"unnest({name})"
        query = f"SELECT value, count(*) AS n FROM (SELECT {name} AS value FROM samples"
        tail = f") GROUP BY value ORDER BY n DESC, value LIMIT {limit or 'ALL'}"
        return nullable(self._read(query, filters, tail))

    # --- queries -------------------------------------------------------------------------------------------------

    def query(self, query: str, parameters: Sequence[Any] = (), *, where: str = "") -> list[tuple[Any, ...]]:
        """Return the rows of a query over `samples`; `where` is the user's condition in it."""
        cursor = self._cursor()
        with limited(cursor, where):
            return cursor.execute(query, list(parameters)).fetchall()

    def joined(self, query: str, parameters: Sequence[Any], rows: pa.Table, *, where: str = "") -> pd.DataFrame:
        """Return the result of a query over `samples` and the table `rows`; `where` is as in `query`."""
        cursor = self._cursor()
        cursor.register("rows", rows)
        with limited(cursor, where):
            return cursor.execute(query, list(parameters)).df()

    def _read(self, query: str, filters: Filters | None, tail: str = "", condition: str = "TRUE") -> pa.Table:
        filters = filters or Filters(excluded=None)
        cursor = self._cursor()
        with limited(cursor, filters.where):
            where, parameters = filters.to_sql(self)
            return cursor.sql(f"{query} WHERE {where} AND {condition} {tail}", params=parameters).to_arrow_table()

    def column(self, name: str) -> str:
        """Return a column's name as SQL; an unknown one is refused."""
        if name not in self.types:
            raise unknown_column(name, self.columns)
        return quote(name)

    def condition(self, text: str) -> str:
        """Return a condition over the columns as SQL; anything else is refused."""
        check_condition(text, self.columns)
        named = by_name(text)
        check_classes(named, self.classes)
        return f"({named}\n)"

    def _list(self, columns: Sequence[str] | None) -> str:
        return ", ".join(self.column(name) for name in columns or self.columns)


def types_of(connection: duckdb.DuckDBPyConnection, rows: str) -> dict[str, str]:
    """Return SQL types of columns by name."""
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()}

"""The sample table of a dataset and model run: samples, scores, votes and annotations, in an in-memory DuckDB."""

import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.disk.columns import listed
from avhcurate.errors import CurateError
from avhcurate.images.measures import MEASURES
from avhcurate.scores import PREDICTIONS, SCORES, Score
from avhcurate.table import build
from avhcurate.table.arrow import state_table, to_pandas
from avhcurate.table.build import Votes, connect, create_samples
from avhcurate.table.filters import Filters, quote
from avhcurate.table.own_columns import FEW, Harder, Kind, Summary, kind_of, own_score, summarise
from avhcurate.table.predicates import by_name, check_predicate, describe_column, unknown_column
from avhcurate.table.predicted import PREDICTED_COLUMNS, predicted_columns
from avhcurate.table.query_limits import as_user_errors, bound_memory, in_time
from avhcurate.table.sample_sql import (
    DECIDE,
    HSF_COLUMNS,
    NAME_SQL,
    QUALITY_TYPES,
    UNDECIDED,
    UNDO,
    joined_scores,
    ordering,
    parquet_types,
    score_columns,
    user_column,
)

#: The columns of every export in their order; the user's own follow.
COLUMNS = (
    *("id", "path", "split", "label", "label_name", "predicted", "predicted_name"),
    *("confidence", "max_confidence", "avh", "relative_avh", "target_angle", "angular_gap", "class_angular_gap", "avc"),
    *("margin", "entropy", "loss", "el2n", "grand", "norm", "prototype_distance"),
    *("hsf", "hsf_low", "hsf_high", "votes", "hsf_bin", "tags", "curated_label", "curated_label_name"),
)

#: Scores by class prototypes, which follow the other scores where the run has no class weights.
PROTOTYPES = tuple(key for key, score in SCORES.items() if score.needs == "prototypes")

#: Scores that plugins have added, which follow these.
ADDED = tuple(key for key, score in SCORES.items() if score.plugin)

#: The scores of a training's epochs, where the run comes from one: of samples held out, and of samples learnt from.
DYNAMICS = tuple(key for key, score in SCORES.items() if score.training)
TRAIN_DYNAMICS = tuple(key for key in DYNAMICS if key.startswith("train_"))
HELD_OUT_DYNAMICS = tuple(key for key in DYNAMICS if key not in TRAIN_DYNAMICS)

#: Scores by the run's neighbour graph.
OF_NEIGHBOURS = tuple(key for key, score in SCORES.items() if score.needs == "neighbours")

#: The scores of each file that may be joined to those of the run, by its name in SQL.
_JOINED = {"n": OF_NEIGHBOURS, "d": HELD_OUT_DYNAMICS, "t": TRAIN_DYNAMICS}

#: Scores that tell how hard a sample is, the best first.
_HARDNESS = ("avh", "prototype_hardness", "loss", "entropy", "norm")


def hardness_key(columns: Container[str]) -> str:
    """Key of the score among `columns` that stands for how hard a sample is: AVH, else the next best.

    >>> hardness_key(["norm", "loss"])
    'loss'
    """
    return next((key for key in _HARDNESS if key in columns), _HARDNESS[0])


#: Columns that the table has besides, for conditions; an export leaves them out unless asked.
EXTRA = ("excluded", "problem")


class SampleTable:
    """The joined table in DuckDB; safe to share between threads, since every read has its own cursor.

    `samples` and `scores` are Parquet files (`scores` None before a model was run), `votes` gives the HSF columns of
    some ids, `classes` are the names by label, `predicted` is a frame of `id` and what `predicted_columns` reads.
    Parquet files of `id` and more: `neighbours` of `OF_NEIGHBOURS`, `dynamics` of `HELD_OUT_DYNAMICS`,
    `train_dynamics` of `TRAIN_DYNAMICS`, `quality` of `MEASURES` and more. `harder`: which end of a column of the
    user's means harder.
    """

    def __init__(
        self,
        samples: Path,
        scores: Path | None,
        votes: Votes | None,
        classes: Sequence[str],
        *,
        neighbours: Path | None = None,
        dynamics: Path | None = None,
        train_dynamics: Path | None = None,
        quality: Path | None = None,
        predicted: pd.DataFrame | None = None,
        harder: Mapping[str, Harder] | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self._connection = connect(samples)
        self._lock = threading.Lock()
        scored = parquet_types(self._connection, scores) if scores else {}
        own = parquet_types(self._connection, samples)
        scored = {key: kind for key, kind in scored.items() if key not in ADDED or key not in own}
        scored |= {key: "DOUBLE" for key, score in SCORES.items() if score.within_class in scored}
        given = {"s": samples, "r": scores, "n": neighbours, "d": dynamics, "t": train_dynamics, "q": quality}
        files = {alias: file for alias, file in given.items() if file}
        joined = (key for alias, keys in _JOINED.items() if alias in files for key in keys)
        more = (*(key for key in PROTOTYPES + ADDED if key in scored), *joined)
        #: Keys of the scores that there are, in the order of SCORES: none before a model was run.
        self.scores = tuple(key for key in SCORES if key in scored or key in more)
        behind, voted = COLUMNS.index("prototype_distance") + 1, COLUMNS.index("hsf_bin") + 1
        #: The columns of an export in their order, with scores by prototypes and of a training where there are any.
        of_model = () if predicted is None else PREDICTED_COLUMNS
        self.standard = (*COLUMNS[:behind], *more, *COLUMNS[behind:voted], *of_model, *COLUMNS[voted:])
        #: Keys of the predicted columns of numbers: none before `avhcurate predict`.
        self.predictions = tuple(key for key in of_model if key in PREDICTIONS)
        #: What was measured of the images, after them; a column of the user's with the same name goes before it.
        self.measured = self._names_of_measured(own, quality) if quality else ()
        #: Those of them that are in `MEASURES`.
        self.measures = tuple(key for key in self.measured if key in MEASURES)
        self.standard += self.measured
        select = self._selected(own, scored, predicted is not None, files)
        create_samples(
            self._connection, select, files, classes=classes, scored=scored, votes=votes, predicted=predicted
        )
        self._connection.execute("CREATE TABLE memberships (name VARCHAR, id BIGINT)")
        #: Names of the stored sets, for `Filters.sets`.
        self.sets: tuple[str, ...] = ()
        bound_memory(self._connection)
        self._connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        described = self._connection.execute("DESCRIBE samples").fetchall()
        self.types: dict[str, str] = {name: kind for name, kind, *_ in described if not name.startswith("_")}
        self.columns = tuple(self.types)
        self.user_columns = tuple(name for name in self.columns if name not in self.standard + EXTRA)
        self.kinds: dict[str, Kind] = {name: kind_of(self.types[name]) for name in self.user_columns}
        #: What has an order by hardness or could have one: scores, measures and the user's numbers, by key.
        self.ranked: dict[str, Score] = (
            {key: SCORES[key] for key in self.scores}
            | {key: PREDICTIONS[key] for key in self.predictions}
            | {key: MEASURES[key] for key in self.measures}
            | {name: own_score(name, (harder or {}).get(name, "")) for name in self.own("number")}
        )
        self._values: dict[str, list[str]] = {}
        self.size = self.count()

    def own(self, *kinds: Kind) -> tuple[str, ...]:
        """The user's columns of some kinds, in their order."""
        return tuple(name for name, kind in self.kinds.items() if kind in kinds)

    @cached_property
    def summaries(self) -> dict[str, Summary]:
        """What the user's columns hold, by name; read in one query when first asked for, since they never change."""
        return summarise(self.kinds, lambda query: self._rows(query, None)[0])

    @property
    def groups(self) -> tuple[str, ...]:
        """The user's columns of few values, by which samples can be grouped and filtered."""
        return tuple(name for name, summary in self.summaries.items() if summary.groups)

    def _names_of_measured(self, own: Iterable[str], quality: Path) -> tuple[str, ...]:
        # Two of them the program itself asks for.
        taken = {name.lower() for name in own} - {"oddity", "duplicate_group"}
        there = parquet_types(self._connection, quality)
        return tuple(name for name in QUALITY_TYPES if name not in taken and name in there)

    def _selected(
        self, columns: Mapping[str, str], scored: Container[str], predicted: bool, files: Mapping[str, Path]
    ) -> list[str]:
        """SQL of the table's columns; `columns` are those of the samples' file, `scored` those of the run's."""
        taken = self.standard + EXTRA
        problem = "r.problem" if "problem" in scored else "NULL"
        return [
            *("s.id", "s.path", "s.split", "s.label", f"{NAME_SQL.format('s.label')} AS label_name"),
            *score_columns(scored, COLUMNS),
            # A file that no model tried to read may be unreadable all the same.
            f"coalesce({problem}, {'q.problem' if 'q' in files else 'NULL'})::VARCHAR AS problem",
            *joined_scores({alias: keys for alias, keys in _JOINED.items() if alias in files}),
            *(f"CAST(v.{name} AS {kind}) AS {name}" for name, kind in HSF_COLUMNS.items()),
            *(predicted_columns(scored) if predicted else ()),
            *(f"q.{name}::{QUALITY_TYPES[name]} AS {name}" for name in self.measured),
            *(user_column(name, kind) for name, kind in columns.items() if name not in taken and name[:1] != "_"),
            *(f"{default} AS {name}" for name, default in UNDECIDED.items()),
        ]

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread."""
        cursor = self._connection.cursor()
        cursor.execute("USE stored")
        return cursor

    @property
    def hardness(self) -> str:
        """Key of the score that stands for how hard a sample is: AVH, else the best that the run has."""
        return hardness_key(self.scores)

    def annotate(self, state: pd.DataFrame, *, whole: bool = True) -> bool:
        """Updates the annotations: `path, tags, curated_label, excluded`, as `EventLog.state` gives them.

        Samples that are not in it have no decision, unless `whole` is False: then they stay as they are. They are
        written, since a join at every read costs more. Returns whether a sample in it was excluded or included.
        """
        with self._lock:
            cursor = self._cursor()
            cursor.register("incoming", state_table(state))
            names = {"classes": list(self.classes)}
            cursor.execute("BEGIN")
            moved = "SELECT count(*) FROM samples s JOIN incoming i USING (path) WHERE s.excluded <> i.excluded"
            changed = bool(cursor.execute(moved).fetchall()[0][0])
            if whole:
                cursor.execute(UNDO, names)
            cursor.execute(DECIDE, names)
            cursor.execute("COMMIT")
            cursor.unregister("incoming")
        return changed

    def update_sets(self, members: Mapping[str, pa.Array | None]) -> None:
        """Updates stored sets by name: the paths of each, None for one that is removed; the other sets stay.

        Paths that the dataset does not have are ignored.
        """
        with self._lock:
            cursor = self._cursor()
            cursor.execute("BEGIN")
            for name, paths in members.items():
                cursor.execute("DELETE FROM memberships WHERE name = ?", [name])
                if paths is not None:
                    cursor.register("incoming", pa.table({"path": paths}))
                    cursor.execute(
                        "INSERT INTO memberships SELECT ?, id FROM incoming JOIN samples USING (path)", [name]
                    )
                    cursor.unregister("incoming")
            cursor.execute("COMMIT")
            left = {name for name, paths in members.items() if paths is None}
            self.sets = tuple(sorted({*self.sets, *members} - left))

    def sets_of(self, id: int) -> list[str]:
        """Names of the stored sets that a sample is in."""
        query = "SELECT name FROM memberships WHERE id = ? ORDER BY name"
        return [row[0] for row in self._cursor().execute(query, [id]).fetchall()]

    def update_votes(self, votes: pd.DataFrame) -> None:
        """Updates the HSF columns of some samples: `id` and `HSF_COLUMNS`; missing values become null."""
        changes = ", ".join(f"{name} = CAST(i.{name} AS {kind})" for name, kind in HSF_COLUMNS.items())
        with self._lock:
            cursor = self._cursor()
            cursor.register("incoming", pa.Table.from_pandas(votes[["id", *HSF_COLUMNS]], preserve_index=False))
            cursor.execute(f"UPDATE samples SET {changes} FROM incoming i WHERE i.id = samples.id")
            cursor.unregister("incoming")

    def count(self, filters: Filters | None = None) -> int:
        """Number of samples that satisfy the filters; without filters, of all, excluded ones too."""
        return int(self._rows("SELECT count(*) FROM samples", filters)[0][0])

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
        """Rows `offset` to `offset + limit` in the order of column `sort`; missing values last, ties by id."""
        order = f"ORDER BY {ordering(self.column(sort), descending)}"
        # First which rows, reading the columns of the conditions alone; then the few rows whole.
        ids = self._rows("SELECT id FROM samples", filters, f"{order} LIMIT {int(limit)} OFFSET {int(offset)}")
        chosen = Filters(excluded=None, ids=tuple(row[0] for row in ids))
        return to_pandas(self._read(f"SELECT {self._list(columns)} FROM samples", chosen, order))

    def order(self, filters: Filters | None = None, *, sort: str = "id", descending: bool = False) -> np.ndarray:
        """Ids of all samples that satisfy the filters, (n,) int32, in the order that `page` gives them."""
        tail = f"ORDER BY {ordering(self.column(sort), descending)}"
        with self._relation_in_time("SELECT id::INTEGER AS id FROM samples", filters, tail) as relation:
            return relation.fetchnumpy()["id"]

    def frame(self, filters: Filters | None = None, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All samples that satisfy the filters, by id; integers are nullable, missing scores NaN."""
        query = f"SELECT {self._list(columns)} FROM samples"
        parts = [self._read(query, filters, "ORDER BY id", part) for part in self._parts(filters)]
        return to_pandas(pa.concat_tables(parts))

    def _parts(self, filters: Filters | None) -> list[str]:
        """SQL of stretches of ids, which are sorted one by one, since all at once might take more than the memory."""
        few = self.size <= build.AT_ONCE or (filters is not None and filters.ids is not None)
        starts = range(0, self.size, build.AT_ONCE)
        return ["TRUE"] if few else [f"id BETWEEN {start} AND {start + build.AT_ONCE - 1}" for start in starts]

    def batches(
        self,
        filters: Filters | None = None,
        *,
        columns: Sequence[str] | None = None,
        rows: int = 50_000,
        order: np.ndarray | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The same rows as Arrow batches, for exports that must not hold the whole table.

        They come in the order of the ids `order`, (n,) int64, where it is given, those that it does not have last.
        """
        query, tail, cursor = f"SELECT {self._list(columns)} FROM samples", "ORDER BY id", self._cursor()
        if order is not None:
            cursor.register("in_order", pa.table({"_id": order, "_place": np.arange(len(order))}))
            query += " LEFT JOIN in_order ON id = _id"
            tail = "ORDER BY _place NULLS LAST, id"
        if filters is not None and filters.where:
            self.count(filters)  # a condition that takes too long is refused before the first row
        with as_user_errors(filters.where if filters else "", self._example):
            for part in self._parts(filters) if order is None else ["TRUE"]:
                yield from self._relation(query, filters, tail, part, cursor=cursor).to_arrow_reader(rows)

    def paths(self, filters: Filters | None = None) -> list[str]:
        return [row[0] for row in self._rows("SELECT path FROM samples", filters, "ORDER BY id")]

    def paths_of(self, ids: Sequence[int]) -> list[str]:
        """Paths of the samples with these ids; an unknown id is refused."""
        query = "SELECT path FROM unnest(?::BIGINT[]) WITH ORDINALITY AS c(id, n) JOIN samples USING (id) ORDER BY n"
        wanted = [int(id) for id in ids]
        if missing := [id for id in wanted if not 0 <= id < self.size]:  # the query takes no longer numbers
            raise CurateError(f"no sample has id {listed(map(str, missing))}: ids run from 0 to {self.size - 1}")
        return [row[0] for row in self._cursor().execute(query, [wanted]).fetchall()]

    def sample(self, id: int) -> dict[str, Any]:
        """One sample's row; an unknown id is refused."""
        table = self._cursor().sql("SELECT * FROM samples WHERE id = ?", params=[id]).to_arrow_table()
        if not table.num_rows:
            raise CurateError(f"the dataset has no sample {id}: ids run from 0 to {self.size - 1}")
        row: dict[str, Any] = table.to_pylist()[0]
        return {name: value for name, value in row.items() if not name.startswith("_")}

    def percentiles(self, id: int) -> dict[str, float]:
        """For each score that the sample has, the share of samples whose value is not larger, in (0, 1]."""
        row = self.sample(id)
        keys = [key for key in self.scores if row[key] is not None]
        if not keys:
            return {}
        shares = ", ".join(f"avg((s.{key} <= o.{key})::DOUBLE)" for key in keys)
        query = f"SELECT {shares} FROM samples s, (SELECT * FROM samples WHERE id = ?) o"
        return dict(zip(keys, self._cursor().execute(query, [id]).fetchall()[0], strict=True))

    def histogram(
        self, column: str, *, filters: Filters | None = None, bins: int = 20, limits: tuple[float, float] | None = None
    ) -> pd.DataFrame:
        """Counts of a numeric column in equal bins, `low, high, n`; empty when it has no values."""
        name = self.column(column)
        condition = f"isfinite({name}::DOUBLE)"
        if limits is None:
            ((least, most),) = self._rows(f"SELECT min({name}), max({name}) FROM samples", filters, condition=condition)
            if least is None:
                return pd.DataFrame({"low": [], "high": [], "n": []})
            limits = least, most
        low, high = map(float, limits)
        width = (high - low) / bins or 1.0
        bucket = f"least(greatest(floor(({name} - {low!r}) / {width!r} + 1e-9), 0), {bins - 1})::INTEGER"
        query = f"SELECT {bucket} AS bucket, count(*) FROM samples"
        counts = dict(self._rows(query, filters, "GROUP BY bucket", condition))
        edges = [low + i * width for i in range(bins + 1)]
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "n": [counts.get(i, 0) for i in range(bins)]})

    def group_counts(self, column: str, filters: Filters | None = None, *, limit: int | None = None) -> pd.DataFrame:
        """How many samples have each value of a column: `value, n`, most first; tags count one by one.

        `limit` gives so many values at most: the caller of a column that may have a million of them says so.
        """
        name = f"unnest({self.column(column)})" if column == "tags" else self.column(column)
        query = f"SELECT value, count(*) AS n FROM (SELECT {name} AS value FROM samples"
        most = "" if limit is None else f" LIMIT {int(limit)}"
        return to_pandas(self._read(query, filters, f") GROUP BY value ORDER BY n DESC, value{most}"))

    def values_of(self, column: str) -> list[str]:
        """The most frequent values of a column of the user's as text, at most `FEW`; "" for samples without one."""
        if column not in self._values:
            query = f"SELECT coalesce({self.column(column)}::VARCHAR, '') AS value FROM samples"
            rows = self._rows(query, None, f"GROUP BY value ORDER BY count(*) DESC, value LIMIT {FEW}")
            self._values[column] = [row[0] for row in rows]
        return self._values[column]

    def query(self, query: str, parameters: Sequence[Any] = (), *, where: str = "") -> list[tuple[Any, ...]]:
        """Rows of a query of the program's own over `samples`; with a condition `where` in it for a limited time."""
        with as_user_errors(where, self._example):
            cursor = self._cursor()
            with in_time(cursor) if where else nullcontext():
                return cursor.execute(query, list(parameters)).fetchall()

    def _rows(
        self, query: str, filters: Filters | None, tail: str = "", condition: str = "TRUE"
    ) -> list[tuple[Any, ...]]:
        with self._relation_in_time(query, filters, tail, condition) as relation:
            return relation.fetchall()

    def _read(self, query: str, filters: Filters | None, tail: str = "", condition: str = "TRUE") -> pa.Table:
        with self._relation_in_time(query, filters, tail, condition) as relation:
            return relation.to_arrow_table()

    @contextmanager
    def _relation_in_time(
        self, query: str, filters: Filters | None, tail: str = "", condition: str = "TRUE"
    ) -> Iterator[duckdb.DuckDBPyRelation]:
        """A relation to be read within the block; with a condition of somebody's own for a limited time."""
        with as_user_errors(filters.where if filters else "", self._example):
            cursor = self._cursor()
            relation = self._relation(query, filters, tail, condition, cursor=cursor)
            if filters is None or not filters.where:
                yield relation
                return
            with in_time(cursor):
                yield relation

    def _relation(
        self,
        query: str,
        filters: Filters | None,
        tail: str = "",
        condition: str = "TRUE",
        *,
        cursor: duckdb.DuckDBPyConnection | None = None,
    ) -> duckdb.DuckDBPyRelation:
        filters = Filters(excluded=None) if filters is None else filters
        predicate, parameters = filters.to_sql(self)
        cursor = cursor or self._cursor()
        return cursor.sql(f"{query} WHERE {predicate} AND {condition} {tail}", params=parameters)

    def column(self, name: str) -> str:
        """A column's name as SQL; an unknown one is refused."""
        if name not in self.types:
            raise unknown_column(name, self.columns)
        return quote(name)

    def condition(self, text: str) -> str:
        """A condition over the columns as SQL; anything else is refused."""
        check_predicate(text, self.columns)
        return f"({by_name(text)}\n)"

    def _example(self, name: str) -> str:
        """What a column holds, whose name may be in any case, and a condition on it with a value that occurs."""
        column = next(known for known in self.types if known.lower() == name.lower())
        ((value,),) = self.query(f"SELECT any_value({quote(column)}) FROM samples")
        return describe_column(column, self.types[column], value)

    def _list(self, columns: Sequence[str] | None) -> str:
        return ", ".join(self.column(name) for name in columns or self.columns)

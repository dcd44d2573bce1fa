"""The sample table of a dataset and model run: samples, scores, votes and annotations, in DuckDB."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from avhcurate.datasets.table.build import VotesOf, connect, create_names, create_samples
from avhcurate.datasets.table.columns import COUNT_DECIDED, DECIDE, HSF_COLUMNS, literal, select_columns
from avhcurate.datasets.table.conditions import bound_memory
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_rows import SampleRows, types_of
from avhcurate.errors import CurateError, Option, Run
from avhcurate.measures.scores import SCORES
from avhcurate.people import bins
from avhcurate.workspace.data.dataset_records import DatasetRecord, Harder, VotesRecord


class SampleTable(SampleRows):
    """The joined table in DuckDB, into which decisions and votes are written as they come.

    files: Parquet by name, each with a column `id`: samples, and those of scores, neighbours, words, dynamics,
    train_dynamics and quality that exist. classes: names by label. dataset: whose samples these are. votes: returns
    the HSF columns of some ids. edges: of the bins of HSF. predicted: `id` and the columns of a prediction. harder:
    which end of an own column means harder. parents: of each class, where classes have parents.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        classes: Sequence[str],
        *,
        dataset: DatasetRecord | None = None,
        votes: VotesOf | None = None,
        edges: Sequence[float] = (),
        predicted: pa.Table | None = None,
        harder: Mapping[str, Harder] | None = None,
        parents: Sequence[str] = (),
    ) -> None:
        self.parents = tuple(parents)
        #: Edges of the bins of HSF.
        self.edges = tuple(edges)
        #: Name of the dataset; the import whose samples these are, and the same with the classes of now.
        #: By which rule and how many votes the images were labelled, "" for labels that came with them.
        self.name = self.imported = self.fingerprint = self.labels_by = ""
        if dataset is not None:
            self.name, self.labels_by = dataset.name, dataset.labels_by
            self.imported, self.fingerprint = dataset.fingerprint, dataset.version
        #: The record of the votes behind the HSF columns, None without any.
        self.votes: VotesRecord | None = None
        #: Number of the newest event that these samples hold, and of the one that locked a part, 0 for none.
        self.entry = -1
        self.locked_by = 0
        #: How often samples were excluded, included or locked since this was opened.
        self.exclusions = 0
        #: How many samples are relabelled, excluded and kept, up to the event of a number.
        self._decision_counts = (-1, (0, 0, 0))
        self._bins = list(bins.bin_labels(self.edges)) if edges else []
        #: The files as they were when they were read.
        self._files = [f"{file} {file.stat().st_mtime_ns}" for file in files.values()] + [
            repr(sorted((harder or {}).items()))
        ]
        self._lock = threading.Lock()
        connection = connect(files["samples"])
        types = {name: types_of(connection, f"read_parquet({literal(file)})") for name, file in files.items()}
        if predicted is not None:
            types["predicted"] = {}
        if parents:
            types["parents"] = {}
        selected, users, scores = select_columns(types)
        create_samples(
            connection,
            selected,
            files,
            classes=list(classes),
            parents=self.parents,
            bins=self._bins,
            scored=scores,
            votes=votes,
            predicted=predicted,
        )
        connection.execute("CREATE TABLE memberships (name VARCHAR, id BIGINT)")
        #: Names of the stored sets.
        self.sets: tuple[str, ...] = ()
        bound_memory(connection)
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        words = [name for name in types.get("words", {}) if name in users and name != "id"]
        super().__init__(connection, classes, users, scores=scores, words=words, harder=harder or {})

    # --- what people decide --------------------------------------------------------------------------------------

    def annotate(self, state: pa.Table, *, entry: int | None = None) -> None:
        """Update the annotations from what stands about samples up to an `entry`, as `EventLog.state` gives it.

        Annotations are written into the samples, since a join at every read costs more.
        """
        with self._updating(state) as cursor:
            # Paths are looked up once: of millions that takes longer than all else.
            query = "SELECT i.*, s.id, s.excluded AS was FROM incoming i JOIN samples s USING (path)"
            rows = cursor.sql(query).to_arrow_table()
            if rows.num_rows:
                cursor.register("incoming", rows)
                cursor.execute(DECIDE)
        self.exclusions += not rows["was"].equals(rows["excluded"])
        if entry is not None:
            self.entry = entry

    def update_sets(self, members: Mapping[str, pa.Array | None]) -> None:
        """Update stored sets by name: the paths of each, None for one that is removed; other sets stay.

        Paths that the dataset does not have are ignored.
        """
        for name, paths in members.items():
            with self._updating(pa.table({"path": pa.array(paths or [], pa.string())})) as cursor:
                cursor.execute("DELETE FROM memberships WHERE name = ?", [name])
                cursor.execute("INSERT INTO memberships SELECT ?, id FROM incoming JOIN samples USING (path)", [name])
        removed = {name for name, paths in members.items() if paths is None}
        self.sets = tuple(sorted({*self.sets, *members} - removed))

    def mark_locked(self, paths: pa.Array, locked_by: int) -> None:
        """Lock the samples of these paths, and no others, by the event of a number."""
        within = [key for key in self.scores if SCORES[key].within_class]
        with self._updating(pa.table({"path": paths})) as cursor:
            cursor.execute("UPDATE kept SET locked = NOT locked WHERE locked != (path IN (FROM incoming))")
            create_names(cursor, list(self.classes), self.parents, self._bins, within)
        self.locked_by = locked_by
        self.exclusions += 1

    def update_votes(self, votes: pa.Table) -> None:
        """Update the HSF columns of some samples: `id` and `HSF_COLUMNS`; missing values become null."""
        changes = ", ".join(f"{name} = CAST(i.{name} AS {kind})" for name, kind in HSF_COLUMNS.items())
        with self._updating(votes) as cursor:
            cursor.execute(f"UPDATE kept SET {changes} FROM incoming i WHERE i.id = kept.id")

    @contextmanager
    def _updating(self, incoming: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of a transaction with a table `incoming`; one thread at a time."""
        with self._lock:
            cursor = self._cursor()
            cursor.register("incoming", incoming)
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("COMMIT")
            cursor.unregister("incoming")

    @property
    def key(self) -> str:
        """A text that changes with everything that a result over these samples depends on."""
        counted = ""
        if self.votes is not None:
            counted = self.votes.key
        state = [self.fingerprint, repr(self.edges), str(self.entry), str(self.exclusions), counted]
        return "\n".join([*self._files, *state])

    @property
    def version(self) -> str:
        """Short fingerprint of the samples and their classes, in addresses of images and in decisions of browsers."""
        return self.fingerprint[:12]

    @property
    def simulated(self) -> bool:
        """Whether the votes come from simulated annotators."""
        return bool(self.votes and self.votes.simulated)

    @property
    def set_sizes(self) -> dict[str, int]:
        """Number of samples in each stored set, by name."""
        return dict.fromkeys(self.sets, 0) | dict(self.query("SELECT name, count(*) FROM memberships GROUP BY name"))

    @property
    def decision_counts(self) -> tuple[int, int, int]:
        """How many samples are relabelled, excluded, and kept as they are by a tag: counted once after each event."""
        entry = self.entry
        if self._decision_counts[0] != entry:
            ((relabelled, excluded, kept),) = self.query(COUNT_DECIDED)
            self._decision_counts = entry, (relabelled, excluded, kept)
        return self._decision_counts[1]

    def edges_from(self, text: str, filters: Filters) -> tuple[float, ...]:
        """Return edges of HSF bins from text, as `votes.bins.edges_of` does: "q5" for five bins of about equally many
        of the samples that satisfy the filters.
        """
        return bins.edges_of(text, self.frame(filters, columns=["hsf"])["hsf"].to_numpy(float))

    def sets_of(self, id: int) -> list[str]:
        """Return the names of the stored sets that a sample is in."""
        return [name for (name,) in self.query("SELECT name FROM memberships WHERE id = ? ORDER BY name", [id])]


def check_scores(samples: SampleTable, keys: Sequence[str]) -> None:
    """Refuse scores that the samples do not have, and an empty list, with the reason."""
    missing = [key for key in keys if key not in samples.scores]
    if trained := [key for key in missing if key in SCORES and SCORES[key].training]:
        raise CurateError(
            f"{', '.join(trained)} need a recorded training, and this run has none.",
            fix=f"{Run('train', 'NAME', model='MODEL')}, or choose the run of a training with {Option('model')}",
        )
    if missing or not keys:
        raise CurateError(f"Unknown score {', '.join(missing)}. Choose from {', '.join(samples.scores)}.")

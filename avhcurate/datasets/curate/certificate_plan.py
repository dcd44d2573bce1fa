"""What is planned for a certificate, on the disk: the labels that it is about, in the order of the draw."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.folders import ResultFolder
from avhcurate.workspace.disk.provenance import Provenance


class CertificateRecord(Provenance):
    """What was planned, `certificate.json`.

    `at_most` of the labels may be wrong, by a confidence. `population` labels satisfied `where` after the entry `entry`
    of the history and with the classes of a `version`, `reviewed` of them decided by people (`deciders`) and `changed`
    before. `plan.parquet` has them in the order by `seed`, of which the first `drawn` may be seen; `renewals` are paths
    of others, whose labels changed since.
    """

    name: str
    at_most: float
    confidence: float
    where: str
    seed: int
    entry: int
    population: int
    reviewed: int
    changed: int
    version: str
    deciders: list[str]
    drawn: int = 0
    renewals: list[str] = Field(default_factory=list)

    @property
    def rest(self) -> int:
        """How many labels nobody has decided, of which looks are drawn."""
        return self.population - self.reviewed

    @property
    def alpha(self) -> float:
        return 1 - self.confidence


class CertificateFolder(ResultFolder[CertificateRecord]):
    """One folder in `DATASET/certificates/`: `plan.parquet`, then `certificate.json`."""

    HOME = "certificates"
    FILE = "certificate.json"
    TABLE = "plan.parquet"
    KIND = CertificateRecord
    WHAT = "certificate"
    AGAIN = "remove the folder and plan it again"

    @property
    def plan_path(self) -> Path:
        return self.root / self.TABLE

    def plan(self, rows: int | None = None) -> pa.Table:
        """Return `path, label` (the name of the class) of the first `rows` labels that are planned, or of all: those
        in the order of the draw come first, those that a person has decided last.
        """
        with pq.ParquetFile(self.plan_path) as file:
            if rows is None:
                return file.read()
            groups = [file.schema_arrow.empty_table()]
            for number in range(file.num_row_groups):
                if sum(map(len, groups)) < rows:
                    groups.append(file.read_row_group(number))
        return pa.concat_tables(groups).slice(0, rows)


def newest_certificate(dataset: DatasetFolder) -> CertificateFolder | None:
    """Return the certificate that was planned last, None before any."""
    return next(reversed([folder for folder in CertificateFolder.all_of(dataset) if folder.complete]), None)

"""The record of a dataset, and that of its votes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from avhcurate.workspace.data.class_changes import ClassChanges
from avhcurate.workspace.disk.provenance import StoredRecord, now, versions

#: Which end of a column means a harder sample.
Harder = Literal["high", "low"]


class VotesRecord(BaseModel):
    """The record of a dataset's human votes."""

    kind: Literal["k-way", "tick"]
    simulated: bool = False
    source: str
    #: answers given, all samples together
    total: int
    #: samples that have at least one answer
    samples: int
    fingerprint: str
    note: str = ""
    #: notices about reading them: rows left out, names not found
    messages: list[str] = Field(default_factory=list)
    #: the classes of the columns of counts, and parents, where people had changed those of the import
    classes: list[str] = Field(default_factory=list)

    @property
    def key(self) -> str:
        """Changes with the votes and with whether they are simulated; results are kept by it."""
        return f"{self.fingerprint} {self.simulated}"


class DatasetRecord(StoredRecord):
    """The record of a dataset, `dataset.json`; written last, so that a dataset is whole or absent."""

    name: str
    #: names before renamings, by which it is still found
    former_names: list[str] = Field(default_factory=list)
    source: str
    kind: Literal["folder", "manifest", "parquet", "list", "webdataset"]
    classes: list[str]
    #: False where labels are bare integers, so that more classes may exist than were seen
    classes_declared: bool
    samples: int
    fingerprint: str
    #: column of the source that names the images or holds their bytes; None for a folder
    image_column: str | None = None
    #: files or rows of the source that are not samples
    skipped: int = 0
    #: notices about reading the source
    messages: list[str] = Field(default_factory=list)
    votes: VotesRecord | None = None
    #: the run that a person chose to be opened unless another is named; "" for the first that was finished
    default_run: str = ""
    #: which end of a column of the user's means harder, as a person has said
    harder: dict[str, Harder] = Field(default_factory=dict)
    #: whether people have ever changed the classes, so that the log is asked for what stands
    classes_changed: bool = False
    #: what stands of it; then `classes` are those of today, `imported_classes` those of the import
    changes: ClassChanges | None = Field(default=None, exclude=True)
    imported_classes: list[str] = Field(default_factory=list, exclude=True)
    created: datetime = Field(default_factory=lambda: now().replace(microsecond=0))
    versions: dict[str, str] = Field(default_factory=lambda: versions("pyarrow", "pillow"))

    @property
    def version(self) -> str:
        """The fingerprint of the import, or another one once its classes have changed."""
        if not self.changes:
            return self.fingerprint
        return self.changes.version(self.fingerprint)

    def parents_of(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Return the parent of each class, () where people gave none any."""
        if self.changes is None:
            return ()
        return self.changes.parents_of(classes)

    @property
    def labels_by(self) -> str:
        """By which rule and how many votes its images were labelled, as "majority of 300"; "" for labels that came."""
        if self.changes is None:
            return ""
        return self.changes.labels_by

    @property
    def answers(self) -> list[str]:
        """What a vote may be for: the classes, then the parents that are no classes."""
        return list(dict.fromkeys([*self.classes, *self.parents_of(self.classes)]))

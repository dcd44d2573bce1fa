"""The outputs of a network that a user attaches: found in files, checked against a dataset, their rows unread."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from avhcurate.datasets.sources.output_rows import ids_of_rows
from avhcurate.errors import CurateError, Option
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import AttachedFile
from avhcurate.workspace.disk.arrays import ArrayInFile, open_array
from avhcurate.workspace.disk.budget import check_budget
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import sha256, user_path

Role = Literal["features", "class_weights", "bias", "logits", "probs"]

#: Names that arrays usually have in a file that holds several.
NAMES: dict[Role, tuple[str, ...]] = {
    "features": ("features", "embeddings", "embedding", "feature", "emb"),
    "class_weights": ("class_weights", "weight", "weights", "fc.weight", "head.weight", "classifier.weight", "coef_"),
    "bias": ("bias", "biases", "fc.bias", "head.bias", "classifier.bias", "intercept_"),
    "logits": ("logits", "logit"),
    "probs": ("pred_probs", "probs", "probabilities", "prob"),
}
#: Numbers read at a time.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class OutputArray:
    """One array, with the id of the sample that each row is about, (rows,), -1 for none.

    `ids` is None for class weights and bias.
    """

    role: Role
    array: ArrayInFile
    ids: np.ndarray | None

    def read_finite(self) -> np.ndarray:
        """Return a small array as float32; one that holds NaN or infinity is refused."""
        whole = self.array.read().astype(np.float32)
        self._refuse(~np.isfinite(whole.reshape(len(whole), -1)).all(axis=1), "holds NaN or infinity")
        return whole

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Yield ids and rows that are about a sample, block by block, checked, and how many rows were read before."""
        assert self.ids is not None
        start = 0
        for block in self.array.blocks(max(1, _BLOCK // self.array.shape[1])):
            ids = self.ids[start : start + len(block)]
            self._check(block, start, ids >= 0)
            yield ids[ids >= 0], block[ids >= 0], start
            start += len(block)

    def _check(self, block: np.ndarray, start: int, used: np.ndarray) -> None:
        """Refuse used rows that are not finite, or are not what they are said to be, naming the first."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = block.astype(np.float32, copy=False).sum(axis=1, dtype=np.float64)
        self._refuse(used & ~np.isfinite(sums), "holds NaN or infinity", start)
        unlike = (block.min(axis=1) < -1e-2) | (np.abs(sums - 1) > 1e-2)
        if self.role == "probs":
            problem = (
                f"is not a row of probabilities, which are at least 0 and sum to 1. Give logits as {Option('logits')}"
            )
            self._refuse(used & unlike, problem, start)
        if self.role == "logits" and used.sum() > 1 and not unlike[used].any():
            raise CurateError(
                f"{self.array.title} holds probabilities, whose rows sum to 1.", fix=f"Give it as {Option('probs')}"
            )

    def _refuse(self, bad: np.ndarray | np.bool, problem: str, start: int = 0) -> None:
        if bad.any():
            raise CurateError(f"Row {start + bad.argmax()} of {self.array.title} {problem}.")


@dataclass(frozen=True)
class Outputs:
    """Arrays by role that fit each other and the dataset.

    labels (N,): of the dataset. files: what they were read from. notes: what to tell the user.
    """

    arrays: dict[Role, OutputArray]
    num_classes: int
    labels: np.ndarray
    files: list[AttachedFile]
    notes: list[str]

    @classmethod
    def of(cls, dataset: DatasetFolder, settings: AttachSettings) -> "Outputs":
        """Return the outputs that the settings name; refuse what does not fit."""
        labels = dataset.labels()
        notes = list[str]()
        arrays = {role: _open(role, text) for role in NAMES if (text := getattr(settings, role).strip())}
        num_classes = _num_classes(dataset, arrays, labels)
        outputs = dict[Role, OutputArray]()
        for role, one in arrays.items():
            ids = None
            if role not in ("class_weights", "bias"):
                ids = ids_of_rows(dataset, one, settings.by, settings.rows)
                if left := int((ids < 0).sum()):
                    notes.append(f"{left} rows of {one.title} name no sample, first {ids.argmin()}: left out")
            outputs[role] = OutputArray(role, one, ids)
        files = [
            AttachedFile(role=role, source=str(one.path.absolute().parent / one.title), sha256=sha256(one.path))
            for role, one in arrays.items()
        ]
        if settings.rows and settings.by != "order":
            rows = user_path(settings.rows)
            files.append(AttachedFile(role="rows", source=str(rows.absolute()), sha256=sha256(rows)))
        return cls(outputs, num_classes, labels, files, notes)

    @property
    def by_sample(self) -> list[OutputArray]:
        """Those with a row a sample."""
        return [one for one in self.arrays.values() if one.ids is not None]

    @property
    def width(self) -> int:
        """D, 0 without features."""
        if "features" in self.arrays:
            return self.arrays["features"].array.shape[1]
        return 0

    @property
    def predicted(self) -> Literal["logits", "prototypes", "nothing"]:
        """What tells the predicted class."""
        if {"class_weights", "logits", "probs"} & self.arrays.keys():
            return "logits"
        if (self.labels >= 0).any():
            return "prototypes"
        return "nothing"


def _open(role: Role, text: str) -> ArrayInFile:
    """Return the array that a user names as FILE or FILE:NAME."""
    place, _, member = text.rpartition(":")
    if user_path(text).is_file():
        return open_array(user_path(text), names=NAMES[role])
    if place and user_path(place).is_file():
        return open_array(user_path(place), member=member)
    raise CurateError(f"{text} is not a file. Give FILE or FILE:NAME of .npy, .npz, safetensors or Parquet.")


def _num_classes(dataset: DatasetFolder, arrays: dict[Role, ArrayInFile], labels: np.ndarray) -> int:
    """Return K of the arrays, else of the dataset; check class weights (K, D), features (N, D) and the others."""
    counts = set[int]()
    needed = max(len(dataset.record.classes), int(labels.max(initial=-1)) + 1)
    for role, one in arrays.items():
        sides = 2 - (role == "bias")
        if len(one.shape) != sides or not all(one.shape):
            raise CurateError(f"{one.title} has the shape {one.shape}, and {role} needs {sides} dimension(s).")
        if role != "features":
            counts.add(one.shape[int(role in ("logits", "probs"))])
    shapes = {one.title: one.shape for one in arrays.values()}
    if "class_weights" in arrays and arrays["class_weights"].shape[1] != arrays["features"].shape[1]:
        raise CurateError(f"The shapes {shapes} do not fit. Give class weights (K, D) for features (N, D).")
    if len(counts) > 1:
        raise CurateError(f"The shapes {shapes} have different numbers of classes. Give outputs of one network.")
    for count in counts:
        if count < needed or (dataset.record.classes_declared and count > needed > 0):
            raise CurateError(
                f"The arrays have {count} classes and dataset {dataset.name!r} has {needed} "
                f"({listed(dataset.record.classes, 5)}). Give one for each, in this order."
            )
        needed = count
    if "features" in arrays:
        one = arrays["features"]
        check_budget(one.path, needed * one.shape[1] * 8, f"The prototypes of the classes by {one.title}")
    return needed

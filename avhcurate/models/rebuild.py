"""The network of a run, rebuilt from what its record says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from avhcurate.errors import CurateError
from avhcurate.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.models.preprocess import Preprocess


class NetworkRecord(Protocol):
    """What a run's record says of its network."""

    name: str
    model: str
    head: str
    weights_sha256: str
    weights_source: str
    preprocess: dict[str, Any]
    num_classes: int
    seed: int


def preprocess_of(record: Mapping[str, Any]) -> Preprocess:
    """The preprocessing that a record keeps as JSON."""
    return Preprocess(**{**record, "mean": tuple(record["mean"]), "std": tuple(record["std"])})


def rebuild_model(record: NetworkRecord, weights: Literal["random"] | Path | None) -> LoadedModel:
    """The network of a run; refused unless weights, head and preprocessing are the run's."""
    preprocess = preprocess_of(record.preprocess)
    if weights is None and record.weights_source == "random":
        weights = "random"
    spec = ModelSpec(
        name=record.model,
        weights=weights,
        resize=preprocess.resize,
        crop=preprocess.crop,
        mean=preprocess.mean,
        std=preprocess.std,
        seed=record.seed,
    )
    try:
        loaded = load_model(spec, num_classes=record.num_classes)
        found = loaded.head_name == record.head
    except CurateError:
        found = False
    if not found:
        loaded = _with_head(spec, record)
    if loaded.weights_sha256 != record.weights_sha256:
        raise CurateError(
            f"these weights ({loaded.weights_source}, SHA-256 {loaded.weights_sha256[:12]}) are not those of run "
            f"{record.name} ({record.weights_source}, {record.weights_sha256[:12]}): give that run's file by "
            "--weights, or score the dataset with these first"
        )
    if loaded.preprocess != preprocess:
        raise CurateError(
            f"run {record.name} was made by a version of the program that prepared images otherwise: score it again"
        )
    return loaded


def _with_head(spec: ModelSpec, record: NetworkRecord) -> LoadedModel:
    """The network with the last layer that the record names; an error says where the run's weights came from."""
    try:
        return load_model(spec.model_copy(update={"head": record.head}), num_classes=record.num_classes)
    except CurateError as error:
        if isinstance(spec.weights, Path):
            raise
        raise CurateError(f"{error}. Run {record.name} took its weights from {record.weights_source}") from error

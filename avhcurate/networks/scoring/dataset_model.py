"""The model of a run: one whose classes are the dataset's, or some of whose rows are, or whose heads will be fitted.

It is rebuilt from the record of a run, and refused where it is another.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from avhcurate.errors import CurateError, Option, Text
from avhcurate.networks.models.class_names import rows_of_classes, unknown_classes
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, OtherClasses, find_architecture, load_model
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.scoring.fitted_heads import check_fit
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import FittedHeads, PromptsRecord, RunRecord
from avhcurate.workspace.data.runs import RunFolder


def model_for(
    dataset: DatasetFolder,
    spec: ModelSpec,
    labels: np.ndarray,
    *,
    fit: FittedHeads | None = None,
    classes_from_model: bool = False,
) -> tuple[LoadedModel, list[int] | None]:
    """Return the model for a dataset, and the rows of its head where only some are taken.

    Unless heads are fitted or rows taken by name, its classes must be the dataset's, or hold all labels where these
    are not declared; where its weights name the same classes in another order, rows are taken too.
    """
    record = dataset.record
    declared = None
    changes = dict[str, Any]()
    if fit is not None:
        check_fit(dataset, fit)
        changes["features_only"] = True
    elif record.classes_declared and record.classes and not classes_from_model:
        declared = len(record.classes)
    if spec.zero_shot and not spec.class_names and not classes_from_model:
        changes["class_names"] = tuple(record.classes)
        if fit is None and (declared or 0) < 2:
            raise CurateError(
                f"Dataset {dataset.name!r} has no class names, which a zero-shot model needs.",
                fix=f"Give them in order by {Option('classes', 'cat,dog')} or a file with a name a line",
            )
    try:
        model = load_model(spec.model_copy(update=changes), num_classes=declared)
    except OtherClasses as error:
        names = find_architecture(spec.model).classes
        if not names or unknown_classes(record.classes, names):
            raise
        ways = Text(
            error.fix, f". Or take the model's own rows of these classes by {Option('classes_from_model', True)}"
        )
        raise OtherClasses(error.what, fix=ways) from error
    if fit is not None:
        return model, None
    if not classes_from_model:
        _refuse_too_few(dataset, model, labels)
        names = model.classes or ()
        if not declared or set(names) != set(record.classes) or list(names) == record.classes:
            return model, None
    rows = rows_of_classes(record.classes, model.classes, model=model.name)
    return replace(model, class_weights=model.class_weights[rows], bias=model.bias[rows]), rows


def _refuse_too_few(dataset: DatasetFolder, model: LoadedModel, labels: np.ndarray) -> None:
    """Refuse a model with fewer classes than labels have."""
    num_classes = len(model.class_weights)
    if labels.max() >= num_classes:
        raise CurateError(
            f"Dataset {dataset.name!r} has labels up to {labels.max()}, and {model.name} has {num_classes} classes.",
            fix=f"Fit a head by {Option('head', 'fit')}, or give a model of at least {labels.max() + 1} classes",
        )


def before_edit(dataset: DatasetFolder, record: RunRecord) -> str:
    """Return the newest run by what the network of a run was before its code was edited; "" where there is none."""
    for other in reversed(dataset.runs()):
        theirs = other.record
        same = (theirs.model, theirs.weights_sha256) == (record.model, record.weights_sha256)
        if same and theirs.code != record.code:
            return other.name
    return ""


def _refuse_without_network(record: RunRecord) -> None:
    """Refuse a run whose outputs came from elsewhere, or from networks that are gone."""
    if record.attached is not None:
        raise CurateError(
            f"Run {record.name} was attached from outputs computed elsewhere and has no network. Score the dataset "
            "with a model first."
        )
    if record.fitted and record.fitted.networks:
        raise CurateError(
            f"Run {record.name} is of {record.fitted.folds} networks, which are not kept. Choose a run of one network."
        )


def rebuild_model(run: RunFolder, weights: Literal["random"] | Path | None) -> LoadedModel:
    """Return the network of a run; refused unless weights, head and preprocessing are the run's.

    Where the run fitted heads, or took some rows of the model's, it has the run's class weights and bias.
    """
    record = run.record
    _refuse_without_network(record)
    preprocess = Preprocess.from_record(record.preprocess)
    prompts = record.prompts or PromptsRecord(templates=(), names=())
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
        prompts=prompts.templates,
        class_names=prompts.names,
        features_only=record.fitted is not None,
    )
    own_classes = record.fitted is None and record.rows is None
    num_classes = record.num_classes if own_classes else None
    try:
        loaded = load_model(spec, num_classes=num_classes)
        same_head = loaded.head_name == record.head
    except CurateError:
        same_head = False
    if not same_head:
        loaded = _with_head(spec, record, num_classes)
    if loaded.weights_sha256 != record.weights_sha256:
        raise CurateError(
            f"These weights ({loaded.weights_source}, SHA-256 {loaded.weights_sha256[:12]}) are not those of run "
            f"{record.name} ({record.weights_source}, {record.weights_sha256[:12]}).",
            fix=f"Give the file of that run by {Option('weights')}, or score the dataset with these first",
        )
    # Older records do not note it.
    if record.code not in (None, loaded.code):
        raise CurateError(f"{record.model} was edited after run {record.name}. Score the dataset again.")
    # An older run decoded each JPEG whole, and what repeats it does so too.
    loaded = replace(loaded, preprocess=replace(loaded.preprocess, draft=preprocess.draft))
    if loaded.preprocess != preprocess:
        raise CurateError(f"Run {record.name} was made by a version that prepared images otherwise. Score it again.")
    if own_classes:
        return loaded
    class_weights, bias = run.head()
    return replace(loaded, class_weights=class_weights, bias=bias)


def _with_head(spec: ModelSpec, record: RunRecord, num_classes: int | None) -> LoadedModel:
    """Return the network with the last layer that the record names; an error says where the run's weights came from."""
    try:
        return load_model(spec.model_copy(update={"head": record.head or None}), num_classes=num_classes)
    except CurateError as error:
        if isinstance(spec.weights, Path):
            raise
        source = f" Run {record.name} took its weights from {record.weights_source}."
        raise CurateError(Text(error.what, source), fix=error.fix) from error

"""The model that scores a dataset: its classes are the dataset's, or some of its rows are, or heads will be fitted."""

from dataclasses import replace
from typing import Any

import numpy as np

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.class_names import rows_of_classes, unknown_classes
from avhcurate.networks.models.families import find_architecture
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, OtherClasses, load_model
from avhcurate.networks.scoring.fitted_heads import check_fit
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import FittedHeads


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
    if spec.zero_shot and not spec.class_names:
        changes["class_names"] = tuple(record.classes)
    if fit is not None:
        check_fit(dataset, fit)
        changes["features_only"] = True
    elif classes_from_model:
        changes = {}
    elif record.classes_declared and record.classes:
        declared = len(record.classes)
    if changes and fit is None and (declared or 0) < 2:
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
        raise OtherClasses(
            f"{error.text} Or take the model's own rows of these classes by {Option('classes_from_model', True)}."
        ) from error
    if fit is not None:
        return model, None
    if not classes_from_model:
        num_classes = len(model.class_weights)
        if labels.max() >= num_classes:
            raise CurateError(
                f"Dataset {dataset.name!r} has labels up to {labels.max()}, and {model.name} has {num_classes} "
                "classes.",
                fix=f"Fit a head by {Option('head', 'fit')}, or give a model of at least {labels.max() + 1} classes",
            )
        names = model.classes or ()
        if not declared or set(names) != set(record.classes) or list(names) == record.classes:
            return model, None
    rows = rows_of_classes(record.classes, model.classes, model=model.name)
    return replace(model, class_weights=model.class_weights[rows], bias=model.bias[rows]), rows

"""Two runs by the same network, one for each of two datasets; a missing run is scored first."""

from pathlib import Path
from typing import Literal

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Progress
from avhcurate.errors import CurateError


def paired_runs(
    workspace: Workspace,
    names: tuple[str, str],
    *,
    model: str | None,
    weights: Path | Literal["random"] | None,
    device: str,
    precision: str,
    progress: Progress,
) -> tuple[RunFolder, RunFolder]:
    """Complete runs over all samples of both datasets, by the same weights, head, preprocessing and precision.

    model: as for scoring, or the name of a run of the second; None for the newest that scored both. Without `weights`
    runs of that model that are there are taken; else, and where one is missing, both are scored, which resumes and
    does nothing where all is done. Raises CurateError when there is neither a pair nor a model to score with.
    """
    first, second = (workspace.dataset(name) for name in names)
    if weights is None and (pair := known_runs(first, second, model, precision)):
        return pair
    if model is None:
        raise CurateError(
            f"no model has scored both {first.name!r} and {second.name!r}: name one by --model, and what is missing is "
            "scored first"
        )
    from avhcurate.models.loading import ModelSpec
    from avhcurate.scoring.service import score_dataset

    def scored(name: str) -> RunFolder:
        return score_dataset(
            workspace,
            name,
            ModelSpec(name=model, weights=weights),
            device=device,
            precision=precision,
            progress=progress.through(lambda done, total, _: progress.report(done, total, f"scoring {name}")),
        )

    return scored(first.name), scored(second.name)


def network_of(run: RunFolder) -> tuple[object, ...]:
    """What two runs must share for their features to compare."""
    record = run.record
    return record.weights_sha256, record.head, record.preprocess, record.precision, record.width


def known_runs(
    first: DatasetFolder, second: DatasetFolder, model: str | None, precision: str
) -> tuple[RunFolder, RunFolder] | None:
    """The newest complete runs of both over all samples, by one network of the wanted model and precision.

    None where there are none.
    """
    whole = [
        [run for run in reversed(one.runs()) if run.complete and run.record.limit is None] for one in (first, second)
    ]
    for run in whole[1]:
        named = model in (None, run.name, run.record.model)
        if not named or (model and precision not in ("auto", run.record.precision)):
            continue
        if other := next((other for other in whole[0] if network_of(other) == network_of(run)), None):
            return other, run
    return None

"""Opens what a verb works on: the workspace, a table with a run, samples, a job, the place of the work."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from avhcurate.cli.call import CALL, USED_RUN
from avhcurate.cli.printing import print_messages, print_next
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.datasets.table.open_dataset import OpenDataset
    from avhcurate.networks.scoring.shards import Engine
    from avhcurate.workspace.data.datasets import DatasetFolder
    from avhcurate.workspace.data.settings import VerbSettings
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import Progress


def open_workspace() -> "Workspace":
    """Open the workspace of --workspace, of AVHCURATE_WORKSPACE, or ./workspace."""
    from avhcurate.workspace.data.workspace import find_workspace

    return find_workspace(CALL.get().workspace)


def run_table(name: str, model: str | None = None, *, edges: tuple[float, ...] | None = None) -> "OpenDataset":
    """Return the table of a dataset with the scores of a run, by default its default one."""
    from avhcurate.datasets.table.open_dataset import open_dataset

    opened = open_dataset(open_workspace(), name, model, edges=edges)
    if opened.run:
        USED_RUN.set(opened.run.name)
    return opened


def job(settings: "VerbSettings") -> "AbstractContextManager[Progress]":
    """Run the block as the workspace's job."""
    from avhcurate.workspace.data import background

    return background.job(open_workspace().root, settings)


def started_job() -> "AbstractContextManager[Progress]":
    """Run the block as the job that the app has started this process for; from a shell it is not a job."""
    from avhcurate.workspace.data import background

    return background.run_started(open_workspace().root)


@contextmanager
def engine(name: Literal["local", "ray"], needs: str) -> "Iterator[Engine]":
    """Open where the work of the block is done: this process, or the Ray cluster of RAY_ADDRESS.

    The module `needs` is imported where the work is done, while the block begins.
    """
    if name == "ray":
        from avhcurate.networks.scoring.ray_engine import ray_engine

        with ray_engine(None, needs=needs) as cluster:
            yield cluster
        return
    from avhcurate.networks.scoring.shards import LOCAL

    yield LOCAL


def distributed_job(settings: "VerbSettings", work: "Callable[[Progress], Sequence[Any]]") -> Sequence[Any]:
    """Return the result of `work` as a job. In `torchrun` only the first process reports; the others return nothing."""
    from avhcurate.workspace.disk.jobs import SILENT, Cancelled

    if int(os.environ.get("RANK", "0")):
        try:
            work(SILENT)
        except (Cancelled, CurateError):
            raise SystemExit(130) from None  # the first process says why
        return []
    with job(settings) as progress:
        return work(progress)


def samples(dataset: "DatasetFolder", ids: str | None, where: str, *, excluded: bool = False) -> "list[int] | Filters":
    """Return the samples that a call names: by --ids, numbers or a file that lists samples, or by --where."""
    from avhcurate.datasets.curate.saved import listed_ids
    from avhcurate.datasets.table.filters import Filters

    if (ids is None) == (not where):
        raise CurateError("Name the images by either --ids LIST or --where CONDITION.")
    if ids is None:
        return Filters(where=where, excluded=excluded)
    try:
        return [int(part) for part in ids.split(",")]
    except ValueError:
        if not os.path.isfile(ids):
            raise CurateError(f"--ids must be whole numbers, as 3,17,20, or a file, not {ids!r}.") from None
    listed, unknown = listed_ids(dataset, Path(ids).read_bytes())
    if unknown:
        print_messages([f"{len(unknown)} entries of {ids} are not in {dataset.name}, as {unknown[0]}: left out"])
    return listed


def print_next_of_run(name: str) -> None:
    """Print what works with the default run of a dataset: correlate with attached votes, else suspects; and the app."""
    dataset = open_workspace().dataset(name)
    run = dataset.default_run
    verbs = [["serve"]]
    if (dataset.labels() >= 0).any():
        if dataset.record.votes:
            verbs.insert(0, ["correlate", name])
        elif run is not None and run.has_features and run.has_class_weights:
            verbs.insert(0, ["suspects", name])
    print_next(verbs)

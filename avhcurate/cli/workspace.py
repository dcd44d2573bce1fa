"""Verbs about the workspace itself: list, remove, rename, jobs."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.data.inventory import DatasetSummary
    from avhcurate.disk.jobs import JobRecord


@options.app.command("list")
def list_(workspace: options.WorkspaceOption = None, as_json: options.JsonOption = False) -> None:
    """Datasets with their runs, trainings and self-trainings: samples, accuracy, size on the disk."""
    from dataclasses import asdict

    from avhcurate.data.inventory import inventory
    from avhcurate.table.renaming import finish_renaming

    space = options.open_workspace(workspace)
    finish_renaming(space)
    datasets = inventory(space)
    if as_json:
        options.print_json({"workspace": str(space.root), "datasets": [asdict(one) for one in datasets]})
        return
    for dataset in datasets:
        _print_summary(dataset)
    if not datasets:
        print(f"{space.root} holds no dataset: run `avhcurate demo` or `avhcurate import NAME SOURCE`")


def _print_summary(dataset: "DatasetSummary") -> None:
    if dataset.problem:
        print(f"{dataset.name}  {size_text(dataset.size)}  damaged: {dataset.problem}")
        return
    unlabelled = dataset.samples - dataset.labelled
    facts = [f"{dataset.samples:,} samples", f"{dataset.classes:,} classes"]
    facts += [f"{unlabelled:,} without a label"] if unlabelled else []
    facts += [f"{dataset.votes:,} {'simulated' if dataset.simulated else 'human'} votes"] if dataset.votes else []
    print(f"{dataset.name}  {', '.join(facts)}, {size_text(dataset.size)}")
    for result in dataset.results:
        state = "" if result.complete else "  unfinished"
        accuracy = "" if result.accuracy is None else f"  accuracy {result.accuracy:.4f} of {result.n:,}"
        problem = f"  damaged: {result.problem}" if result.problem else ""
        print(f"  {result.kind:<13} {result.name}{accuracy}  {size_text(result.size)}{problem or state}")


def size_text(bytes: int) -> str:
    """
    >>> size_text(950), size_text(1_234_000), size_text(5_600_000_000)
    ('1 kB', '1.2 MB', '5.6 GB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if bytes >= scale:
            return f"{bytes / scale:.1f} {unit}"
    return f"{bytes / 1e3:.0f} kB"


@options.app.command()
def remove(
    name: options.NameArgument,
    run: Annotated[str | None, typer.Option(help="Remove this run alone, by its name or its model's.")] = None,
    training: Annotated[str | None, typer.Option(help="Remove this training alone.")] = None,
    self_training: Annotated[str | None, typer.Option(help="Remove this self-training alone.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Remove a dataset from the workspace, with what people decided about it; your own files stay."""
    from dataclasses import asdict

    from avhcurate.table import removal

    space = options.open_workspace(workspace)
    given: dict[removal.Kind, str | None] = {"run": run, "training": training, "self-training": self_training}
    results = [(kind, which) for kind, which in given.items() if which is not None]
    if len(results) > 1:
        raise CurateError(f"{' and '.join(f'--{kind}' for kind, _ in results)}: give one of them")
    for kind, which in results:
        found = removal.find_result(space.dataset(name), kind, which)
        _confirm(f"Remove {kind} {found.name} of {name}?", yes)
        folder = removal.remove_result(space, name, kind, which)
        _print_done({"removed": folder.name, "dataset": name}, f"{folder.name} of {name} is removed", as_json)
        return
    work = removal.people_work(space, name)
    _confirm(f"Remove dataset {name}, its runs and trainings? With it go {work}; the files imported stay.", yes)
    removal.remove_dataset(space, name)
    _print_done({"removed": name, "with": asdict(work)}, f"{name} is removed, and with it {work}", as_json)


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CurateError(f"{question} Give --yes to do it")
    if not typer.confirm(question, err=True):
        raise CurateError("nothing was removed")


def _print_done(result: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        options.print_json(result)
    else:
        print(text)


@options.app.command()
def rename(
    name: options.NameArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Rename a dataset; its votes, decisions, sets, runs, trainings and jobs stay with it."""
    from avhcurate.table.renaming import rename_dataset

    rename_dataset(options.open_workspace(workspace), name, new)
    _print_done({"name": new, "was": name}, f"{name} is called {new} now", as_json)


@options.app.command()
def jobs(
    cancel: Annotated[str | None, typer.Option(help="Ask this job to stop: its id, or `running`.")] = None,
    limit: Annotated[int, typer.Option(help="How many jobs, newest first.", min=1, max=options.MOST_ENTRIES)] = 20,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Long work: what runs, how far it is and how it ended; cancel it."""
    from itertools import islice

    from avhcurate.data import background
    from avhcurate.disk.jobs import Jobs

    space = options.open_workspace(workspace)
    all_jobs = Jobs(space.root)
    if cancel is not None:
        job = _running(list(all_jobs.all()), cancel)
        background.cancel(space.root, job.id)
        _print_done(
            {"cancelled": job.id}, f"{job.verb} {job.dataset} is asked to stop: the same command resumes", as_json
        )
        return
    records = list(islice(all_jobs.all(), limit))
    if as_json:
        options.print_json({"jobs": [record.model_dump(mode="json") for record in records]})
        return
    for record in records:
        share = f"{record.done} of {record.total}" if record.total else ""
        left = f"{record.eta_s:.0f} s left" if record.active and record.eta_s is not None else ""
        told = ", ".join(filter(None, (f"by {record.who}" if record.who else "", share, left, record.message)))
        print(f"{record.id}  {record.dataset}  {record.state}{f'  {told}' if told else ''}")
    if not records:
        print("no job has run here")


def _running(records: list["JobRecord"], which: str) -> "JobRecord":
    """The job to cancel; one that has ended is refused."""
    found = next((job for job in records if job.id == which or (which == "running" and job.active)), None)
    if found is None:
        raise CurateError(
            "no job is running" if which == "running" else f"no job is called {which}: see `avhcurate jobs`"
        )
    if not found.active:
        raise CurateError(f"job {which} has ended ({found.state})")
    return found

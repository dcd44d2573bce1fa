"""Verbs about the workspace and what it holds: list, remove, check, rename, default, jobs, report."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avhcurate.cli import completion, options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.workspace.disk.job_record import JobRecord
    from avhcurate.workspace.disk.jobs import Jobs


@options.verb(name="list", table=True)
def list_() -> None:
    """Datasets with their runs, trainings and self-trainings: images, accuracy, size on the disk."""
    from avhcurate.workspace.data.inventory import inventory

    space = options.open_workspace()
    datasets = inventory(space)
    if options.printed({"workspace": str(space.root), "datasets": datasets}, datasets):
        return
    for dataset in datasets:
        _print_summary(dataset)
    if not datasets:
        print(f"{space.root} holds no dataset. Run `avhcurate demo` or `avhcurate import NAME SOURCE`.")


def _print_summary(dataset: dict[str, Any]) -> None:
    size = size_text(dataset["size"])
    if dataset["problem"]:
        print(f"{dataset['name']}  {size}  damaged: {dataset['problem']}")
        return
    votes = "human votes"
    if dataset["simulated"]:
        votes = "simulated votes"
    print(
        "{name}  {samples:,} images, {labelled:,} with a label, {classes:,} classes, {votes:,} ".format(**dataset)
        + f"{votes}, {size}"
    )
    for result in dataset["results"]:
        facts = [f"  {result['kind']:<13} {result['name']}"]
        if result["accuracy"] is not None:
            facts.append(f"accuracy {result['accuracy']:.4f} of {result['n']:,}")
        facts.append(size_text(result["size"]))
        if result.get("default"):
            facts.append("default")
        if result["problem"]:
            facts.append(f"damaged: {result['problem']}")
        elif not result["complete"]:
            facts.append("unfinished")
        print("  ".join(facts))


def size_text(bytes: int) -> str:
    """
    >>> size_text(950), size_text(1_234_000), size_text(5_600_000_000)
    ('1 kB', '1.2 MB', '5.6 GB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if bytes >= scale:
            return f"{bytes / scale:.1f} {unit}"
    return f"{bytes / 1e3:.0f} kB"


@options.verb()
def remove(
    name: options.NameArgument,
    run: Annotated[str | None, typer.Option(help="Remove only this run.", autocompletion=completion.of("run"))] = None,
    training: Annotated[str | None, typer.Option(help="Remove only this training.")] = None,
    self_training: Annotated[str | None, typer.Option(help="Remove only this self-training.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a dataset from the workspace, with what people decided about it; your own files stay."""
    from avhcurate.datasets.table import removal

    space = options.open_workspace()
    options_of_results: dict[removal.Kind, str | None] = {
        "run": run,
        "training": training,
        "self-training": self_training,
    }
    results = {kind: result for kind, result in options_of_results.items() if result is not None}
    if len(results) > 1:
        raise CurateError(f"--{' and --'.join(results)} cannot be given together. Give one of them.")
    for kind, result in results.items():
        folder = removal.find_result(space.dataset(name), kind, result)
        _confirm(f"Remove {kind} {folder.name} of {name}?", yes)
        removal.remove_result(space, name, kind, result)
        options.print_result({"removed": folder.name, "dataset": name}, f"{folder.name} of {name} is removed")
        return
    counts = removal.people_work(space, name)
    work = ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) or "nothing that people wrote"
    _confirm(f"Remove dataset {name}, its runs and trainings, and {work}? The files that were imported stay.", yes)
    removal.remove_dataset(space, name)
    options.print_result({"removed": name, "with": counts}, f"{name} is removed, with {work}")


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CurateError(f"{question} Confirm with --yes.")
    if not typer.confirm(question, err=True):
        raise CurateError("Nothing was removed.")


@options.verb()
def check(
    backup: Annotated[
        Path | None, typer.Option(**options.NEW_PATH, help="Copy the workspace into this new folder instead.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Set aside what can be made again.")] = False,
) -> None:
    """Read all that the workspace holds; exit code 2 where something is damaged, with how to go on."""
    from avhcurate.datasets.table.check import back_up, check_workspace
    from avhcurate.datasets.table.salvage import lost_entries

    space = options.open_workspace()
    if backup is not None:
        back_up(space, backup)
        options.print_result({"backup": str(backup)}, f"{space.root} is copied to {backup}, a workspace of its own")
        return
    damages = check_workspace(space, repair=repair)
    lines = [damage.line for damage in damages]
    lost = lost_entries(space)
    for file, tables in lost.items():
        lines += [f"{file} says what a repair could not read:", *(f"  {table}" for table in tables)]
    text = "\n".join(lines) or f"{space.root} is intact"
    options.print_result({"damaged": [damage._asdict() for damage in damages], "lost": lost}, text)
    if damaged := sum(not damage.done for damage in damages):
        raise CurateError(f"{damaged} parts of {space.root} are damaged, and all others are intact.")
    if lost:
        raise CurateError(
            "Some of what people decided is gone, as said above. Put back a copy that `avhcurate check --backup OUT` "
            f"made, or go on without it; then delete {' and '.join(lost)}."
        )


@options.verb()
def rename(
    name: options.NameArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
) -> None:
    """Rename a dataset; its votes, decisions, sets, runs, trainings and jobs stay with it."""
    from avhcurate.datasets.table.removal import rename_dataset

    rename_dataset(options.open_workspace(), name, new)
    options.print_result({"name": new, "was": name}, f"{name} is now called {new}")


@options.verb()
def default(
    name: options.NameArgument,
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run, by its name or its model's.", autocompletion=completion.of("run")),
    ],
) -> None:
    """Choose the run that pages and verbs use unless another is named; before that it is the first."""
    name_of_run = options.open_workspace().choose_default(name, run)
    options.print_result({"name": name, "default_run": name_of_run}, f"{name} now opens with the run {name_of_run}")


@options.verb(table=True)
def jobs(
    cancel: Annotated[str | None, typer.Option(help="Ask this job to stop: its id, or `running`.")] = None,
    limit: Annotated[int, typer.Option(help="How many jobs, newest first.", min=1, max=options.MOST_ENTRIES)] = 20,
) -> None:
    """List long work: what runs, how far it is and how it ended; or cancel it."""
    from itertools import islice

    from avhcurate.workspace.data import background
    from avhcurate.workspace.disk.jobs import Jobs

    space = options.open_workspace()
    if cancel is not None:
        job = _running(Jobs(space.root), cancel)
        background.cancel(space.root, job.id)
        text = f"{job.verb} {job.dataset} was asked to stop; the same command resumes it"
        options.print_result({"cancelled": job.id}, text)
        return
    records = islice(Jobs(space.root).all(), limit)
    rows = [record.model_dump(mode="json") | {"problem": str(record.problem)} for record in records]
    if options.printed({"jobs": rows}, rows):
        return
    if rows:
        options.print_table(rows, columns=["id", "dataset", "state", "who", "done", "total", "message"])
    else:
        print("No job has run here.")


def _running(jobs: "Jobs", which: str) -> "JobRecord":
    """Return the job to cancel."""
    for job in jobs.all():
        if job.active and which in (job.id, "running"):
            return job
    raise CurateError(f"No such job is running: {which}. List them with `avhcurate jobs`.")


@options.verb(group="Images")
def report(
    name: options.NameArgument,
    out: Annotated[Path | None, typer.Option(**options.NEW_PATH, help="HTML file to write.")] = None,
    card: Annotated[
        Path | None, typer.Option(**options.NEW_PATH, help="Dataset card of the hub to write, as README.md.")
    ] = None,
    model: options.ModelOption = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Inline thumbnails.")] = True,
    force: options.ForceOption = False,
) -> None:
    """What a dataset is and what was found: one HTML file that asks for nothing else, with the commands; its card."""
    from avhcurate.features.report.service import write_card, write_report

    if out is None and card is None:
        raise CurateError("Say what to write: --out FILE, --card FILE, or both.")
    opened = options.run_table(name, model)
    sizes: dict[str, int] = {}
    for file, write in ((out, partial(write_report, images=images)), (card, write_card)):
        if file is not None:
            with options.output(file) as target:
                sizes[str(file)] = write(opened, target, force=force).stat().st_size
    result = {"out": out and str(out), "card": card and str(card), "bytes": sum(sizes.values())}
    options.print_result(result, "\n".join(f"{file}: {size_text(size)}" for file, size in sizes.items()))

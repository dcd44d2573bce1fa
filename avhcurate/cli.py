"""The command line: each verb reads its arguments, calls one service and prints what came of it."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from avhcurate.errors import CurateError

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.services.tables import DatasetTable
    from avhcurate.storage.datasets import DatasetFolder
    from avhcurate.storage.workspace import Workspace

app = typer.Typer(
    name="avhcurate",
    help="See where humans and an image classifier disagree, and leave with a label file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", help="Folder of the workspace [AVHCURATE_WORKSPACE, else ./workspace].")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Which run: a model's or a run's name [newest].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what exists.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")]


class Rule(StrEnum):
    """Rules of `select`."""

    confidence = "confidence"
    avc = "avc"
    lrent = "lrent"


@app.command()
def demo(workspace: WorkspaceOption = None) -> None:
    """Import, score and attach simulated votes to the embedded handwritten digits."""
    from avhcurate.services import jobs
    from avhcurate.services.demo import prepare_demo
    from avhcurate.terminal import Reporter

    space = _workspace(workspace)
    with Reporter() as reporter, jobs.run(space.root, "demo", "digits", ["demo"], on_report=reporter) as progress:
        folder = prepare_demo(space, on_progress=progress.report, should_stop=progress.should_stop)
    _print_dataset(folder)
    print("\nNow try:\n  avhcurate serve\n  avhcurate correlate digits\n  avhcurate disagree digits")


@app.command("import")
def import_(
    name: NameArgument,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of classes, a CSV or Parquet manifest, Parquet with images, torchvision:NAME or hf:REPO.",
        ),
    ],
    label_column: Annotated[str | None, typer.Option(help="Column of the labels [found].")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images or their paths [found].")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column of the splits [found].")] = None,
    votes: Annotated[str | None, typer.Option(help="A file of human votes, or the column that holds them.")] = None,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import images with their labels; nothing is written beside them."""
    from avhcurate.services import jobs
    from avhcurate.services.importing import import_dataset

    columns = {"label_column": label_column, "image_column": image_column, "split_column": split_column}
    space = _workspace(workspace)
    with jobs.run_started(space.root):
        folder = import_dataset(space, name, source, **columns, votes=votes, force=force)
    _print_dataset(folder, as_json=as_json)


@app.command()
def votes(
    name: NameArgument,
    file: Annotated[
        Path, typer.Argument(help="Counts (.npy, list column), a long CSV or Parquet, or Label Studio JSON.")
    ],
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Mark the votes as simulated wherever they show.")
    ] = False,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Attach human votes to a dataset."""
    from avhcurate.services import jobs
    from avhcurate.services.voting import attach_votes

    space = _workspace(workspace)
    with jobs.run_started(space.root):
        record = attach_votes(space, name, file, simulated=simulated, force=force)
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.total} votes on {record.samples} samples of {name}")
    _print_messages(record.messages)


@app.command()
def score(
    name: NameArgument,
    model: Annotated[
        str,
        typer.Option(
            help="torchvision:NAME, timm:NAME, efficientnet-lite0/1/2, avhcurate:NAME or PACKAGE.MODULE:FACTORY."
        ),
    ],
    weights: Annotated[
        Path | None, typer.Option(help="Safetensors or checkpoint; 'random' for untrained weights.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="Name of the last linear layer [found].")] = None,
    resize: Annotated[int | None, typer.Option(help="Shorter side in pixels [the model's].")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the centre crop in pixels [the model's].")] = None,
    mean: Annotated[str | None, typer.Option(help="One or three numbers, as 0.5 or 0.5,0.5,0.5 [the model's].")] = None,
    std: Annotated[str | None, typer.Option(help="As --mean.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(help="Images a forward pass [chosen].", min=1)] = None,
    limit: Annotated[int | None, typer.Option(help="Score only so many samples, spread evenly.", min=1)] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a model over a dataset and store every score; the same call again resumes."""
    from avhcurate.models.loading import ModelSpec
    from avhcurate.services import jobs
    from avhcurate.services.scoring import score_dataset
    from avhcurate.terminal import Reporter

    spec = ModelSpec(
        name=model,
        weights="random" if weights == Path("random") else weights,
        head=head,
        resize=resize,
        crop=crop,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
    )
    space = _workspace(workspace)
    with Reporter() as reporter, jobs.run(space.root, "score", name, _argv(), on_report=reporter) as progress:
        run = score_dataset(
            space,
            name,
            spec,
            device=device,
            precision=precision,
            batch_size=batch_size,
            limit=limit,
            on_progress=progress.report,
            should_stop=progress.should_stop,
        )
    record = run.record
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.samples} samples of {name} scored as {run.root.name}, {record.skipped} skipped")
    print(f"Now try:\n  avhcurate correlate {name}\n  avhcurate serve")


@app.command()
def correlate(
    name: NameArgument,
    model: ModelOption = None,
    scores: Annotated[str | None, typer.Option(help="Scores to show, as avh,confidence [all].")] = None,
    bins: Annotated[str | None, typer.Option(help="Edges of the HSF bins, as 0,0.5,1 [0,0.2,...,1].")] = None,
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Bootstrap intervals instead of Fisher's.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spearman correlation of every score with HSF, over all samples and per bin."""
    from avhcurate.curation.bins import parse_edges
    from avhcurate.services import correlating

    table = _table(workspace, name, model)
    keys = [key.strip() for key in scores.split(",")] if scores else None
    edges = parse_edges(bins) if bins else None
    found = correlating.correlate(table, keys=keys, edges=edges, bootstrap=bootstrap)
    if csv:
        correlating.write_csv(found, csv, force=force)
    if as_json:
        _print_json(
            {"rows": correlating.contract_table(found), "pairs": found.pairs, "noise_ceiling": found.ceiling.ceiling}
        )
        return
    _print_votes_note(table)
    wide = found.table.assign(bin=found.table["bin"].map(str)).pivot(index="score", columns="bin", values="spearman")
    order = list(dict.fromkeys(found.table["score"]))
    wide = wide.loc[order, list(dict.fromkeys(found.table["bin"]))]
    counts = found.table[found.table["score"] == order[0]].set_index("bin")["n"]
    wide.columns = [f"{group} (n={counts[group]})" for group in wide.columns]
    print(wide.round(3).to_string(na_rep="-"))
    if not found.ceiling.reason:
        print(f"\nnoise ceiling {found.ceiling.ceiling:.3f} (reliability of HSF {found.ceiling.reliability:.3f})")
    for remark, rows in found.table[found.remarks != ""].groupby(found.remarks):
        print(f"{remark}: {', '.join(dict.fromkeys(rows['bin']))}")


@app.command()
def disagree(
    name: NameArgument,
    model: ModelOption = None,
    score: Annotated[str, typer.Option(help="Score that says what is hard for the network.")] = "avh",
    csv: Annotated[Path | None, typer.Option(help="Write both sets to this file.")] = None,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Samples hard for humans and easy for the network, and the reverse."""
    from avhcurate.services import disagreeing

    table = _table(workspace, name, model)
    gap = disagreeing.disagree(table, key=score)
    if csv:
        disagreeing.write_csv(table, gap, csv, force=force)
    rows = disagreeing.gap_table(table, gap)
    if as_json:
        _print_json({"samples": gap.sets.samples, "rows": rows})
        return
    _print_votes_note(table)
    for key, title in disagreeing.SETS.items():
        found = rows[rows["set"] == key]
        print(f"{title}: {len(found)} of {gap.sets.samples}")
        columns = list(dict.fromkeys(["id", "path", "label_name", "predicted_name", "hsf", score]))
        if len(found):
            print(found[columns].head(10).to_string(index=False) + "\n")


@app.command()
def select(
    name: NameArgument,
    rule: Annotated[Rule, typer.Option(help="confidence (CBST), avc (the paper's) or lrent (CRST).")],
    portion: Annotated[float, typer.Option(help="Share of each class to trust, in (0, 1].")],
    out: Annotated[Path, typer.Option(help="Where to write: .csv, .jsonl or .parquet.")],
    model: ModelOption = None,
    soft: Annotated[bool, typer.Option("--soft", help="Add soft labels.")] = False,
    all: Annotated[
        bool, typer.Option("--all", help="Also list the samples that are not selected, without a label.")
    ] = False,
    where: Annotated[str, typer.Option(help="Only samples that satisfy this SQL condition.")] = "",
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Class-balanced pseudo-labels, with a manifest beside them."""
    from avhcurate.curation.filters import Filters
    from avhcurate.services import selecting

    table = _table(workspace, name, model)
    found = selecting.select(table, rule=rule.value, portion=portion, filters=Filters(where=where))
    count = selecting.write_pseudo_labels(table, found, out, soft=soft, all=all, force=force)
    if as_json:
        _print_json(selecting.describe_selection(table, found))
        return
    print(f"{count} of {len(found.ids)} samples selected by {rule.value} at portion {portion:g}: {out}")
    if found.accuracy is not None:
        print(f"accuracy against the given labels {found.accuracy:.4f}")


@app.command()
def export(
    name: NameArgument,
    format: Annotated[str, typer.Option(help="csv, jsonl, parquet, folder or hf.")],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
    model: ModelOption = None,
    where: Annotated[str, typer.Option(help='SQL condition over the columns, as "avh > 0.1 AND hsf < 0.4".')] = "",
    with_excluded: Annotated[bool, typer.Option("--with-excluded", help="Also samples marked as excluded.")] = False,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Curated labels of the samples that satisfy a condition."""
    from avhcurate.curation.filters import Filters
    from avhcurate.services import exporting

    table = _table(workspace, name, model)
    filters = Filters(where=where, excluded=None if with_excluded else False)
    count = exporting.export(table, filters, format, out, force=force)
    if as_json:
        _print_json({"samples": count, "out": str(out), "format": format})
        return
    print(f"{count} samples of {name} written to {out}")
    if table.simulated:
        print("The HSF columns come from simulated votes; the file says so.")


@app.command()
def toy(
    space: Annotated[str, typer.Option(help="sphere or plane.")] = "sphere",
    classes: Annotated[int, typer.Option(help="Gaussians, 2 to 8.")] = 2,
    overlap: Annotated[float, typer.Option(help="Width over half the distance of neighbours, 0.2 to 2.")] = 0.6,
    noise: Annotated[float, typer.Option(help="Share of labels replaced by another, 0 to 0.4.")] = 0.0,
    width: Annotated[int, typer.Option(help="Width of the hidden layers, 2 to 128.")] = 64,
    epochs: Annotated[int, typer.Option(help="Epochs, 5 to 100.")] = 40,
    loss: Annotated[str, typer.Option(help="softmax or avh.")] = "softmax",
    seed: Annotated[int, typer.Option(help="Seed of data and training, 0 to 9999.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the result [toy in the workspace].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train anew, whatever is there.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Overlapping Gaussians, a small network, and how AVH and norm follow the exact Bayes error."""
    from avhcurate.services import toy as service

    settings = service.ToySettings(space, classes, overlap, noise, width, epochs, loss, seed)
    folder = out or service.folder_of(_workspace(workspace).root)
    result = service.run(folder, settings, force=force)
    found = service.summary(result) | {"file": str(service.result_path(folder, settings))}
    if as_json:
        _print_json(found)
        return
    print(f"{classes} Gaussians on the {space}, {loss} loss, {epochs} epochs in {found['seconds']:.1f} s")
    print(f"error on {service.HELD_OUT} held-out points {found['error']:.4f}, Bayes error {found['bayes_error']:.4f}\n")
    print("Spearman with the Bayes error   samples      map   95 % by epoch")
    for key, name in (("avh", "AVH"), ("norm", "norm")):
        values = (found["spearman"][f"{key}_{where}"] for where in ("samples", "map"))
        shown = "".join("       -" if value is None else f"{value:8.3f} " for value in values)
        print(f"  {name:<28} {shown} {found['settled'][key]:>15}")
    print(f"\n{found['file']}")


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    workspace: WorkspaceOption = None,
) -> None:
    """Open the app in the browser; it listens on this machine only."""
    import os
    import subprocess

    root = Path(__file__).parents[1]
    if not (root / "app.py").exists():
        raise CurateError("app.py is not beside the package: run `streamlit run app.py` in a checkout of the project")
    environment = {**os.environ, "AVHCURATE_WORKSPACE": str(_workspace(workspace).root)}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    raise SystemExit(subprocess.call([*command, "--server.address", "127.0.0.1"], cwd=root, env=environment))


def main() -> NoReturn:
    """Runs the command line: 0 on success, 2 for a mistake of the user's in one line, 1 for a fault of ours."""
    from avhcurate.storage.jobs import Cancelled

    try:
        app()
    except CurateError as error:
        print(f"avhcurate: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        print(f"avhcurate: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        raise SystemExit(2) from None
    except (Cancelled, KeyboardInterrupt):
        print("avhcurate: cancelled; the same command again resumes", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(0)


def _workspace(option: Path | None) -> "Workspace":
    from avhcurate.storage.workspace import find_workspace

    return find_workspace(option)


def _table(workspace: Path | None, name: str, model: str | None) -> "DatasetTable":
    from avhcurate.services.tables import open_table

    return open_table(_workspace(workspace), name, model)


def _argv() -> list[str]:
    """The arguments of this call without the workspace, as a job resumes with them."""
    kept, skip = [], False
    for argument in sys.argv[1:]:
        if skip or argument == "--workspace":
            skip = not skip
        elif not argument.startswith("--workspace="):
            kept.append(argument)
    return kept


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CurateError(f"{option} takes numbers, as 0.5 or 0.5,0.5,0.5, not {text!r}") from None


def _print_dataset(folder: "DatasetFolder", *, as_json: bool = False) -> None:
    record = folder.record
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.name}: {record.samples} samples, {len(record.classes)} classes, {record.skipped} files skipped")
    if record.votes:
        kind = "simulated votes" if record.votes.simulated else "human votes"
        print(f"{record.votes.total} {kind} on {record.votes.samples} samples")
    _print_messages([*record.messages, *(record.votes.messages if record.votes else [])])


def _print_messages(messages: list[str]) -> None:
    for message in messages:
        print(f"note: {message}", file=sys.stderr)


def _print_votes_note(table: "DatasetTable") -> None:
    run = table.run.root.name if table.run else "no run"
    print(f"{table.dataset.name}, {run}" + (", SIMULATED human votes" if table.simulated else ""))


def _print_json(value: dict[str, Any]) -> None:
    def plain(item: "pd.DataFrame | Any") -> Any:
        return json.loads(item.to_json(orient="records")) if hasattr(item, "to_json") else item

    print(json.dumps({key: plain(item) for key, item in value.items()}))

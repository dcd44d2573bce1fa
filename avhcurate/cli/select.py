"""`avhcurate select`: class-balanced pseudo-labels."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError


@options.verb(group="Data")
def select(
    name: options.NameArgument,
    out: Annotated[
        Path,
        typer.Option(
            **options.NEW_PATH,
            help="Where to write: .csv, .jsonl or .parquet, or the form that --format names; - for standard output.",
        ),
    ],
    rule: Annotated[
        str | None,
        typer.Option(
            help="avc (Chen et al. 2020), avc-centred, confidence (CBST), CRST's lrent or mrkld; avc-lrent, avc-mrkld; "
            "diverse: --budget images to label next, varied and uncertain; keep: images to train on."
        ),
    ] = None,
    portion: Annotated[float | None, typer.Option(help="Share of each class to trust or to keep, in (0, 1].")] = None,
    budget: Annotated[int | None, typer.Option(help="With --rule diverse, how many images.", min=1)] = None,
    soft: Annotated[bool, typer.Option("--soft", help="Add soft labels.")] = False,
    self_training: Annotated[
        str | None, typer.Option(help="Instead: what a round of this self-training selected.")
    ] = None,
    number: Annotated[int | None, typer.Option("--round", help="Its round.", min=1, show_default="the last")] = None,
    format: Annotated[str | None, typer.Option(help="Its form, as of `export`.", show_default="by --out")] = None,
    model: options.ModelOption = None,
    where: options.WhereOption = "",
    force: options.ForceOption = False,
) -> None:
    """Select class-balanced pseudo-labels, or images to label next, and write them with a manifest next to them."""
    if self_training is not None:
        others = {"--rule": rule, "--portion": portion, "--model": model, "--soft": soft, "--where": where}
        options.check_alone("--self-training", others | {"--budget": budget})
        _select_round(name, self_training, number, format, out, force)
        return
    options.check_alone("--rule", {"--round": number, "--format": format})
    if rule == "diverse":
        options.check_alone("--rule diverse", {"--portion": portion, "--soft": soft})
        _select_next(name, model, where, budget, out, force)
        return
    options.check_alone(f"--rule {rule}", {"--budget": budget})
    if rule == "keep":
        options.check_alone("--rule keep", {"--soft": soft})
        _select_kept(name, model, where, portion, out, force)
        return
    if rule is None or portion is None:
        raise CurateError("Give --rule and --portion, or --self-training to write one of its rounds.")
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.pseudo_labels import service

    opened = options.run_table(name, model)
    result = service.select(
        opened.samples, opened.run, opened.dataset, rule=cast(Any, rule), portion=portion, filters=Filters(where=where)
    )
    with options.output(out) as file:
        count = service.write_pseudo_labels(
            opened.samples, opened.run, opened.dataset, result, file, soft=soft, force=force
        )
    _note_left_out(result.left_out)
    options.print_messages(result.notes)
    text = f"{count} of {len(result.ids)} images selected by {rule} at portion {portion:g}: {out}"
    if result.accuracy is not None:
        text += f"\naccuracy against the given labels {result.accuracy:.4f}"
    options.print_result(service.describe_selection(opened.samples, opened.run, opened.dataset, result), text)


def _select_next(name: str, model: str | None, where: str, budget: int | None, out: Path, force: bool) -> None:
    """Write the images to label next."""
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.annotate.next_labels import next_labels, write_next_labels

    if budget is None:
        raise CurateError("Say with --budget how many images to label.")
    opened = options.run_table(name, model)
    filters = Filters(where=where)
    batch = next_labels(opened.samples, opened.run, opened.dataset, budget, filters=filters)
    with options.output(out) as file:
        record = write_next_labels(opened.samples, opened.run, opened.dataset, batch, filters, file, force=force)
    options.print_result(record, f"{batch.summary}\nwritten to {out}")


def _select_kept(name: str, model: str | None, where: str, portion: float | None, out: Path, force: bool) -> None:
    """Export the images to train on."""
    from avhcurate.datasets.export.service import export, format_named
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.payoff.keep_service import keep

    if portion is None:
        raise CurateError("Say with --portion which share of each class to keep.")
    opened = options.run_table(name, model)
    ids = keep(opened.samples, opened.dataset, portion, filters=Filters(where=where))
    details: dict[str, Any] = {"rule": "keep", "portion": portion}
    with options.output(out) as file:
        export(opened, Filters(ids=tuple(ids.tolist())), format_named(out), file, force=force, details=details)
    options.print_result(details | {"samples": len(ids)}, f"{len(ids)} images kept: {out}")


def _note_left_out(count: int) -> None:
    if count:
        options.print_messages([f"{count} images have no finite embedding and are left out"])


def _select_round(
    name: str, self_training: str, number: int | None, format: str | None, out: Path, force: bool
) -> None:
    """Write the pseudo-labels of a round of a self-training."""
    from avhcurate.datasets.export.service import format_named
    from avhcurate.features.pseudo_labels import round_export

    space = options.open_workspace()
    folder = space.dataset(name).self_training(self_training)
    if number is None:
        number = max(folder.rounds(), default=1)
    with options.output(out) as file:
        count = round_export.export(space, folder, number, format or format_named(file), file, force=force)
    _note_left_out(folder.record.target_left_out + folder.report(number).left_out)
    record = folder.record
    text = f"{count} of {record.target_samples} images selected by {record.rule} in round {number}: {out}"
    options.print_result(round_export.describe(folder, number), text)

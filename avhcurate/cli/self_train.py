"""The verb self-train: adapts a model to a dataset by its own pseudo-labels."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError

Trainer = Literal["probe", "full"]


@options.app.command("self-train")
def self_train(
    source: Annotated[str, typer.Option(help="Dataset with labels to learn from.")],
    target: Annotated[str, typer.Option(help="Dataset to adapt to; its labels are for the report only.")],
    model: Annotated[
        str | None, typer.Option(help="As for score, or a run's name [the newest that scored both].")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File of the model's weights; 'random' for untrained ones.")
    ] = None,
    rule: Annotated[
        str, typer.Option(help="One or more of confidence, avc, avc-centred, lrent, mrkld, avc-lrent, avc-mrkld.")
    ] = "avc",
    seeds: Annotated[str, typer.Option(help="One or more, as 0,1,2; each rule runs with each.")] = "0",
    portion: Annotated[
        str, typer.Option(help="Share of each class to trust, START:END:STEP a round, or one for all rounds.")
    ] = "0.2:0.5:0.05",
    rounds: Annotated[int | None, typer.Option(help="Rounds of selecting and learning [to END].", min=1)] = None,
    alpha: Annotated[float | None, typer.Option(help="Weight of the regulariser [the rule's].")] = None,
    trainer: Annotated[
        Trainer, typer.Option(help="probe: a head on frozen features; full: the whole network.")
    ] = "probe",
    hidden: Annotated[int, typer.Option(help="Width of a probe's hidden layer, 0 for one linear layer.", min=0)] = 512,
    epochs: Annotated[int, typer.Option(help="Passes over source and selected samples a round.", min=1)] = 10,
    batch_size: Annotated[int, typer.Option(help="Samples a step.", min=1)] = 128,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of a round [0.001; full 0.01].", min=0)] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of all parameters [1e-4; full 5e-4].", min=0)] = None,
    clip: Annotated[float, typer.Option(help="Longest gradient of the whole network, 0 for any.", min=0)] = 0.0,
    source_where: Annotated[str, typer.Option(help="Only source samples that satisfy this SQL condition.")] = "",
    target_where: Annotated[str, typer.Option(help="Only target samples that satisfy this SQL condition.")] = "",
    device: Annotated[str, typer.Option(help="Of the network: auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="Of the network: auto, float32, bfloat16 or float16.")] = "auto",
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Adapt a model to a dataset by class-balanced pseudo-labels, round by round; the same call again resumes."""
    from avhcurate.self_training.results import summary
    from avhcurate.self_training.service import self_train_all
    from avhcurate.self_training.settings import Settings

    given = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "weight_decay": weight_decay}
    settings = Settings(
        source,
        target,
        model,
        "random" if weights == Path("random") else weights,
        schedule=_schedule(portion),
        rounds=rounds,
        alpha=alpha,
        how=_recipe(trainer, hidden, clip, {name: value for name, value in given.items() if value is not None}),
        source_where=source_where,
        target_where=target_where,
        device=device,
        precision=precision,
    )
    rules: Any = options.comma_separated(rule)
    each, space = options.integers("--seeds", seeds), options.open_workspace(workspace)
    folders = options.distributed_job(
        space, "self-train", target, lambda progress: self_train_all(space, settings, rules, each, progress=progress)
    )
    summaries = [summary(folder) for folder in folders]
    if summaries and as_json:
        options.print_json({"self_trainings": summaries})
    elif summaries:
        _print(summaries, workspace)


def _recipe(trainer: Trainer, hidden: int, clip: float, given: dict[str, Any]) -> Any:
    """How the head or the whole network is trained, by what the user gave."""
    if trainer == "probe":
        from avhcurate.training.probe import ProbeRecipe

        return ProbeRecipe(hidden=hidden or None, **given)
    from avhcurate.training.recipe import Recipe
    from avhcurate.training_dynamics.train_settings import TUNING_RATE

    return Recipe(**{"learning_rate": TUNING_RATE, "clip": clip or None} | given)


def _schedule(text: str) -> Any:
    """START:END:STEP, or one number.

    >>> _schedule("0.2:0.4:0.1").portion(2)
    0.3
    """
    from avhcurate.self_training.loop import Schedule

    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) not in (1, 3):
        raise CurateError(f"--portion takes START:END:STEP or one number, as 0.2:0.5:0.05 or 0.3, not {text!r}")
    return Schedule(values[0], values[2], values[1]) if len(values) == 3 else Schedule(values[0], 0.0, values[0])


def _print(summaries: list[dict[str, Any]], workspace: Path | None) -> None:
    first = summaries[0]
    print(
        f"{first['model']}, {first['source']} to {first['target']}: accuracy over {first['samples']} samples, from the "
        "source alone and at the end, and the share of the last pseudo-labels that are right\n"
    )
    print(
        f"{'rule':<14} {'seed':>4} {'source':>8} {'final':>8} {'95 % interval':>17} {'selected':>9} {'right':>8} rounds"
    )
    for row in summaries:
        ends = f"{_number(row['accuracy_low'])} - {_number(row['accuracy_high'])}"
        print(
            f"{row['rule']:<14} {row['seed']:>4} {_number(row['source_only']):>8} {_number(row['accuracy']):>8} "
            f"{ends:>17} {row['selected']:>9} {_number(row['precision']):>8} {row['rounds']}, {row['stopped']}"
        )
    empty = dict.fromkeys(name for row in summaries for name in row["empty_classes"])
    options.print_messages([f"class {name} gave no pseudo-label in the last round of a run" for name in empty])
    if left_out := max(row["left_out"] for row in summaries):
        options.print_messages([f"{left_out} samples of the target have no finite embedding and are left out"])
    print()
    options.print_next([["serve"]], workspace)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"

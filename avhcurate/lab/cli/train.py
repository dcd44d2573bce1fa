"""The verb that trains a network."""

from collections.abc import Sequence
from typing import Any

from avhcurate.cli import options
from avhcurate.lab.training_dynamics.settings import TrainSettings


@options.verb(TrainSettings, group="Training")
def train(settings: TrainSettings) -> None:
    from avhcurate.lab.training_dynamics.train import summary, train_seeds

    space = options.open_workspace()
    trained = options.distributed_job(settings, lambda progress: train_seeds(space, settings, progress=progress))
    if settings.folds:
        _print_runs(settings, trained)
    elif trained:
        summaries = [summary(training) for training in trained]
        if not options.printed({"trainings": summaries}):
            _print(summaries)


def _print_runs(settings: TrainSettings, runs: Sequence[Any]) -> None:
    """Print runs that were trained in folds."""
    from avhcurate.datasets.table.head_notes import head_note

    if runs and not options.printed({"runs": [run.record for run in runs]}):
        for run in runs:
            print(f"{run.name}: {head_note(run.record)}")
        options.print_next([["suspects", settings.dataset, "--model", runs[0].name], ["serve"]])


def _print(summaries: list[dict[str, Any]]) -> None:
    from avhcurate.lab.training_dynamics.held_out import leak_text

    first = summaries[0]
    print(
        f"{first['model']} trained on {first['trained_samples']} images of {first['trained_on']}, "
        f"{first['held_out_samples']} of {first['recorded_on']} held out, {first['loss_function']} loss"
    )
    print(leak_text(first["held_out_copies"], first["trained_on"], first["recorded_on"]))
    print()
    columns = {"training": "training", "accuracy": "accuracy", "mean AVH": "avh", "loss": "loss", "seconds": "seconds"}
    options.print_table([{name: row[key] for name, key in columns.items()} for row in summaries])
    print(f"\nweights {summaries[-1]['weights']}")
    if broken := first["broken_images"]:
        print(f"{broken} images could not be read and were left out. When they can be read, train again after:")
        for row in summaries:
            print(f"  avhcurate remove {row['recorded_on']} --training {row['training']}")
    options.print_next_of_run(first["recorded_on"])

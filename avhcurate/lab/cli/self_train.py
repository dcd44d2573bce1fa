"""The verb self-train: adapts a model to a dataset by its own pseudo-labels."""

from avhcurate.cli import options
from avhcurate.lab.self_training.settings import SelfTrainSettings


@options.verb(SelfTrainSettings, group="Training")
def self_train(settings: SelfTrainSettings) -> None:
    from avhcurate.lab.self_training.service import self_train_dataset, summary

    with options.job(settings) as progress:
        figures = summary(self_train_dataset(options.open_workspace(), settings, progress=progress))
    if options.printed(figures):
        return
    print(f"{figures['self_training']}: {figures['model']}, {figures['source']} to {figures['target']}")
    print(f"{figures['rounds']} rounds ({figures['stopped']}), {figures['selected']} images selected in the last one")
    names = {
        "source_only": "accuracy from the source alone",
        "accuracy": "accuracy at the end",
        "precision": "share of the last pseudo-labels that are right",
    }
    for key, name in names.items():
        if figures[key] is not None:
            print(f"{name} {figures[key]:.4f}")
    notes = [f"Class {name} gave no pseudo-label in the last round." for name in figures["empty_classes"]]
    if figures["left_out"]:
        notes.append(f"{figures['left_out']} images of the target have no finite embedding and are left out.")
    options.print_messages(notes)
    print()
    options.print_next([["serve"]])

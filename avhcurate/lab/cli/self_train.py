"""The verb self-train: adapts a model to a dataset by its own pseudo-labels."""

from avhcurate.cli import options
from avhcurate.lab.self_training.settings import SelfTrainSettings


@options.verb(SelfTrainSettings, group="Training")
def self_train(settings: SelfTrainSettings) -> None:
    from avhcurate.lab.self_training.results import summary
    from avhcurate.lab.self_training.service import self_train_dataset

    with options.job(settings) as progress:
        found = summary(self_train_dataset(options.open_workspace(), settings, progress=progress))
    if options.printed(found):
        return
    print(f"{found['self_training']}: {found['model']}, {found['source']} to {found['target']}")
    print(f"{found['rounds']} rounds ({found['stopped']}), {found['selected']} samples selected in the last one")
    names = {
        "source_only": "accuracy from the source alone",
        "accuracy": "accuracy at the end",
        "precision": "share of the last pseudo-labels that are right",
    }
    for key, name in names.items():
        if found[key] is not None:
            print(f"{name} {found[key]:.4f}")
    options.print_messages([f"Class {name} gave no pseudo-label in the last round." for name in found["empty_classes"]])
    if found["left_out"]:
        options.print_messages(
            [f"{found['left_out']} samples of the target have no finite embedding and are left out."]
        )
    print()
    options.print_next([["serve"]])

"""The verb toy: Gaussians with a known Bayes error, and a small network."""

from avhcurate.cli import options
from avhcurate.lab.toy.settings import ToySettings


@options.verb(ToySettings, group="Training")
def toy(settings: ToySettings) -> None:
    from avhcurate.lab.toy import service

    root = options.open_workspace().root
    result = service.run(root, settings)
    summary = service.summary(result) | {"file": str(service.result_path(root, settings))}
    if options.printed(summary):
        return
    print(f"{settings.classes} Gaussians, {settings.loss} loss, {settings.epochs} epochs")
    print(f"error on {service.HELD_OUT} held-out points {summary['error']:.4f}")
    print(f"Bayes error {summary['bayes_error']:.4f}\n")
    print("Spearman with the Bayes error over held-out points and over the map; epoch of 95 % of the change")
    options.print_table(
        [
            {
                "measure": key,
                "held out": summary["spearman"][f"{key}_samples"],
                "map": summary["spearman"][f"{key}_map"],
                "settled": summary["settled"][key],
            }
            for key in ("avh", "norm")
        ]
    )
    print(f"\n{summary['file']}")

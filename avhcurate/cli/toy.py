"""The verb toy: Gaussians with a known Bayes error, and a small network."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def toy(
    space: Annotated[str, typer.Option(help="sphere or plane.")] = "sphere",
    classes: Annotated[int, typer.Option(help="Gaussians, 2 to 8.")] = 2,
    overlap: Annotated[float, typer.Option(help="Width over half the distance of neighbours, 0.2 to 2.")] = 0.6,
    noise: Annotated[float, typer.Option(help="Share of labels replaced by another, 0 to 0.4.")] = 0.0,
    width: Annotated[int, typer.Option(help="Width of the hidden layers, 2 to 128.")] = 64,
    epochs: Annotated[int, typer.Option(help="Epochs, 5 to 100.")] = 40,
    loss: Annotated[str, typer.Option(help="softmax or avh.")] = "softmax",
    seed: Annotated[int, typer.Option(help="Seed of data and training, 0 to 9999.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(**options.PATH, help="Folder of the result [toy in the workspace]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again even if the result exists.")] = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Overlapping Gaussians, a small network, and how AVH and norm follow the exact Bayes error."""
    from avhcurate.toy import service as toy_service

    settings = toy_service.ToySettings(space, classes, overlap, noise, width, epochs, loss, seed)
    folder = out or toy_service.folder_of(options.open_workspace(workspace).root)
    result = toy_service.run(folder, settings, force=force)
    summary = toy_service.summary(result) | {"file": str(toy_service.result_path(folder, settings))}
    if as_json:
        options.print_json(summary)
        return
    print(f"{classes} Gaussians on the {space}, {loss} loss, {epochs} epochs in {summary['seconds']:.1f} s")
    error, bayes_error = summary["error"], summary["bayes_error"]
    print(f"error on {toy_service.HELD_OUT} held-out points {error:.4f}, Bayes error {bayes_error:.4f}\n")
    print("Spearman with the Bayes error   samples      map   95 % by epoch")
    for key, name in (("avh", "AVH"), ("norm", "norm")):
        values = (summary["spearman"][f"{key}_{where}"] for where in ("samples", "map"))
        shown = "".join("       -" if value is None else f"{value:8.3f} " for value in values)
        print(f"  {name:<28} {shown} {summary['settled'][key]:>15}")
    print(f"\n{summary['file']}")

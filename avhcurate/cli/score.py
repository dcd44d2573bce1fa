"""The verb that runs a model over a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def score(
    name: options.NameArgument,
    model: Annotated[
        str,
        typer.Option(
            help="torchvision:NAME, timm:NAME, efficientnet-lite0/1/2, avhcurate:NAME, transformers:FOLDER-or-HUB, "
            "clip:FOLDER-or-HUB (zero-shot, by class names), onnx:FILE or PACKAGE.MODULE:FACTORY."
        ),
    ],
    weights: Annotated[
        Path | None, typer.Option(help="Safetensors or checkpoint; 'random' for untrained weights.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="Name of the last linear layer [found].")] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="For clip: a prompt, as 'a photo of a {}'; repeated, their mean.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="For clip: names in order, as cat,dog or a file [the dataset's].")
    ] = None,
    resize: Annotated[int | None, typer.Option(help="Shorter side in pixels [the model's].")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the centre crop in pixels [the model's].")] = None,
    mean: Annotated[str | None, typer.Option(help="One or three numbers, as 0.5 or 0.5,0.5,0.5 [the model's].")] = None,
    std: Annotated[str | None, typer.Option(help="As --mean.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(help="Images a forward pass [chosen].", min=1)] = None,
    limit: Annotated[int | None, typer.Option(help="Score only so many samples, spread evenly.", min=1)] = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Run a model over a dataset and store every score; the same call again resumes."""
    from avhcurate.models.loading import ModelSpec
    from avhcurate.scoring.service import score_dataset
    from avhcurate.sources.manifest import class_list

    spec = ModelSpec(
        name=model,
        weights="random" if weights == Path("random") else weights,
        head=head,
        resize=resize,
        crop=crop,
        mean=options.numbers("--mean", mean),
        std=options.numbers("--std", std),
        prompts=tuple(prompt or ()),
        class_names=tuple(class_list(classes) or ()),
    )
    space = options.open_workspace(workspace)
    with options.job(space, "score", name) as progress:
        run = score_dataset(
            space,
            name,
            spec,
            device=device,
            precision=precision,
            batch_size=batch_size,
            limit=limit,
            progress=progress,
        )
    record = run.record
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.samples} samples of {name} scored as {run.root.name}, {record.skipped} skipped")
    print(f"Now try:\n  avhcurate correlate {name}\n  avhcurate serve")

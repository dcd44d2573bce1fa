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
    prompt: Annotated[
        list[str] | None, typer.Option(help="For clip: a prompt, as 'a photo of a {}'; repeated, their mean.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="For clip: names in order, as cat,dog or a file [the dataset's].")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="Name of the last linear layer [found]; 'fit' fits linear heads on the input of that layer, "
            "'fit:LAYER' on the input of LAYER."
        ),
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="With --head fit: a column whose values no fold may tell apart.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="With --head fit: folds [5].", min=2, max=50)] = None,
    seed: Annotated[int | None, typer.Option(help="With --head fit: of the folds [0].")] = None,
    classes_from_model: Annotated[
        bool, typer.Option(help="Take the rows of the model's head that are the dataset's classes by name.")
    ] = False,
    resize: Annotated[int | None, typer.Option(help="Shorter side in pixels [the model's].")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the centre crop in pixels [the model's].")] = None,
    mean: Annotated[str | None, typer.Option(help="One or three numbers, as 0.5 or 0.5,0.5,0.5 [the model's].")] = None,
    std: Annotated[str | None, typer.Option(help="As --mean.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16, float16 or, on an NVIDIA GPU, tf32.")
    ] = "auto",
    batch_size: Annotated[int | None, typer.Option(help="Images a forward pass [chosen].", min=1)] = None,
    limit: Annotated[int | None, typer.Option(help="Score only so many samples, spread evenly.", min=1)] = None,
    engine: options.EngineOption = "local",
    address: options.AddressOption = None,
    staging: options.StagingOption = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Run a model over a dataset and store every score; the same call again resumes."""
    from avhcurate.models.backends import FEW_IMAGES
    from avhcurate.models.loading import ModelSpec
    from avhcurate.scoring.accuracy import accuracy_of, chance_warning
    from avhcurate.scoring.fitted_heads import head_settings
    from avhcurate.scoring.service import score_dataset
    from avhcurate.sources.manifest import class_list

    fit, layer = head_settings(head, groups=groups, folds=folds, seed=seed, classes_from_model=classes_from_model)
    spec = ModelSpec(
        name=model,
        weights="random" if weights == Path("random") else weights,
        head=layer,
        resize=resize,
        crop=crop,
        mean=options.numbers("--mean", mean),
        std=options.numbers("--std", std),
        prompts=tuple(prompt or ()),
        class_names=tuple(class_list(classes) or ()),
    )
    space = options.open_workspace(workspace)
    with options.job(space, "score", name) as progress, options.engine(engine, address, staging) as where:
        run = score_dataset(
            space,
            name,
            spec,
            device=device,
            precision=precision,
            batch_size=batch_size,
            limit=limit,
            fit=fit,
            classes_from_model=classes_from_model,
            engine=where,
            progress=progress,
        )
    record = run.record
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.samples} samples of {name} scored as {run.root.name}, {record.skipped} skipped")
    if record.skipped:
        print(
            "The column problem says why. Once they can be read, or more memory is allowed, "
            f"`avhcurate remove {name} --run {run.root.name}`, and score again"
        )
    if record.backend and record.backend.why not in ("", FEW_IMAGES):
        print(f"The network ran as it is, which may be slower: {record.backend.why}")
    if record.rows is not None:
        print(f"{len(record.rows)} rows of the model's head were taken, by the names of the dataset's classes")
    if (fitted := record.fitted) and fitted.accuracy is not None:
        print(
            f"heads fitted on {fitted.samples} labels in {fitted.folds} folds: out of fold "
            f"{100 * fitted.accuracy:.2f} % right, loss {fitted.loss:.4f}; AVH by two folds' heads correlates at "
            f"{fitted.agreement:.4f}"
        )
    dataset = space.dataset(name)
    accuracy = accuracy_of(dataset, run)
    print(accuracy)
    if warning := chance_warning(dataset, run, accuracy):
        print(f"Warning: {warning}")
    options.print_next_of_run(name, workspace)

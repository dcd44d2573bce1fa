"""The verb that trains a network."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError
from avhcurate.training.recipe import RECIPES, Fill, Loss, Precision, Recipe, Schedule, find_recipe


@options.app.command()
def train(
    context: typer.Context,
    name: options.NameArgument,
    model: Annotated[
        str | None,
        typer.Option(
            help="avhcurate:NAME, torchvision:NAME, timm:NAME, efficientnet-lite0/1/2, transformers:FOLDER-or-HUB or "
            "PACKAGE.MODULE:FACTORY [the recipe's]."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help=f"{' or '.join(RECIPES)}: options that are not given are the recipe's.")
    ] = None,
    loss: Annotated[Loss, typer.Option(help="softmax, or avh or cosine on directions alone.")] = "softmax",
    epochs: Annotated[int, typer.Option(help="Passes over the training samples.", min=1)] = 20,
    batch_size: Annotated[int, typer.Option(help="Images a step, all processes together.", min=2)] = 128,
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate [0.05; 0.01 from weights].", min=0)] = None,
    schedule: Annotated[Schedule, typer.Option(help="How the rate moves.")] = "one-cycle",
    warmup: Annotated[float, typer.Option(help="Share of the training in which the rate rises.")] = 0.15,
    drops: Annotated[str | None, typer.Option(help="Epochs at which a step schedule drops, as 30,45.")] = None,
    drop_factor: Annotated[float, typer.Option(help="What the rate is multiplied by at a drop.")] = 0.1,
    momentum: Annotated[float, typer.Option(help="Of SGD with Nesterov's momentum.")] = 0.9,
    weight_decay: Annotated[float, typer.Option(help="Of all parameters of the network.")] = 5e-4,
    scale: Annotated[float, typer.Option(help="Scale of the avh and cosine losses.")] = 20.0,
    learn_scale: Annotated[bool, typer.Option("--learn-scale", help="Train that scale too.")] = False,
    label_smoothing: Annotated[float, typer.Option(help="Share of the label spread over all classes.")] = 0.0,
    bias_rate: Annotated[float, typer.Option(help="How many times as fast biases of batch norms learn.")] = 1.0,
    clip: Annotated[float, typer.Option(help="Longest gradient, 0 for any.", min=0)] = 1.0,
    ema: Annotated[float, typer.Option(help="Decay a step of averaged weights, as 0.999; 0 for none.", min=0)] = 0.0,
    precision: Annotated[Precision, typer.Option(help="Of the forward pass.")] = "float32",
    weights: Annotated[Path | None, typer.Option(help="Start from this file; the head may differ.")] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Start from the published weights.")] = False,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train the head alone.")] = False,
    head: Annotated[str | None, typer.Option(help="Name of the last linear layer [found].")] = None,
    resize: Annotated[int | None, typer.Option(help="Shorter side in pixels [the model's].")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the centre crop in pixels [the model's].")] = None,
    mean: Annotated[str | None, typer.Option(help="One or three numbers [the model's].")] = None,
    std: Annotated[str | None, typer.Option(help="As --mean.")] = None,
    crop_padding: Annotated[int | None, typer.Option(help="Pixels by which crops wander [an eighth].", min=0)] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Mirror images [where in colour].")] = None,
    crop_fill: Annotated[Fill, typer.Option(help="What crops show beyond the edge.")] = "black",
    alternate_flips: Annotated[
        bool, typer.Option("--alternate-flips", help="Mirror each image in every other epoch, not by chance.")
    ] = False,
    jitter: Annotated[float, typer.Option(help="Largest change of brightness, contrast, saturation.")] = 0.0,
    held_out: Annotated[str | None, typer.Option(help="Dataset to evaluate on, of the same classes.")] = None,
    train_where: Annotated[str, typer.Option(help="Train on samples that satisfy this SQL condition.")] = "",
    held_out_where: Annotated[str, typer.Option(help="Evaluate on samples that satisfy this SQL condition.")] = "",
    split_seed: Annotated[int, typer.Option(help="Seed of the tenth held out where there is no split.")] = 0,
    seeds: Annotated[str, typer.Option(help="Seeds of weights and order, one training each, as 0,1,2.")] = "0",
    train_sample: Annotated[
        int, typer.Option(help="So many samples trained on, a share of each class, are evaluated too.", min=0)
    ] = 2000,
    early: Annotated[str, typer.Option(help="Early evaluations, in epochs; 'none' for none.")] = "0,0.25,0.5,0.75",
    every: Annotated[int, typer.Option(help="Epochs between evaluations.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    sync_batchnorm: Annotated[
        bool, typer.Option("--sync-batchnorm", help="Batch norm over all processes of torchrun.")
    ] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Train a network, evaluate it on held-out samples on the way, score them; the same call again resumes."""
    from avhcurate.training_dynamics.train import summary, train_seeds
    from avhcurate.training_dynamics.train_settings import RATE, TUNING_RATE, TrainSettings

    if weights and pretrained:
        raise CurateError("--weights and --pretrained: give one of them")
    named = find_recipe(recipe) if recipe else None
    if model is None and named is not None:
        model = named.model
    if model is None:
        raise CurateError(f"which network? Give --model, or --recipe {' or '.join(RECIPES)}")
    start: Path | str | None = weights.absolute() if weights else "pretrained" if pretrained else None
    usual = RATE if start is None else TUNING_RATE
    values: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": usual if learning_rate is None else learning_rate,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "warmup": warmup,
        "drops": options.numbers("--drops", drops) or (),
        "drop_factor": drop_factor,
        "loss": loss,
        "scale": scale,
        "learn_scale": learn_scale,
        "label_smoothing": label_smoothing,
        "precision": precision,
        "bias_rate": bias_rate,
        "clip": clip or None,
        "ema": ema or None,
        "freeze": freeze,
        "crop_fill": crop_fill,
        "alternate_flips": alternate_flips,
        "jitter": jitter,
    }
    if named is not None:
        chosen = replace(named.recipe, **options.given(context, values))
        crop_padding = named.recipe.crop_padding if crop_padding is None else crop_padding
    else:
        chosen = Recipe(**values)
    settings = TrainSettings(
        model,
        chosen,
        weights=start,
        crop_padding=crop_padding,
        flip=flip,
        head=head,
        resize=resize,
        crop=crop,
        mean=options.numbers("--mean", mean),
        std=options.numbers("--std", std),
        held_out=held_out,
        train_where=train_where,
        held_out_where=held_out_where,
        split_seed=split_seed,
        train_sample=train_sample,
        early=() if early == "none" else options.numbers("--early", early) or (),
        every=every,
        device=device,
        sync_batchnorm=sync_batchnorm,
        tensorboard=tensorboard,
    )
    space, each = options.open_workspace(workspace), options.integers("--seeds", seeds)
    trainings = options.distributed_job(
        space, "train", name, lambda progress: train_seeds(space, name, settings, each, progress=progress)
    )
    summaries = [summary(training) for training in trainings]
    if summaries and as_json:
        options.print_json({"trainings": summaries})
    elif summaries:
        _print(summaries, workspace)


def _print(summaries: list[dict[str, Any]], workspace: Path | None) -> None:
    from avhcurate.training_dynamics.leaks import leak_text

    first = summaries[0]
    print(
        f"{first['model']} trained on {first['trained_samples']} samples of {first['trained_on']}, "
        f"{first['held_out_samples']} of {first['recorded_on']} held out, {first['loss_function']} loss"
    )
    print(f"{leak_text(first['held_out_copies'], first['trained_on'], first['recorded_on'])}\n")
    print(f"{'training':<56} {'accuracy':>9} {'mean AVH':>9} {'loss':>8} {'seconds':>8}")
    for row in summaries:
        print(
            f"{row['training']:<56} {row['accuracy']:>9.4f} {row['avh']:>9.4f} {row['loss']:>8.4f} "
            f"{row['seconds']:>8.1f}"
        )
    print(f"\nweights {summaries[-1]['weights']}")
    if broken := first["broken_images"]:
        print(f"{broken} images could not be read and were left out. Once they can be, train again after:")
        for row in summaries:
            print(f"  avhcurate remove {row['recorded_on']} --training {row['training']}")
    options.print_next_of_run(first["recorded_on"], workspace)

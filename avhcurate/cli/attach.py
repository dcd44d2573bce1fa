"""The verb that attaches outputs of a network computed elsewhere."""

from typing import Annotated

import typer

from avhcurate.cli import options

_ARRAY = "FILE, FILE:NAME, or a list column that the import kept."


@options.app.command()
def attach(
    name: options.NameArgument,
    features: Annotated[str, typer.Option(help=f"Embeddings (N, D): {_ARRAY}")] = "",
    class_weights: Annotated[str, typer.Option(help="Weight (K, D) of the last linear layer, for AVH.")] = "",
    bias: Annotated[str, typer.Option(help="Its bias (K,).")] = "",
    logits: Annotated[str, typer.Option(help="Logits (N, K).")] = "",
    probs: Annotated[str, typer.Option(help="Probabilities (N, K), in place of logits.")] = "",
    by: Annotated[
        str, typer.Option(help="Which sample a row is: order of id, path, or a column that both sides have.")
    ] = "order",
    rows: Annotated[str, typer.Option(help="Table with a row for each row, where the file holds numbers alone.")] = "",
    run: Annotated[str | None, typer.Option("--name", help="Name of the run [from the file].")] = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Attach embeddings, class weights, logits or probabilities as a run; .npy, .npz, safetensors, Parquet."""
    from avhcurate.scoring.attach import attach_run
    from avhcurate.scoring.attached_arrays import AttachSpec

    spec = AttachSpec(features, class_weights, bias, logits, probs, by, rows)
    space = options.open_workspace(workspace)
    with options.job(space, "attach", name) as progress:
        record = attach_run(space, name, spec, run_name=run, progress=progress).record
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.samples - record.skipped} samples of {name} attached as {record.name}")
    options.print_messages(record.attached.notes if record.attached else [])
    options.print_next_of_run(name, workspace)

"""`avhcurate project`: a map of samples and class weights in two dimensions."""

from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def project(
    name: options.NameArgument,
    model: options.ModelOption = None,
    neighbours: Annotated[
        int,
        typer.Option("--neighbours", "--neighbors", help="Neighbours of each sample: few show detail, many the whole."),
    ] = 15,
    seed: Annotated[
        int | None,
        typer.Option(help="Makes UMAP repeatable, on one thread [none, all cores]."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Number of samples to project, spread evenly.", min=1)] = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Project a scored dataset to two dimensions: PCA first, then UMAP, class weights among the samples.

    Both maps are kept; the same call again does nothing, or resumes.
    """
    import numpy as np

    from avhcurate.map.service import project_dataset

    space = options.open_workspace(workspace)
    with options.job(space, "project", name) as progress:
        folder = project_dataset(
            space,
            name,
            model,
            neighbours=neighbours,
            seed=seed,
            limit=limit,
            progress=progress,
        )
    record, path = folder.record, folder.root / "coordinates.parquet"
    if as_json:
        options.print_json({"record": record.model_dump(mode="json"), "coordinates": str(path)})
        return
    placed = int(np.isfinite(folder.class_weights()).all(axis=1).sum())
    print(f"{name}, {record.run}: map {record.name} of {record.placed:,} samples and {placed:,} class weights")
    print(f"{path} holds id, x and y. To see the map, run avhcurate serve and open the page Map.")

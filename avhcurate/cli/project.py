"""`avhcurate project`: a map of samples and class weights in two dimensions."""

from typing import Annotated, Literal

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError


@options.app.command()
def project(
    name: options.NameArgument,
    model: options.ModelOption = None,
    metric: Annotated[
        str, typer.Option(help="cosine: by angle, as the scores are; or euclidean: by length too.")
    ] = "cosine",
    neighbours: Annotated[
        int,
        typer.Option("--neighbours", "--neighbors", help="Neighbours of each sample: few show detail, many the whole."),
    ] = 15,
    min_dist: Annotated[float, typer.Option(help="How close points may lie, from 0 to 1.")] = 0.1,
    pca: Annotated[
        str, typer.Option(help="Dimensions that UMAP gets: a number, none, or auto (50 above 10,000 samples).")
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(help="Makes UMAP repeatable: one thread, about 1.5 times the time of two [none, all cores]."),
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
            metric=metric,
            neighbours=neighbours,
            min_dist=min_dist,
            pca=_dimensions(pca),
            seed=seed,
            limit=limit,
            progress=progress,
        )
    record, path = folder.record, folder.root / "coordinates.parquet"
    if as_json:
        options.print_json({"record": record.model_dump(mode="json"), "coordinates": str(path)})
        return
    placed = int(np.isfinite(folder.class_weights()).all(axis=1).sum())
    weights = f"{placed} class weights" if placed else "no class weights, since the run was attached without"
    print(f"{name}, {record.run}: map {record.name} of {record.placed:,} samples and {weights}")
    print(f"{path} holds id, x and y; see it on the page Map: avhcurate serve")


def _dimensions(text: str) -> int | Literal["auto"] | None:
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    if not text.isdecimal():
        raise CurateError(f"--pca takes a number of dimensions, auto or none, not {text!r}")
    return int(text)

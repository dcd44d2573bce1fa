"""`avhcurate neighbours`: the nearest samples of every sample, and the score of outliers."""

from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def neighbours(
    name: options.NameArgument,
    model: options.ModelOption = None,
    count: Annotated[int, typer.Option(help="Neighbours of each sample.", min=1, max=200)] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the search, and of the samples that check it.", min=0)] = 0,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Find the nearest samples of every sample by angle, for suspects, copies, the map and outliers.

    The same call again does nothing, or resumes. Embeddings of your own: `avhcurate attach` makes a run of them.
    """
    from avhcurate.neighbours.service import RECALL, find_neighbours
    from avhcurate.table.dataset_table import open_table

    space = options.open_workspace(workspace)
    with options.job(space, "neighbours", name) as progress:
        dataset = space.dataset(name)
        graph = find_neighbours(dataset, dataset.run(model), count=count, seed=seed, progress=progress)
    record = graph.record
    far = open_table(space, name, record.run).page(
        sort="neighbour_angle", descending=True, limit=10, columns=["id", "path", "label_name", "neighbour_angle"]
    )
    if as_json:
        options.print_json({"record": record.model_dump(mode="json"), "outliers": far})
        return
    how = "all compared" if record.method == "exact" else f"by {record.method}, {record.recall:.1%} of them found"
    print(f"{name}, {record.run}: {record.count} nearest of {record.samples:,} samples, {how}")
    if record.recall is not None and record.recall < RECALL:
        print(
            f"{RECALL:.0%} were to be found: with these embeddings suspects, copies and outliers miss some neighbours"
        )
    print("the samples furthest from their nearest, by the column neighbour_angle:")
    print(far.round(4).to_string(index=False))

"""`avhcurate degrade`: whether each score follows degradations of the images."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def degrade(
    name: options.NameArgument,
    model: options.ModelOption = None,
    weights: Annotated[
        Path | None, typer.Option(help="File of the run's weights, where they came from a file.")
    ] = None,
    kinds: Annotated[str | None, typer.Option(help="As contrast,noise,blur,jpeg [all].")] = None,
    limit: Annotated[int, typer.Option(help="Number of samples to degrade, spread evenly; 0 for all.", min=0)] = 1000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto (the run's), float32, bfloat16 or float16.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(help="Images a forward pass [chosen].", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.", min=0)] = 0,
    engine: options.EngineOption = "local",
    address: options.AddressOption = None,
    staging: options.StagingOption = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Degrade a scored dataset's images and correlate every score with the level; the same call again resumes."""
    from avhcurate.degradation import service as degradation_service
    from avhcurate.table.dataset_table import open_table

    space = options.open_workspace(workspace)
    options.check_csv(csv, force=force)
    with options.job(space, "degrade", name) as progress, options.engine(engine, address, staging) as where:
        folder = degradation_service.degrade_dataset(
            space,
            name,
            model,
            weights="random" if weights == Path("random") else weights,
            kinds=options.comma_separated(kinds) if kinds is not None else None,
            limit=limit or None,
            device=device,
            precision=precision,
            batch_size=batch_size,
            seed=seed,
            engine=where,
            progress=progress,
        )
    record = folder.record
    degraded = degradation_service.read(open_table(space, name, record.run), folder)
    summary = degradation_service.summarise(degraded)
    options.write_csv(summary, csv, force=force)
    if as_json:
        options.print_json({"record": record.model_dump(mode="json"), "rows": summary})
        return
    print(f"{name}, {record.run}: {degraded.images} images at {record.steps} steps, {record.skipped} skipped")
    if record.skipped:
        print(folder.problems().head(10).to_string(index=False))
        print("Check that they still lie where they were imported from\n")
    print("median Spearman with the level, and the share of images that go the expected way")
    cells = summary["median"].map("{:.2f}".format) + summary["expected"].map(" {:4.0%}".format)
    wide = summary.assign(cell=cells).pivot(index="score", columns="kind", values="cell")
    print(wide.loc[list(degradation_service.KEYS), degraded.kinds].to_string(na_rep="-"))

"""`avhcurate quality`: measures of every image, and near duplicates."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def quality(
    name: options.NameArgument,
    model: options.ModelOption = None,
    hashes: Annotated[bool, typer.Option("--hashes/--no-hashes", help="Compare images by perceptual hash.")] = True,
    near: Annotated[
        float | None, typer.Option(help="Least cosine of embeddings of near duplicates [derived from the run].")
    ] = None,
    bits: Annotated[int, typer.Option(help="Bits of 64 in which hashes of near duplicates differ.", min=0, max=16)] = 4,
    upright: Annotated[
        bool, typer.Option("--upright", help="Pass over mirrored and turned copies: for letters, digits or arrows.")
    ] = False,
    tiny: Annotated[
        float | None, typer.Option(help="Images are tiny below this shorter side [a quarter of the median].", min=0)
    ] = None,
    black: Annotated[float, typer.Option(help="Images are black below this brightness.", min=0, max=1)] = 0.03,
    blank: Annotated[float, typer.Option(help="Images are blank below this contrast.", min=0, max=1)] = 0.02,
    blurred: Annotated[float, typer.Option(help="Images are blurred below this sharpness.", min=0)] = 1.5,
    engine: options.EngineOption = "local",
    address: options.AddressOption = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row a sample to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Measure light, sharpness and size of every image, and group near duplicates; the same call again resumes."""
    from avhcurate.quality import service as quality_service
    from avhcurate.quality.flaws import FLAWS, Thresholds
    from avhcurate.quality.odd_files import KINDS, odd_files
    from avhcurate.table.dataset_table import open_table

    space = options.open_workspace(workspace)
    options.check_csv(csv, force=force)
    with options.job(space, "quality", name) as progress, options.engine(engine, address) as where:
        folder = quality_service.measure_dataset(
            space,
            name,
            model,
            hashes=hashes,
            near=near,
            bits=bits,
            upright=upright,
            engine=where,
            progress=progress,
        )
    record = folder.record
    table = open_table(space, name, record.run)
    duplicates = quality_service.find_duplicates(table)
    odd = odd_files(table, thresholds=Thresholds(tiny=tiny, black=black, blank=blank, blurred=blurred))
    summary = quality_service.summarise(table)
    if csv:  # a row for each sample
        options.write_csv(quality_service.measures_table(table), csv, force=force)
    if as_json:
        options.print_json(
            {
                "record": record.model_dump(mode="json"),
                "measures": summary,
                "groups": duplicates.groups,
                "odd_files": odd.files,
                "odd_kinds": odd.counts,
                "thresholds": odd.limits,
            }
        )
        return
    print(f"{name}: {record.samples - record.skipped} images measured, {record.skipped} cannot be read")
    print(summary.round(4).to_string(index=False, na_rep="-"))
    groups = duplicates.groups
    by = f", embeddings of {record.run} from cosine {record.similarity:.4f}" if record.similarity is not None else ""
    print(f"\n{len(groups)} groups of near duplicates ({len(duplicates.extra)} copies){by}")
    print(f"{int(groups['leak'].sum())} across splits, {int(groups['conflict'].sum())} with different labels")
    print(f"\n{len(odd.files)} odd files")
    for kind, n in odd.counts.items():
        rule = f" ({FLAWS[kind].rule(odd.limits[kind])})" if kind in FLAWS else ""
        print(f"{n} {KINDS[kind].lower()}{rule}")
    if len(odd.files):
        print(odd.files[["id", "path", "odd"]].head(10).to_string(index=False))

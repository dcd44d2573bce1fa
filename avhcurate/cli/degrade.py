"""`avhcurate degrade`: whether each score follows degradations of the images."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.features.degradation.settings import DegradeSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace


@options.verb(DegradeSettings)
def degrade(
    settings: DegradeSettings,
    space: "Workspace",
    csv: options.CsvOption = None,
) -> None:
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.degradation import service
    from avhcurate.workspace.data import background

    options.check_csv(csv)
    with background.job(space.root, settings) as progress, options.engine(settings.engine) as engine:
        folder = service.degrade_dataset(space, settings, engine=engine, progress=progress)
    record = folder.record
    degraded = service.read(open_table(space, settings.dataset, record.run), folder)
    summary = degraded.summary
    options.write_csv(summary, csv)
    if options.as_json():
        options.print_json({"record": record.model_dump(mode="json"), "rows": summary})
        return
    print(f"{record.run}: {degraded.images} images at {record.steps} steps, {record.skipped} skipped")
    if record.skipped:
        options.print_table(folder.problems().head(10))
        print("Check that these images are still where they were imported from.\n")
    print("median Spearman with the level, and the share of images that go the expected way")
    cells = summary["median"].map("{:.2f}".format) + summary["expected"].map(" {:4.0%}".format)
    wide = summary.assign(cell=cells).pivot(index="score", columns="kind", values="cell")
    options.print_table(wide.loc[list(service.KEYS), list(record.strengths)].reset_index())

"""`avhcurate degrade`: whether each score follows degradations of the images."""

from avhcurate.cli import options
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.lab.degradation.settings import DegradeSettings


@options.verb(DegradeSettings, group="Training", table=True)
def degrade(settings: DegradeSettings) -> None:
    with options.engine(settings.engine, "avhcurate.networks.scoring.image_pass") as engine:
        from avhcurate.lab.degradation import service

        with options.job(settings) as progress:
            folder = service.degrade_dataset(options.open_workspace(), settings, engine=engine, progress=progress)
    record = folder.record
    opened = options.run_table(settings.dataset, record.run)
    degraded = service.read(opened.samples, folder)
    if not len(degraded.ids):
        raise empty_view(
            opened.samples, Filters(), "None of the degraded images is in the dataset now. Degrade them again."
        )
    summary = degraded.summary
    if options.printed({"record": record, "rows": summary}, summary):
        return
    print(f"{record.run}: {len(degraded.ids)} images at {record.steps} steps, {record.skipped} skipped")
    if record.skipped:
        options.print_table(folder.problems().head(10))
        print("Check that these images are still where they were imported from.\n")
    print("median Spearman with the level, and the share of images that go the expected way")
    cells = summary["median"].map("{:.2f}".format) + summary["expected"].map(" {:4.0%}".format)
    wide = summary.assign(cell=cells).pivot(index="score", columns="kind", values="cell")
    options.print_table(wide.loc[list(service.KEYS), list(record.strengths)].reset_index())

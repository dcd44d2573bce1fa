"""Verbs that bring data in and describe it: import, columns."""

from avhcurate.cli import options
from avhcurate.datasets.sources.settings import ColumnsSettings, ImportSettings


@options.verb(ImportSettings)
def import_(settings: ImportSettings) -> None:
    from avhcurate.datasets.sources.readers import class_list
    from avhcurate.datasets.sources.service import import_dataset
    from avhcurate.datasets.table.logs import open_response_log

    options.path(settings.source)
    space = options.open_workspace()
    progress = options.started_job()
    if settings.source.startswith(("hf:", "torchvision:")):  # hours, perhaps: the pages show it
        progress = options.job(settings)
    with progress as reports:
        folder = import_dataset(
            space,
            settings.dataset,
            settings.source,
            label_column=settings.label_column,
            image_column=settings.image_column,
            split_column=settings.split_column,
            votes=settings.votes,
            root=settings.root,
            classes=class_list(settings.classes),
            force=settings.force,
            progress=reports,
        )
    open_response_log(space)
    options.print_dataset(folder)


@options.verb(ColumnsSettings)
def columns(settings: ColumnsSettings) -> None:
    from avhcurate.datasets.curate.columns import describe_columns, set_harder

    name = settings.dataset
    table = options.run_table(name)
    if settings.harder:
        set_harder(options.open_workspace(), table, dict(map(_column_and_end, settings.harder)))
        table = options.run_table(name)
    described = describe_columns(table)
    if options.printed({"columns": described}, described):
        return
    if described.empty:
        print(f"{name} has no columns of your own: import a CSV or Parquet table that has some")
    else:
        print(described.to_string(index=False, na_rep=""))


def _column_and_end(text: str) -> tuple[str, str]:
    from avhcurate.errors import CurateError

    column, equals, end = text.rpartition("=")
    if not equals:
        raise CurateError(f"The value {text!r} of --harder is not valid. Give COLUMN=high, COLUMN=low or COLUMN=none.")
    return column, end

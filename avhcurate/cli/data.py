"""Verbs that bring data in and describe it: import, fetch for public data, columns, quality."""

from avhcurate.cli import options
from avhcurate.cli.consent import agree
from avhcurate.datasets.sources.settings import ColumnsSettings, FetchSettings, ImportSettings
from avhcurate.errors import CurateError
from avhcurate.features.quality.settings import QualitySettings


@options.verb(ImportSettings, group="Start")
def import_(settings: ImportSettings) -> None:
    from avhcurate.datasets.sources.manifest import class_list
    from avhcurate.datasets.sources.service import import_dataset
    from avhcurate.people.log import open_response_log

    options.path(settings.source)
    space = options.open_workspace()
    progress = options.started_job()
    if settings.source.startswith("hf:"):  # hours, perhaps: the pages show it
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
    open_response_log(space.root)
    options.print_dataset(folder)


@options.verb(FetchSettings, group="Start")
def fetch(settings: FetchSettings) -> None:
    from avhcurate.datasets.sources.fetch import PUBLIC, fetch_public, find_public

    if settings.dataset is None:
        listed = [f"{public.name}: {public.title} ({public.megabytes})" for public in PUBLIC.values()]
        datasets = [{"name": public.name, "title": public.title, "bytes": public.size} for public in PUBLIC.values()]
        options.print_result({"datasets": datasets}, "\n".join(listed))
        return
    agree(find_public(settings.dataset), settings.yes, f"fetch {settings.dataset}")
    with options.job(settings) as progress:
        result = fetch_public(
            options.open_workspace(),
            settings.dataset,
            mirror=settings.mirror,
            force=settings.force,
            progress=progress,
        )
    assert result.folder is not None
    options.print_dataset(result.folder)
    options.print_messages(result.messages)


@options.verb(ColumnsSettings, group="Images", table=True)
def columns(settings: ColumnsSettings) -> None:
    from avhcurate.datasets.curate.columns import describe_columns, set_harder

    name = settings.dataset
    opened = options.run_table(name)
    if settings.harder:
        ends = dict(map(_column_and_end, settings.harder))
        set_harder(options.open_workspace(), opened.samples, opened.dataset, ends)
        opened = options.run_table(name)
    described = describe_columns(opened.samples)
    if options.printed({"columns": described}, described):
        return
    if described.empty:
        print(f"{name} has no columns of your own: import a CSV or Parquet table that has some")
    else:
        print(described.to_string(index=False, na_rep=""))


def _column_and_end(text: str) -> tuple[str, str]:
    column, equals, end = text.rpartition("=")
    if not equals:
        raise CurateError(f"The value {text!r} of --harder is not valid. Give COLUMN=high, COLUMN=low or COLUMN=none.")
    return column, end


@options.verb(QualitySettings, group="Data", table=True)
def quality(settings: QualitySettings) -> None:
    name = settings.dataset
    with options.engine(settings.engine, "avhcurate.features.quality.service") as engine:
        from avhcurate.features.quality import service
        from avhcurate.features.quality.odd_files import KINDS, odd_files, rule
        from avhcurate.features.quality.study import FLAWS

        with options.job(settings) as progress:
            folder = service.measure_dataset(
                options.open_workspace(),
                name,
                settings.model,
                near=settings.near,
                upright=settings.upright,
                engine=engine,
                progress=progress,
            )
    record = folder.record
    opened = options.run_table(name, record.run)
    duplicates = service.find_duplicates(opened.samples, opened.dataset)
    odd = odd_files(opened.samples, opened.dataset, limits=settings.model_dump(include=set(FLAWS)))
    summary = service.summarise(opened.samples)
    groups = duplicates.groups
    if options.printed(
        {
            "record": record,
            "measures": summary,
            "groups": groups,
            "odd_files": odd.files,
            "odd_kinds": odd.counts,
            "thresholds": odd.limits,
        },
        lambda: service.measures_table(opened.samples, opened.dataset),
    ):
        return
    print(f"{name}: {record.samples - record.skipped} images measured, {record.skipped} cannot be read")
    options.print_table(summary, digits=4)
    print(f"\n{len(groups)} groups of near duplicates ({len(duplicates.extra)} copies)")
    if record.similarity is not None:
        print(f"embeddings of {record.run} from cosine {record.similarity:.4f}")
    print(f"{int(groups['leak'].sum())} across splits, {int(groups['conflict'].sum())} with different labels")
    for leak in service.leaks(opened.samples, opened.dataset):
        print(leak)
    print(f"\n{len(odd.files)} odd files")
    for kind, n in odd.counts.items():
        when = ""
        if kind in FLAWS:
            when = f" ({rule(kind, odd.limits[kind])})"
        print(f"{n} {KINDS[kind].lower()}{when}")
    if len(odd.files):
        print(odd.files[["id", "path", "odd"]].head(10).to_string(index=False))

"""`avhcurate quality`: measures of every image, and near duplicates."""

from avhcurate.cli import options
from avhcurate.features.quality.settings import QualitySettings


@options.verb(QualitySettings)
def quality(settings: QualitySettings) -> None:
    name = settings.dataset
    with options.engine(settings.engine, "avhcurate.features.quality.service") as engine:
        from avhcurate.features.quality import service
        from avhcurate.features.quality.odd_files import FLAWS, KINDS, odd_files, rule

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
    table = options.run_table(name, record.run)
    duplicates = service.find_duplicates(table)
    odd = odd_files(table, limits=settings.model_dump(include=set(FLAWS)))
    summary = service.summarise(table)
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
        lambda: service.measures_table(table),
    ):
        return
    print(f"{name}: {record.samples - record.skipped} images measured, {record.skipped} cannot be read")
    options.print_table(summary, digits=4)
    print(f"\n{len(groups)} groups of near duplicates ({len(duplicates.extra)} copies)")
    if record.similarity is not None:
        print(f"embeddings of {record.run} from cosine {record.similarity:.4f}")
    print(f"{int(groups['leak'].sum())} across splits, {int(groups['conflict'].sum())} with different labels")
    print(f"\n{len(odd.files)} odd files")
    for kind, n in odd.counts.items():
        when = ""
        if kind in FLAWS:
            when = f" ({rule(kind, odd.limits[kind])})"
        print(f"{n} {KINDS[kind].lower()}{when}")
    if len(odd.files):
        print(odd.files[["id", "path", "odd"]].head(10).to_string(index=False))

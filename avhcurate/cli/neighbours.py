"""`avhcurate neighbours`: the nearest samples of every sample, and the score of outliers."""

from avhcurate.cli import options
from avhcurate.networks.neighbours.settings import NeighboursSettings


@options.verb(NeighboursSettings)
def neighbours(settings: NeighboursSettings) -> None:
    from avhcurate.networks.neighbours.service import RECALL, find_neighbours

    with options.job(settings) as progress:
        dataset = options.open_workspace().dataset(settings.dataset)
        run = dataset.run(settings.model)
        record = find_neighbours(dataset, run, count=settings.count, seed=settings.seed, progress=progress).record
    table, columns = options.run_table(settings.dataset, record.run), ["id", "path", "label_name", "neighbour_angle"]
    far = table.page(sort="neighbour_angle", descending=True, limit=10, columns=columns)
    if options.printed({"record": record, "outliers": far}, lambda: table.frame(columns=columns)):
        return
    how = "all compared"
    if record.method != "exact":
        how = f"by {record.method}, {record.recall:.1%} of them found"
    print(f"{settings.dataset}, {record.run}: {record.count} nearest of {record.samples:,} samples, {how}")
    if record.recall is not None and record.recall < RECALL:
        print(f"The aim is {RECALL:.0%}: with these embeddings suspects, copies and outliers miss some neighbours.")
    print("the samples furthest from their nearest, by the column neighbour_angle:")
    print(far.round(4).to_string(index=False))

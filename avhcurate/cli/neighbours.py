"""`avhcurate neighbours`: the nearest samples of every sample, and the score of outliers."""

from avhcurate.cli import options
from avhcurate.networks.neighbours.settings import NeighboursSettings


@options.verb(NeighboursSettings)
def neighbours(settings: NeighboursSettings) -> None:
    from avhcurate.networks.neighbours.service import RECALL, find_neighbours
    from avhcurate.networks.neighbours.words import angles_to_words

    with options.job(settings) as progress:
        dataset = options.open_workspace().dataset(settings.dataset)
        run = dataset.run(settings.model)
        if settings.like_text:
            _print_like(settings.dataset, run.name, angles_to_words(run, settings.like_text, progress=progress))
            return
        record = find_neighbours(dataset, run, count=settings.count, seed=settings.seed, progress=progress).record
    table = options.run_table(settings.dataset, record.run)
    columns = ["id", "path", "label_name", "neighbour_angle"]
    outliers = table.page(sort="neighbour_angle", descending=True, limit=10, columns=columns)
    if options.printed({"record": record, "outliers": outliers}, lambda: table.frame(columns=columns)):
        return
    method = "all compared"
    if record.method != "exact":
        method = f"by {record.method}, {record.recall:.1%} of them found"
    print(f"{settings.dataset}, {record.run}: {record.count} nearest of {record.samples:,} samples, {method}")
    if record.recall is not None and record.recall < RECALL:
        print(f"The aim is {RECALL:.0%}: with these embeddings suspects, copies and outliers miss some neighbours.")
    print("the samples furthest from their nearest, by the column neighbour_angle:")
    options.print_table(outliers, digits=4)


def _print_like(dataset: str, run: str, column: str) -> None:
    """Print the images at the smallest angle to words."""
    table = options.run_table(dataset, run)
    columns = ["id", "path", "label_name", column]
    nearest = table.page(sort=column, limit=10, columns=columns)
    if not options.printed({"column": column, "nearest": nearest}, lambda: table.frame(columns=columns)):
        options.print_table(nearest, digits=4)

"""Verbs that look for images worth seeing: suspects, neighbours, project."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.errors import NothingFound
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.networks.neighbours.settings import NeighboursSettings

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.features.suspects.store import SuspectsRecord

#: Suspects that are printed without --limit.
FIRST = 20


@options.verb(SuspectsSettings, group="Images", table=True)
def suspects(settings: SuspectsSettings) -> None:
    from avhcurate.features.suspects import decisions
    from avhcurate.features.suspects import service as suspects_service
    from avhcurate.features.suspects.suggestions import suspects_now

    opened = options.run_table(settings.dataset, settings.model)
    with options.job(settings) as progress:
        folder = suspects_service.find_suspects(opened.run, opened.votes, settings, progress=progress)
    record = folder.record
    listed = suspects_now(opened.samples, opened.votes, folder)
    doubtful = decisions.undecided(opened.samples, listed, where=settings.where)
    rows = suspects_service.export_table(opened.samples, doubtful, record)[: settings.limit]
    left_out = len(listed) - len(doubtful)
    if not options.printed({"record": record, "left_out": left_out, "rows": rows}, rows):
        _print_suspects(settings, record, opened.samples.classes, rows, doubtful, left_out)
    if rows.empty:
        raise NothingFound(f"No undecided label of {settings.dataset} is in doubt.")


def _print_suspects(
    settings: SuspectsSettings,
    record: "SuspectsRecord",
    classes: Sequence[str],
    rows: "pd.DataFrame",
    doubtful: "pd.DataFrame",
    left_out: int,
) -> None:
    from avhcurate.features.suspects.suggestions import support

    by = "by the run's own heads"
    if record.heads:
        by = f"out of {record.heads.folds} folds, accuracy of the heads {record.heads.accuracy:.3f}"
    print(f"{settings.dataset}, {record.run}, {by}: {record.listed} of {record.samples} labels are in doubt")
    simulated = " (SIMULATED votes)" if record.simulated else ""
    print("doubted by " + ", ".join(f"{key} {n}" for key, n in record.doubting.items()) + simulated)
    print(", ".join(f"{key} {n}" for key, n in record.verdicts.items()))
    print(record.weights_text)
    if often := record.often_text(classes):
        print(often)
    if left_out:
        why = "decided, excluded or outside the condition" if settings.where else "decided or excluded"
        print(f"{left_out} are {why} and left out")
    for source, why in record.missing.items():
        print(f"without {source}: {why}")
    first = rows.head(settings.limit or FIRST)
    if len(first):
        columns = ["rank", "id", "path", "label_name", "suggested_name", "verdict"]
        named_by = [support(row) for row in doubtful.head(len(first)).to_dict("records")]
        print(first[columns].assign(named_by=named_by).to_string(index=False))
    if len(first) < len(doubtful):
        print(f"{len(doubtful) - len(first)} more are in doubt: --out FILE writes all")


# --- neighbours and map ------------------------------------------------------------------------------------------


@options.verb(NeighboursSettings, group="Images", table=True)
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
    opened = options.run_table(settings.dataset, record.run)
    columns = ["id", "path", "label_name", "neighbour_angle"]
    outliers = opened.samples.page(sort="neighbour_angle", descending=True, limit=10, columns=columns)
    if options.printed({"record": record, "outliers": outliers}, lambda: opened.samples.frame(columns=columns)):
        return
    method = "all compared"
    if record.method != "exact":
        method = f"by {record.method}, {record.recall:.1%} of them found"
    print(f"{settings.dataset}, {record.run}: {record.count} nearest of {record.samples:,} images, {method}")
    if record.recall is not None and record.recall < RECALL:
        print(f"The aim is {RECALL:.0%}: with these embeddings suspects, copies and outliers miss some neighbours.")
    print("the images furthest from their nearest, by the column neighbour_angle:")
    options.print_table(outliers, digits=4)


def _print_like(dataset: str, run: str, column: str) -> None:
    """Print the images at the smallest angle to words."""
    opened = options.run_table(dataset, run)
    columns = ["id", "path", "label_name", column]
    nearest = opened.samples.page(sort=column, limit=10, columns=columns)
    if not options.printed({"column": column, "nearest": nearest}, lambda: opened.samples.frame(columns=columns)):
        options.print_table(nearest, digits=4)


@options.verb(ProjectSettings, group="Images", table=True)
def project(settings: ProjectSettings) -> None:
    import numpy as np
    import pandas as pd

    from avhcurate.features.map.service import project_dataset

    with options.job(settings) as progress:
        folder = project_dataset(options.open_workspace(), settings, progress=progress)
    record = folder.record
    path = folder.root / "coordinates.parquet"
    if options.printed({"record": record, "coordinates": str(path)}, lambda: pd.read_parquet(path)):
        return
    placed = int(np.isfinite(folder.class_weights()).all(axis=1).sum())
    print(f"{settings.dataset}, {record.run}: map {record.name} of {record.placed:,} images, {placed:,} class weights")
    print(f"{path} holds id, x and y. To see the map, run avhcurate serve and open the page Map.")

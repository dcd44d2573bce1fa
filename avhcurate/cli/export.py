"""The verbs that write labels to files: export and split."""

from functools import partial
from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.datasets.export.settings import ExportSettings, SplitSettings
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.datasets.table.open_dataset import OpenDataset
    from avhcurate.datasets.table.sample_table import SampleTable


#: What an export that is chosen or ordered by a score says.
_HARDEST = (
    "hard images are to look at, and the worst to train on: the hardest tenth by AVH gave heads 32 to 76 points less "
    "accurate than random images did, in 15 of 15 settings"
)


@options.verb(ExportSettings, group="Images")
def export(settings: ExportSettings) -> None:
    from avhcurate.datasets.curate.second_person import second_person
    from avhcurate.datasets.export.service import FOLDERS, export, format_named, order_of
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.measures.scores import SCORES
    from avhcurate.networks.neighbours.words import angles_to_words
    from avhcurate.people.bins import parse_edges

    if str(settings.out) == "-" and settings.format in FOLDERS:
        raise CurateError("A folder cannot go to standard output. Give --out a name.")
    name = settings.dataset
    edges = None
    query = _query(name, settings.view or "")
    if "edges" in query:
        edges = parse_edges(query["edges"])
    open_dataset = partial(options.run_table, name, settings.model or query.get("run"), edges=edges)
    opened = open_dataset()
    filters = Filters.from_query(query)
    sets = tuple(dict.fromkeys([*filters.sets, *settings.set]))
    filters = filters.narrowed(Filters(where=settings.where, sets=sets))
    sort = settings.sort
    if settings.like_text:
        column = angles_to_words(opened.run, settings.like_text)
        opened = open_dataset()
        sort = sort or f"{column}:asc"
    second = second_person(opened.decisions, opened.votes)
    opened = _with_labels(opened, settings)
    with options.started_job() as progress, options.output(settings.out) as out:
        count = export(
            opened,
            filters,
            settings.format or format_named(out),
            out,
            force=settings.force,
            order=order_of(opened.samples, opened.run, filters, query, sort=sort, like=settings.like),
            progress=progress,
            details={"confirmed": settings.confirmed, "labels": settings.labels},
        )
    result = {"samples": count, "out": str(settings.out), "simulated": opened.samples.simulated}
    options.print_result(result, f"{count} images of {name} written to {settings.out}" + _simulated(opened.samples))
    if settings.confirmed:
        alone = len(second.rows) - second.confirmed
        options.print_messages(
            [
                f"{second.confirmed} decisions are confirmed by a second person; {alone} are not, and go out with the "
                "given label"
            ]
        )
    if any(key in f"{filters.where} {sort}" for key in SCORES):
        options.print_messages([_HARDEST])


def _with_labels(opened: "OpenDataset", settings: ExportSettings) -> "OpenDataset":
    """Return the table with the labels that go out."""
    from avhcurate.datasets.curate.second_person import confirmed_only
    from avhcurate.datasets.export.consensus import with_consensus

    if settings.confirmed and settings.labels == "consensus":
        raise CurateError("A consensus is of all who answered, and --confirmed of decisions. Leave one out.")
    if settings.confirmed:
        return confirmed_only(opened)
    if settings.labels == "consensus":
        return with_consensus(opened)
    return opened


def _query(name: str, view: str) -> dict[str, str]:
    """Return the parameters of a saved view, or of the address of a page."""
    from urllib.parse import parse_qsl

    from avhcurate.datasets.curate.saved import Saved

    if not view:
        return {}
    if "=" not in view:
        return Saved(options.open_workspace(), name).view(view).query
    query = dict(parse_qsl(view.rpartition("?")[2]))
    if query.get("dataset", name) != name:
        raise CurateError(f"The address is of another dataset, {query['dataset']!r}. Export that one.")
    return query


def _simulated(samples: "SampleTable") -> str:
    if not samples.simulated:
        return ""
    return "\nThe HSF columns come from simulated votes; the file says so."


@options.verb(SplitSettings, group="Data")
def split(settings: SplitSettings) -> None:
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.saved import split_service
    from avhcurate.workspace.data.bursts import AUTO, found_text

    if settings.out is None and settings.as_sets is None:
        raise CurateError("Say where to write the parts: --out FILE, --as-sets NAME, or both.")
    opened = options.run_table(settings.dataset)
    parts = split_service.make_split(
        opened.decisions,
        opened.votes,
        opened.run,
        settings.shares,
        by=settings.by,
        seed=settings.seed,
        group=settings.group,
        filters=Filters(where=settings.where, sets=settings.set),
    )
    saved: list[str] = []
    if settings.out is not None:
        with options.output(settings.out) as out:
            split_service.write_split(parts, out, force=settings.force)
    if settings.as_sets is not None:
        saved = split_service.save_parts(options.open_workspace(), opened.decisions, parts, settings.as_sets)
    sizes = ", ".join(f"{part} {count}" for part, count in parts.counts.items())
    text = f"{sizes}\n{parts.strata.to_string(index=False)}"
    if settings.group == AUTO:
        text += f"\n{found_text(parts.manifest['joined'])}"
    if settings.out is not None:
        text += _simulated(opened.samples)
    options.print_result({"parts": parts.counts, "sets": saved, "strata": parts.strata}, text)

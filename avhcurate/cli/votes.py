"""The verbs votes and votes-out: human votes in, and the votes behind HSF out."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.people.settings import VotesOutSettings, VotesSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace


@options.verb(VotesSettings)
def votes(settings: VotesSettings, space: "Workspace") -> None:
    from avhcurate.people.attach import attach_votes
    from avhcurate.workspace.data import background

    if settings.log:
        _log_votes(settings, space)
        return
    with background.run_started(space.root) as progress:
        record = attach_votes(
            space,
            settings.dataset,
            settings.file,
            simulated=settings.simulated,
            force=settings.force,
            progress=progress,
        )
    if options.as_json():
        print(record.model_dump_json())
        return
    print(f"{record.total} votes on {record.samples} samples of {settings.dataset}")
    options.print_messages(record.messages)


def _log_votes(settings: VotesSettings, space: "Workspace") -> None:
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.errors import CurateError
    from avhcurate.features.annotate.votes_in import log_votes

    if settings.simulated:
        raise CurateError("Simulated votes are never mixed with people's. Leave out --log.")
    logged = log_votes(open_table(space, settings.dataset), settings.file)
    if options.as_json():
        options.print_json({"answers": logged.answers, "annotators": logged.annotators, "known": logged.known})
        return
    print(f"{logged.answers} new answers about {settings.dataset} in the log, by {logged.annotators} annotators")
    options.print_messages([f"{logged.known} answers were already in it", *logged.messages])


@options.verb(VotesOutSettings)
def votes_out(settings: VotesOutSettings, space: "Workspace") -> None:
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.annotate.votes_out import write_votes

    table = open_table(space, settings.dataset)
    count = write_votes(table, settings.format, settings.out, force=settings.force)
    if options.as_json():
        out = {"answers": count, "out": str(settings.out), "format": settings.format, "simulated": table.simulated}
        options.print_json(out)
        return
    print(f"{count} answers about {settings.dataset} written to {settings.out}")
    if table.simulated:
        print("The votes are simulated; the file says so.")

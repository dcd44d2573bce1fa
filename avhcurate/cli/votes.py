"""The verbs votes and votes-out: human votes in, and the votes behind HSF out."""

from avhcurate.cli import options
from avhcurate.people.settings import VotesOutSettings, VotesSettings


@options.verb(VotesSettings, group="People and network")
def votes(settings: VotesSettings) -> None:
    from avhcurate.people.attach import attach_votes

    if settings.log:
        _log_votes(settings)
        return
    with options.started_job() as progress:
        record = attach_votes(
            options.open_workspace(),
            settings.dataset,
            settings.file,
            classes=options.class_names(settings.classes),
            simulated=settings.simulated,
            force=settings.force,
            progress=progress,
        )
    if options.printed(record):
        return
    print(f"{record.total} votes on {record.samples} samples of {settings.dataset}")
    options.print_messages(record.messages)


def _log_votes(settings: VotesSettings) -> None:
    from avhcurate.errors import CurateError
    from avhcurate.features.annotate.vote_files import log_votes

    if settings.simulated:
        raise CurateError("Simulated votes are never mixed with people's. Leave out --log.")
    logged = log_votes(options.run_table(settings.dataset).votes, settings.file)
    if options.printed({"answers": logged.answers, "annotators": logged.annotators, "known": logged.known}):
        return
    print(f"{logged.answers} new answers about {settings.dataset} in the log, by {logged.annotators} annotators")
    options.print_messages([f"{logged.known} answers were already in it", *logged.messages])


@options.verb(VotesOutSettings, group="People and network")
def votes_out(settings: VotesOutSettings) -> None:
    from avhcurate.features.annotate.vote_files import write_votes

    opened = options.run_table(settings.dataset)
    with options.output(settings.out) as out:
        count = write_votes(opened.samples, opened.votes, out, force=settings.force)
    text = f"{count} answers about {settings.dataset} written to {settings.out}"
    if opened.samples.simulated:
        text += "\nThe votes are simulated; the file says so."
    result = {"answers": count, "out": str(settings.out), "simulated": opened.samples.simulated}
    options.print_result(result, text)

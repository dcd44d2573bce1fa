"""The verbs votes, votes-out, annotators and consensus: votes in and out, who gave them, and what all say together."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.errors import CurateError, NothingFound
from avhcurate.features.annotate.settings import AnnotatorsSettings, ConsensusSettings
from avhcurate.people.settings import VotesOutSettings, VotesSettings

if TYPE_CHECKING:
    from avhcurate.datasets.table.votes import Votes
    from avhcurate.features.annotate.annotators import VoteQuality


@options.verb(VotesSettings, group="People and network")
def votes(settings: VotesSettings) -> None:
    from avhcurate.people.attach import attach_votes

    if not settings.files:
        _label_by_votes(settings)
        return
    if settings.log:
        _log_votes(settings)
        return
    with options.started_job() as progress:
        record = attach_votes(
            options.open_workspace(),
            settings.dataset,
            settings.files,
            classes=options.class_names(settings.classes),
            simulated=settings.simulated,
            force=settings.force,
            progress=progress,
        )
    if options.printed(record):
        return
    print(f"{record.total} votes on {record.samples} images of {settings.dataset}")
    options.print_messages(record.messages)


def _log_votes(settings: VotesSettings) -> None:
    from avhcurate.features.annotate.vote_files import log_votes

    if settings.simulated:
        raise CurateError("Simulated votes are never mixed with people's. Leave out --log.")
    classes = options.class_names(settings.classes)
    logged = log_votes(options.run_table(settings.dataset).votes, *settings.files, classes=classes)
    if options.printed({"answers": logged.answers, "annotators": logged.annotators, "known": logged.known}):
        return
    print(f"{logged.answers} new answers about {settings.dataset} in the log, by {logged.annotators} annotators")
    options.print_messages([f"{logged.known} answers were already in it", *logged.messages])


def _label_by_votes(settings: VotesSettings) -> None:
    from avhcurate.people.votes_first import came_without_labels, label_by_votes

    given = {"--simulated": settings.simulated, "--log": settings.log, "--force": settings.force}
    if settings.classes or any(given.values()):
        raise CurateError(f"There are no votes to attach to {settings.dataset}. Name their files.")
    workspace = options.open_workspace()
    with workspace.lock(settings.dataset):
        folder = workspace.dataset(settings.dataset)
        if not came_without_labels(folder):
            raise CurateError(f"The images of {folder.name} came with labels. Name the files of the votes to attach.")
        found = label_by_votes(folder)
    if found is None:
        raise NothingFound(f"{folder.name} has no votes for one of several classes to label its images by.")
    options.print_result({"labelled": found.labelled, "tied": found.tied, "by": found.by}, str(found))


@options.verb(VotesOutSettings, group="People and network")
def votes_out(settings: VotesOutSettings) -> None:
    from avhcurate.features.annotate.vote_files import OF_EXPORT
    from avhcurate.features.annotate.vote_files import votes_out as write

    opened = options.run_table(settings.dataset)
    with options.output(settings.out) as out:
        count = write(opened, out, settings.format, force=settings.force)
    unit = "answers"
    if settings.format in OF_EXPORT:
        unit = "samples"
    text = f"{count} {unit} about {settings.dataset} written to {settings.out}"
    if opened.samples.simulated:
        text += "\nThe votes are simulated; the file says so."
    result = {unit: count, "out": str(settings.out), "simulated": opened.samples.simulated}
    options.print_result(result, text)


#: What the verb prints of each annotator; --json and --out have all columns.
_SHOWN = [
    *("annotator", "answers", "votes", "control_accuracy", "controls", "agreement", "compared"),
    *("accuracy", "accuracy_low", "accuracy_high", "judged", "confuses", "median_ms"),
]
#: Pairs that are printed; --json and --out have all of them.
_PAIRS_SHOWN = 20


@options.verb(AnnotatorsSettings, group="People and network", table=True)
def annotators(settings: AnnotatorsSettings) -> None:
    from avhcurate.features.annotate.annotators import design_of, vote_quality

    votes = options.run_table(settings.dataset).votes
    if settings.undo:
        options.check_alone("--undo", settings.limits | {"--exclude": settings.exclude, "--pairs": settings.pairs})
        _undo_rule(votes)
        return
    if settings.pairs:
        options.check_alone("--pairs", settings.limits | {"--exclude": settings.exclude})
    if settings.exclude and not settings.limits:
        raise CurateError("Give a limit that annotators must keep, as --control-accuracy 0.7.")
    quality = vote_quality(votes, design_of(votes))
    if settings.limits:
        _leave_out(votes, quality, settings)
    elif settings.pairs:
        _print_pairs(quality)
    else:
        _print_annotators(votes, quality)


def _print_annotators(votes: "Votes", quality: "VoteQuality") -> None:
    from avhcurate.features.annotate.consensus import with_accuracy
    from avhcurate.people.skill import GOOD

    hsf = quality.reliability
    people = with_accuracy(votes, quality)
    found = {
        "design": quality.design,
        "annotators": people,
        "fleiss_kappa": asdict(quality.kappa),
        "krippendorff_alpha": asdict(quality.alpha),
        "reliability": asdict(hsf),
    }
    if options.printed(found, people):
        return
    rows = people.astype({"control_accuracy": float})
    options.print_table(rows.rename(columns={"by": "excluded by"}), columns=[*_SHOWN, "excluded by"])
    for coefficient in (quality.kappa, quality.alpha):
        print(f"{coefficient.name}: {coefficient.text}")
    reliability = hsf.reason or f"{hsf.reliability:.2f} ({hsf.low:.2f} to {hsf.high:.2f})"
    print(f"Reliability of HSF: {reliability}")
    names = ", ".join(people.loc[people["errs"], "annotator"])
    if names:
        print(f"By the consensus of the others these surely err, below {GOOD:.0%} and more than others: {names}")


def _print_pairs(quality: "VoteQuality") -> None:
    from avhcurate.features.annotate.annotators import MOST_PAIRED, annotator_pairs

    pairs = annotator_pairs(quality)
    voters = quality.votes["annotator"].nunique()
    if not options.printed({"pairs": pairs, "annotators": voters, "compared": min(voters, MOST_PAIRED)}, pairs):
        options.print_table(pairs.head(_PAIRS_SHOWN))
        if len(pairs) > _PAIRS_SHOWN:
            print(f"{_PAIRS_SHOWN} of {len(pairs):,} pairs, those who surely agree least; --out FILE writes all")
    if voters > MOST_PAIRED:
        options.print_messages([f"the {MOST_PAIRED} annotators with the most votes, of {voters:,}"])


def _leave_out(votes: "Votes", quality: "VoteQuality", settings: AnnotatorsSettings) -> None:
    from avhcurate.features.annotate import exclusion
    from avhcurate.workspace.data.people import user

    outside = exclusion.left_out_by(votes, quality.table, settings.rule)
    done = settings.exclude and len(outside.rows) > 0
    if done:
        exclusion.exclude(votes, outside.rows, who=user())
    found = {
        "rows": outside.rows,
        "left_out": len(outside.rows),
        "annotators": outside.annotators,
        "votes_left_out": int(outside.rows["votes"].sum()),
        "votes": outside.votes,
        "excluded": done,
    }
    if options.printed(found, outside.rows):
        return
    if outside.rows.empty:
        print(f"these limits leave out none of the {outside.annotators:,} annotators who count")
        return
    options.print_table(outside.rows)
    if done:
        print(f"excluded: {outside.text}; --undo takes it back")
    else:
        print(f"would leave out {outside.text}; --exclude does it")


def _undo_rule(votes: "Votes") -> None:
    from avhcurate.features.annotate import exclusion
    from avhcurate.workspace.data.people import user

    names = exclusion.undo(votes, who=user())
    if not names:
        raise NothingFound(f"No exclusion by limits of yours holds in {votes.dataset.name}.")
    options.print_result({"included": names}, f"counting again: {', '.join(names)}")


@options.verb(ConsensusSettings, group="People and network", table=True)
def consensus(settings: ConsensusSettings) -> None:
    from avhcurate.features.annotate.consensus import consensus_table, find_consensus
    from avhcurate.workspace.data.consensus import NETWORK, TOLD_APART

    opened = options.run_table(settings.dataset, settings.model)
    record = find_consensus(opened.votes, opened.run, people=settings.people).record
    rows = consensus_table(options.run_table(settings.dataset, settings.model).samples)
    if options.printed({"record": record, "rows": rows}, rows):
        return
    if record.votes_simulated:
        print("The votes are SIMULATED.")
    print(record.text)
    changed = rows[rows["consensus_of"] == NETWORK]
    if len(changed):
        options.print_table(changed.sort_values("consensus").head(_PAIRS_SHOWN))
    print(TOLD_APART)

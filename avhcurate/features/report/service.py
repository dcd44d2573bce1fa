"""The report of a dataset: sections with figures, tables and images, each with the command that prints them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from avhcurate import __version__
from avhcurate.datasets.curate import certificate_texts
from avhcurate.datasets.curate.certificate import certificate_of
from avhcurate.datasets.curate.second_person import second_person
from avhcurate.datasets.export.card import dataset_card
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import title_of
from avhcurate.errors import CurateError, Run
from avhcurate.features.correlation.service import correlate, overall
from avhcurate.features.disagreement.service import SETS, disagree
from avhcurate.features.payoff.service import payoff
from avhcurate.features.payoff.texts import by_kind, sentence, way_on
from avhcurate.features.quality.odd_files import KINDS, odd_files
from avhcurate.features.quality.service import find_duplicates
from avhcurate.features.report.parts import (
    IMAGES,
    ROWS,
    ReportGallery,
    bars,
    gallery,
    interval,
    thumbnail,
)
from avhcurate.features.saved.diff_rules import KINDS as KINDS_OF_CHANGES
from avhcurate.features.saved.diff_service import diff
from avhcurate.features.suspects.decisions import undecided
from avhcurate.features.suspects.rules import VERDICTS
from avhcurate.features.suspects.service import export_table
from avhcurate.features.suspects.store import suspects_of
from avhcurate.features.suspects.suggestions import suspects_now
from avhcurate.measures.scores import SCORES
from avhcurate.networks.scoring.accuracy import accuracy_of
from avhcurate.workspace.data.consensus import NETWORK, TOLD_APART
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.files import check_free, remove_leftovers, write_atomic
from avhcurate.workspace.disk.json_text import rows_of

#: The samples of the report and of its commands: those that are not excluded.
IN_VIEW = Filters()
#: The most groups of copies.
GROUPS = 6


@dataclass(frozen=True)
class ReportSection:
    """A part of the report. `command` prints the same figures in a shell.

    `lacks` says why there is nothing to show; the command then computes it. A bar is its name, its count and its share
    of the longest. `heads` are for the bars or the rows.
    """

    title: str
    command: str
    text: str = ""
    lacks: str = ""
    bars: Sequence[tuple[str, int, float]] = ()
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    galleries: Sequence[ReportGallery] = ()


def write_report(opened: OpenDataset, out: Path, *, images: bool = True, force: bool = False) -> Path:
    """Write the report of a dataset and the table's run to `out`, whole or not at all.

    `images` inlines thumbnails. A section that is not computed yet names its command. Raises CurateError if `out`
    exists, unless `force`.
    """
    check_free(out, force=force)
    remove_leftovers(out.absolute().parent)
    source = files(__package__).joinpath("page.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    text = template.render(
        name=opened.samples.name,
        version=__version__,
        made=datetime.now(UTC),
        simulated=opened.samples.simulated,
        sections=[build(opened) for build in SECTIONS],
        images=images,
        thumbnail=partial(thumbnail, opened.dataset),
    )
    write_atomic(out, text)
    return out


def write_card(opened: OpenDataset, out: Path, *, force: bool = False) -> Path:
    """Write the dataset card of the samples in view, see `dataset_card`. Raises CurateError if `out` exists, unless
    `force`.
    """
    check_free(out, force=force)
    write_atomic(out, dataset_card(opened.decisions, opened.votes, opened.consensus, IN_VIEW))
    return out


def command_of(samples: SampleTable, run: RunFolder | None, verb: str, **options: str) -> str:
    """Return the command line of a verb on the table's dataset and run."""
    if run and verb != "export":
        options = {"model": run.root.name, **options}
    return Run(verb, samples.name, **options).command


# --- the sections ------------------------------------------------------------------------------------------------

#: Makes a section of a table.
Build = Callable[[OpenDataset], ReportSection]
SECTIONS: list[Build] = []


def section(title: str, verb: str, **options: str) -> Callable[[Callable[[OpenDataset], dict[str, Any]]], Build]:
    """Make a section, with the command of its figures, of a function that returns its other fields.

    Where that raises CurateError, the section says why.
    """

    def decorate(describe: Callable[[OpenDataset], dict[str, Any]]) -> Build:
        def build(opened: OpenDataset) -> ReportSection:
            fields: dict[str, Any] = {
                "title": title,
                "command": command_of(opened.samples, opened.run, verb, **options),
            }
            try:
                return ReportSection(**(fields | describe(opened)))
            except CurateError as error:
                return ReportSection(**fields, lacks=str(error.what))

        SECTIONS.append(build)
        return build

    return decorate


@section("Data", "export", format="csv", out="labels.csv")
def describe_data(opened: OpenDataset) -> dict[str, Any]:
    """Samples, classes and splits, and how many samples each class has."""
    record = opened.dataset.record
    size = opened.samples.count(IN_VIEW)
    parts = [f"{size:,} images of {len(record.classes):,} classes."]
    if record.labels_by:
        parts.append(f"Labels are the {record.labels_by}.")
    if size < record.samples:
        parts.append(f"{record.samples - size:,} more are excluded.")
    if record.skipped:
        parts.append(f"{record.skipped:,} files could not be read.")
    parts += [
        f"{row['n']:,} in {row['value']}." for row in rows_of(opened.samples.group_counts("split", IN_VIEW).dropna())
    ]
    counts = opened.samples.group_counts("label_name", IN_VIEW, limit=ROWS + 1).dropna()
    if len(counts) > ROWS:
        parts.append(f"The {ROWS} classes with the most images:")
    return {"text": " ".join(parts), "bars": bars(counts), "heads": ["class", "images"]}


@section("Network", "models")
def describe_run(opened: OpenDataset) -> dict[str, Any]:
    """The network and how often it is right."""
    if opened.run is None:
        return {"command": command_of(opened.samples, opened.run, "score", model="MODEL"), "lacks": "Not scored yet."}
    accuracy = accuracy_of(opened.dataset, opened.run, opened.samples.frame(IN_VIEW, columns=["id"])["id"].to_numpy())
    return {
        "command": Run("models", opened.samples.name).command,
        "text": f"{title_of(opened.dataset, opened.run.name)}, {opened.run.num_classes:,} classes: {accuracy}.",
    }


@section("Human selection frequency", "export", where="hsf IS NOT NULL", format="csv", out="votes.csv")
def describe_votes(opened: OpenDataset) -> dict[str, Any]:
    """The distribution of HSF over its bins."""
    if opened.samples.votes is None:
        return {"command": Run("votes", opened.samples.name, "FILE").command, "lacks": "No votes yet."}
    votes = opened.samples.frame(IN_VIEW.with_(where="votes > 0"), columns=["votes"])["votes"]
    kind = "human"
    if opened.samples.simulated:
        kind = "simulated"
    text = (
        f"{votes.sum():,} {kind} votes on {len(votes):,} images. HSF is the share of votes for the given label; "
        "a small HSF is hard for people."
    )
    counts = opened.samples.group_counts("hsf_bin", IN_VIEW).dropna().sort_values("value")
    return {"text": text, "bars": bars(counts), "heads": ["HSF", "images"]}


@section("What people and the network agree on", "consensus")
def describe_consensus(opened: OpenDataset) -> dict[str, Any]:
    """The consensus, with the images whose majority the network outvoted, the least sure first."""
    if opened.consensus is None:
        return {"lacks": "No consensus yet."}
    changed = IN_VIEW.with_(panel=(NETWORK,))
    ids = opened.samples.order(changed, sort="consensus", descending=False).tolist()
    title = "The network changed what most people say"
    galleries = [gallery(opened.samples, title, ids, ["consensus_label_name", "consensus", "hsf"])] if ids else []
    return {"text": f"{opened.consensus.record.text} {TOLD_APART}", "galleries": galleries}


@section("Which score follows people", "correlate")
def describe_correlation(opened: OpenDataset) -> dict[str, Any]:
    """Every score's correlation with HSF over all samples, closest to people first."""
    result = correlate(opened.samples, opened.run, opened.votes)
    rows = overall(result).sort_values("n", ascending=False, kind="stable")
    cells = [
        [result.ranked[row["score"]].name, f"{row['n']:,}", interval(row["spearman"], row["ci_low"], row["ci_high"])]
        for row in rows_of(rows)
    ]
    text = "Spearman's correlation with HSF and its 95 % interval over all images, closest to people first."
    if not result.ceiling.reason:
        text += f" The most that the noise of the votes allows is {result.ceiling.ceiling_text}."
    if result.queue.biased:
        text += f" The votes came from the queue {' and '.join(result.queue.votes)} and do not represent the dataset."
    return {"text": text, "heads": ["score", "n", "correlation"], "rows": cells}


@section("People against the network", "disagree")
def describe_gap(opened: OpenDataset) -> dict[str, Any]:
    """The samples on which people and the network differ most."""
    gap = disagree(opened.samples, opened.run, opened.prediction)
    score = SCORES[gap.key]
    text = f"Hardness for the network by {score.name}. {score.sentence} {score.harder.capitalize()} is hard. "
    text += f"{gap.sets.samples:,} images have both."
    galleries = [gallery(opened.samples, SETS[name], ids, ["hsf", gap.key]) for name, ids in gap.ids.items()]
    return {"text": text, "galleries": galleries}


@section("Changes since the import", "diff")
def describe_changes(opened: OpenDataset) -> dict[str, Any]:
    """What people changed, by whom, with the first images of each kind."""
    changed = diff(opened)
    galleries = [
        gallery(opened.samples, KINDS_OF_CHANGES[str(kind)], rows["id"].tolist(), captions=captions_of_changes(rows))
        for kind, rows in changed.changes.groupby("kind", sort=False)
    ]
    summary = rows_of(changed.summary.dropna())
    rows = [[row["what"], f"{row['before']:.4g}", f"{row['after']:.4g}"] for row in summary]
    second = second_person(opened.decisions, opened.votes)
    text = f"{changed.text.capitalize()}. {second.text}".strip()
    names = (*opened.samples.classes, "wrong")
    against = {
        row["id"]: f"{names[row['label']]}, by {row['who']}; {names[row['said']]} to another person"
        for row in rows_of(second.contradicted)
    }
    if against:
        galleries.append(
            gallery(opened.samples, "Decisions that another person contradicts", list(against), captions=against)
        )
    return {"text": text, "heads": ["", "imported", "now"], "rows": rows, "galleries": galleries}


def captions_of_changes(rows: pd.DataFrame) -> dict[int, str]:
    """Return what is said below the image of each change, by id."""
    return {
        row["id"]: f"{row['before']} → {row['after']}".strip(" →") + f", {row['who']}"
        for row in rows_of(rows.head(IMAGES))
    }


@section("What the decisions were worth", "payoff")
def describe_payoff(opened: OpenDataset) -> dict[str, Any]:
    """By how much the decisions changed accuracy on the locked part."""
    found = payoff(opened.decisions, opened.run)
    return {"text": " ".join([sentence(found), *(f"{line}." for line in by_kind(found)), *way_on(found)])}


@section("How many labels are wrong", "certify")
def describe_certificate(opened: OpenDataset) -> dict[str, Any]:
    """What blind looks say of all labels."""
    found = certificate_of(opened.decisions)
    command = Run("certify", opened.samples.name)
    if found is None:
        return {"command": Run("certify", opened.samples.name, at_most="0.02").command, "lacks": "Not looked at yet."}
    said = [certificate_texts.sentence(found), certificate_texts.verdict(found), *certificate_texts.notes(found)]
    said.append(f"Planned on {found.record.started:%Y-%m-%d}, seed {found.record.seed}.")
    return {"command": command.command, "text": " ".join(said)}


@section("Labels in doubt", "suspects")
def describe_suspects(opened: OpenDataset) -> dict[str, Any]:
    """The first labels in doubt that are not decided yet."""
    lists = opened.run and suspects_of(opened.run)
    if not lists:
        return {"lacks": "Not looked for yet."}
    record = lists[-1].record
    suspects = suspects_now(opened.samples, opened.votes, lists[-1])
    doubtful = undecided(opened.samples, suspects)
    shown = export_table(opened.samples, doubtful.head(IMAGES), record)
    captions = {
        row["id"]: f"{row['label_name']} → {row['suggested_name']}".removesuffix(" → ") + f", {row['verdict']}"
        for row in rows_of(shown.fillna({"suggested_name": ""}))
    }
    judge = "by the run's own head"
    if record.heads:
        judge = f"out of {record.heads.folds} folds"
    verdicts = ", ".join(f"{VERDICTS[key].lower()} {count:,}" for key, count in record.verdicts.items())
    text = f"{record.listed:,} of {record.samples:,} labels, {judge}: {verdicts}. "
    text += f"{record.often_text(opened.samples.classes)} {record.weights_text} "
    text += f"{len(suspects) - len(doubtful):,} are decided or excluded."
    listed = gallery(opened.samples, "Most doubtful first", doubtful["id"].tolist(), captions=captions)
    return {"text": text, "galleries": [listed]}


@section("Copies", "quality")
def describe_copies(opened: OpenDataset) -> dict[str, Any]:
    """Groups of near duplicates."""
    duplicates = find_duplicates(opened.samples, opened.dataset)
    groups = duplicates.groups
    text = (
        f"{len(groups):,} groups of near duplicates with {len(duplicates.extra):,} copies; {groups['leak'].sum():,} "
        f"across splits, {groups['conflict'].sum():,} with different labels."
    )
    galleries = [
        gallery(opened.samples, f"Group {group}", duplicates.of([group])["id"].tolist(), ["split"])
        for group in groups["group"].head(GROUPS)
    ]
    return {"text": text, "galleries": galleries}


@section("Odd files", "quality")
def describe_odd(opened: OpenDataset) -> dict[str, Any]:
    """Files that are broken or unlike the others."""
    odd = odd_files(opened.samples, opened.dataset)
    kinds = [f"{n:,} {KINDS[kind].lower()}" for kind, n in odd.counts.items() if n]
    return {
        "text": f"{', '.join(kinds) or '0'} files.",
        "heads": ["id", "path", "what"],
        "rows": [[str(row["id"]), row["path"], row["odd"]] for row in rows_of(odd.files.head(ROWS))],
    }

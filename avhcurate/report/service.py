"""What a report says of a dataset: sections with figures, tables and images, each with the command that gives them."""

import base64
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd

from avhcurate import __version__
from avhcurate.correlation.service import Correlations, correlate
from avhcurate.disagreement.service import SETS, disagree
from avhcurate.disk.files import check_free, remove_leftovers, write_atomic
from avhcurate.disk.json_text import rows_of
from avhcurate.errors import CurateError
from avhcurate.quality.odd_files import KINDS, odd_files
from avhcurate.quality.service import find_duplicates
from avhcurate.scores import SCORES
from avhcurate.scoring.accuracy import accuracy_of
from avhcurate.suspects.decisions import undecided
from avhcurate.suspects.service import export_table
from avhcurate.suspects.store import suspects_of
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.titles import title_of

#: The samples that the report is about, as its commands are: those that nobody excluded.
IN_VIEW = Filters()
#: Images a gallery, groups of copies, and rows of a table at most.
IMAGES, GROUPS, ROWS = 12, 6, 20


@dataclass(frozen=True)
class ReportBar:
    """A row of a bar chart: `share` of the longest, in [0, 1]."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class ReportTile:
    """An image with its text; `data` is the thumbnail as a data address, "" for none."""

    caption: str
    data: str


@dataclass(frozen=True)
class ReportGallery:
    """Images under a title; `more` of them are not shown."""

    title: str
    tiles: list[ReportTile]
    more: int


@dataclass(frozen=True)
class ReportSection:
    """A part of the report; `command` gives the same figures in a shell.

    `lacks` says why there is nothing to show; the command then makes it. `heads` are those of the bars or of the rows.
    """

    title: str
    command: str
    text: str = ""
    lacks: str = ""
    bars: Sequence[ReportBar] = ()
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    galleries: Sequence[ReportGallery] = ()


def write_report(table: DatasetTable, out: Path, *, images: bool = True, force: bool = False) -> Path:
    """Writes the report of a dataset with the table's run to `out`, whole or not at all.

    `images` inlines thumbnails. What was not computed yet is named with its command. Raises CurateError where `out`
    exists, unless `force`.
    """
    check_free(out, force=force)
    remove_leftovers(out.absolute().parent)
    source = files(__package__).joinpath("page.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    sections = [build(table, images) for build in SECTIONS]
    about = {
        "name": table.dataset.name,
        "made": datetime.now(UTC),
        "version": __version__,
        "simulated": table.simulated,
    }
    write_atomic(out, template.render(sections=sections, **about))
    return out


def command_of(table: DatasetTable, verb: str, *options: str) -> str:
    """The command line of a verb on the table's dataset and run."""
    model = ["--model", table.run.root.name] if table.run and verb not in ("list", "export") else []
    return shlex.join(["avhcurate", verb, table.dataset.name, *model, *options])


# --- the sections ------------------------------------------------------------------------------------------------


def describe_data(table: DatasetTable, images: bool) -> ReportSection:
    """Samples, classes and splits, and how many samples each class has."""
    record, samples = table.dataset.record, table.count(IN_VIEW)
    splits = table.group_counts("split", IN_VIEW).dropna()
    parts = [
        f"{samples:,} samples of {len(record.classes):,} classes",
        f"{record.samples - samples:,} more are excluded and left out here" if samples < record.samples else "",
        f"{record.skipped:,} files could not be read" if record.skipped else "",
        ", ".join(f"{row['n']:,} in {row['value']}" for row in rows_of(splits)),
    ]
    counts = table.group_counts("label_name", IN_VIEW, limit=ROWS + 1).dropna()
    text = "; ".join(filter(None, parts)) + "."
    if len(counts) > ROWS:
        text += f" The {ROWS} classes with the most samples:"
    return ReportSection(
        "Data",
        command_of(table, "export", "--format", "csv", "--out", "labels.csv"),
        text,
        bars=bars(counts),
        heads=("class", "samples"),
    )


def describe_run(table: DatasetTable, images: bool) -> ReportSection:
    """The network and how often it is right."""
    if table.run is None:
        return ReportSection("Network", command_of(table, "score", "--model", "MODEL"), lacks="Not scored yet.")
    command = shlex.join(["avhcurate", "models", table.dataset.name])
    title, classes = title_of(table.dataset, table.run.name), table.run.record.num_classes
    accuracy = accuracy_of(table.dataset, table.run, table.frame(IN_VIEW, columns=["id"])["id"].to_numpy())
    return ReportSection("Network", command, f"{title}, {classes:,} classes: {accuracy}.")


def describe_votes(table: DatasetTable, images: bool) -> ReportSection:
    """The distribution of HSF over its bins."""
    title = "Human selection frequency"
    command = command_of(table, "export", "--where", "hsf IS NOT NULL", "--format", "csv", "--out", "votes.csv")
    if table.votes is None:
        return ReportSection(
            title, shlex.join(["avhcurate", "votes", table.dataset.name, "FILE"]), lacks="No votes yet."
        )
    counts = table.group_counts("hsf_bin", IN_VIEW).dropna().sort_values("value")
    votes = table.frame(IN_VIEW.with_(where="votes > 0"), columns=["votes"])["votes"]
    kind = "simulated votes" if table.simulated else "human votes"
    text = f"{votes.sum():,} {kind} on {len(votes):,} samples. HSF is the share of votes for the given label: "
    text += "small is hard for people."
    return ReportSection(title, command, text, bars=bars(counts), heads=("HSF", "samples"))


def describe_correlation(table: DatasetTable, images: bool) -> ReportSection:
    """Every score's correlation with HSF over all samples."""
    title, command = "Which score follows people", command_of(table, "correlate")
    if table.run is None or table.votes is None:
        return ReportSection(title, command, lacks="It takes a scored run and votes.")
    try:
        result = correlate(table)
    except CurateError as error:
        return ReportSection(title, command, lacks=why_not(error))
    overall = result.table[result.table["bin"].astype(str) == "all"]
    rows = [
        [result.ranked[row["score"]].name, f"{row['n']:,}", interval(row["spearman"], row["ci_low"], row["ci_high"])]
        for row in rows_of(_closest_first(overall, result))
    ]
    text = "Spearman's correlation with HSF and its 95 % interval, over all samples, the closest first; "
    text += "scores that go against people last, as those whose hard end is not known. n tells which scores are over "
    text += "the same samples."
    if not result.ceiling.reason:
        text += f" The noise of the votes bounds it at about {result.ceiling.ceiling:.2f}."
    if result.queue.biased:
        text += f" Votes came from the queue {' and '.join(result.queue.votes)}: these are not those of the dataset."
    return ReportSection(title, command, text, heads=["score", "n", "correlation"], rows=rows)


def _closest_first(overall: pd.DataFrame, result: Correlations) -> pd.DataFrame:
    """The rows by how closely a score follows people, those over the most samples before the others."""
    agreement = overall["score"].map(result.sign).replace(0, np.nan) * overall["spearman"]
    return overall.assign(agreement=agreement).sort_values(["n", "agreement"], ascending=False, kind="stable")


def describe_gap(table: DatasetTable, images: bool) -> ReportSection:
    """The samples on which people and the network differ most."""
    title, command = "People against the network", command_of(table, "disagree")
    if table.run is None or table.votes is None:
        return ReportSection(title, command, lacks="It takes a scored run and votes.")
    try:
        gap = disagree(table)
    except CurateError as error:
        return ReportSection(title, command, lacks=why_not(error))
    score = SCORES[gap.key]
    text = f"Hardness for the network by {score.name}. {score.sentence} {score.harder.capitalize()} is hard. "
    text += f"{gap.sets.samples:,} samples have both."
    found = [gallery(table, SETS[name], ids, images, ["hsf", gap.key]) for name, ids in gap.ids.items()]
    return ReportSection(title, command, text, galleries=found)


def describe_suspects(table: DatasetTable, images: bool) -> ReportSection:
    """The first of the labels in doubt that nobody has decided."""
    title, command = "Labels in doubt", command_of(table, "suspects")
    folders = suspects_of(table.run) if table.run else []
    if not folders:
        return ReportSection(title, command, lacks="Not looked for yet.")
    record, every = folders[-1].record, folders[-1].suspects()
    doubtful = undecided(table, every)
    listed = export_table(table, doubtful.head(IMAGES), record)
    captions = {
        row["id"]: f"{row['label_name']} → {row['suggested_name']}, {row['verdict']}" for row in rows_of(listed)
    }
    how = f"out of {record.folds} folds" if record.folds else "by the run's own head"
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in record.verdicts.items())
    expected = ""
    if record.expected is not None:
        interval = f"95 % interval {record.expected_low:,.0f} to {record.expected_high:,.0f}"
        count = f"About {record.expected:,.0f} labels are wrong if the model is right where it is confident"
        expected = f"{count} ({interval}). "
    sources = ", ".join(record.sources)
    text = f"{expected}{record.listed:,} of {record.samples:,} labels, {how}: {verdicts}. Evidence: {sources}."
    if left_out := len(every) - len(doubtful):
        text += f" {left_out:,} are decided or excluded and not shown."
    shown = gallery(table, "Most doubtful first", doubtful["id"].tolist(), images, captions=captions)
    return ReportSection(title, command, text, galleries=[shown])


def describe_copies(table: DatasetTable, images: bool) -> ReportSection:
    """Groups of near duplicates."""
    title, command = "Copies", command_of(table, "quality")
    try:
        found = find_duplicates(table)
    except CurateError as error:
        return ReportSection(title, command, lacks=why_not(error))
    groups = found.groups
    leaks, conflicts = int(groups["leak"].sum()), int(groups["conflict"].sum())
    text = (
        f"{len(groups):,} groups of near duplicates with {len(found.extra):,} copies; {leaks:,} across splits, "
        f"{conflicts:,} with different labels."
    )
    shown = [
        gallery(table, group_title(**row), found.of([row["group"]])["id"].tolist(), images, ["split"])
        for row in rows_of(groups.head(GROUPS)[["group", "leak", "conflict"]])
    ]
    return ReportSection(title, command, text, galleries=shown)


def describe_odd(table: DatasetTable, images: bool) -> ReportSection:
    """Files that are broken or unlike the others."""
    title, command = "Odd files", command_of(table, "quality")
    try:
        found = odd_files(table)
    except CurateError as error:
        return ReportSection(title, command, lacks=why_not(error))
    rows = [[str(row["id"]), row["path"], row["odd"]] for row in rows_of(found.files.head(ROWS))]
    kinds = ", ".join(f"{n:,} {KINDS[kind].lower()}" for kind, n in found.counts.items() if n)
    text = f"{len(found.files):,} files{': ' if kinds else ''}{kinds}."
    return ReportSection(title, command, text, heads=["id", "path", "what"] if rows else (), rows=rows)


SECTIONS: tuple[Callable[[DatasetTable, bool], ReportSection], ...] = (
    *(describe_data, describe_run, describe_votes, describe_correlation, describe_gap),
    *(describe_suspects, describe_copies, describe_odd),
)

# --- what they are made of ---------------------------------------------------------------------------------------


def bars(counts: pd.DataFrame) -> list[ReportBar]:
    """Bars of `value, n`, the first `ROWS` of them."""
    shown = counts.head(ROWS)
    most = max(1, int(shown["n"].max() if len(shown) else 1))
    return [ReportBar(str(row["value"]), row["n"], row["n"] / most) for row in rows_of(shown)]


def gallery(
    table: DatasetTable,
    title: str,
    ids: Sequence[int],
    images: bool,
    columns: Sequence[str] = (),
    *,
    captions: dict[int, str] | None = None,
) -> ReportGallery:
    """The first `IMAGES` of some samples, each with its label and values of `columns`, or with its caption."""
    shown = list(ids[:IMAGES])
    tiles = [
        ReportTile(
            (captions or {}).get(id) or caption_of(table.sample(id), columns), thumbnail(table, id) if images else ""
        )
        for id in shown
    ]
    return ReportGallery(f"{title} ({len(ids):,})", tiles, len(ids) - len(shown))


def caption_of(row: dict[str, object], columns: Sequence[str]) -> str:
    """
    >>> caption_of({"label_name": "cat", "split": "train", "avh": 0.12345, "hsf": None}, ["split", "avh", "hsf"])
    'cat, train, AVH 0.123'
    """
    known = [(column, row[column]) for column in columns if row.get(column) is not None]
    names = {"hsf": "HSF"} | {key: score.name for key, score in SCORES.items()}
    said = [f"{names.get(key, key)} {value:.3g}" if isinstance(value, float) else str(value) for key, value in known]
    return ", ".join([str(row.get("label_name") or "no label"), *said])


def why_not(error: CurateError) -> str:
    """
    >>> why_not(CurateError("the images of pets are not measured yet: run `avhcurate quality pets`"))
    'The images of pets are not measured yet.'
    """
    reason = str(error).partition(": run `")[0]
    return f"{reason[:1].upper()}{reason[1:]}."


def thumbnail(table: DatasetTable, id: int) -> str:
    """The thumbnail as a data address, "" where there is none."""
    encoded = table.dataset.thumbnails.get(id)
    if encoded is None:
        return ""
    kind = "png" if encoded.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def interval(value: float, low: float, high: float) -> str:
    """
    >>> interval(-0.3361, -0.354, -0.318), interval(float("nan"), 0.0, 0.0), interval(1.0, *2 * [float("nan")])
    ('-0.336 (-0.354 to -0.318)', '-', '1.000')
    """
    ends = "" if low != low else f" ({low:.3f} to {high:.3f})"
    return "-" if value != value else f"{value:.3f}{ends}"


def group_title(group: int, leak: bool, conflict: bool) -> str:
    notes = [text for text, holds in (("across splits", leak), ("different labels", conflict)) if holds]
    return ", ".join([f"Group {group}", *notes])

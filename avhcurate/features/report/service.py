"""The report of a dataset: sections with figures, tables and images, each with the command that prints them."""

import base64
import re
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
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import title_of
from avhcurate.errors import CurateError
from avhcurate.features.correlation.service import Correlations, correlate
from avhcurate.features.disagreement.service import SETS, disagree
from avhcurate.features.quality.odd_files import KINDS, odd_files
from avhcurate.features.quality.service import find_duplicates
from avhcurate.features.suspects.decisions import undecided
from avhcurate.features.suspects.service import export_table
from avhcurate.features.suspects.store import suspects_of
from avhcurate.measures.scores import SCORES
from avhcurate.networks.scoring.accuracy import accuracy_of
from avhcurate.workspace.disk.files import check_free, remove_leftovers, write_atomic
from avhcurate.workspace.disk.json_text import rows_of

#: The samples of the report and of its commands: those that are not excluded.
IN_VIEW = Filters()
#: The most images of a gallery, groups of copies, and rows of a table.
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
    """A part of the report. `command` prints the same figures in a shell.

    `lacks` says why there is nothing to show; the command then computes it. `heads` are for the bars or the rows.
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
    """Write the report of a dataset and the table's run to `out`, whole or not at all.

    `images` inlines thumbnails. A section that is not computed yet names its command. Raises CurateError if `out`
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
    """Return the command line of a verb on the table's dataset and run."""
    words = ["avhcurate", verb, table.dataset.name]
    if table.run and verb != "export":
        words += ["--model", table.run.root.name]
    return shlex.join([*words, *options])


# --- the sections ------------------------------------------------------------------------------------------------


def describe_data(table: DatasetTable, images: bool) -> ReportSection:
    """Samples, classes and splits, and how many samples each class has."""
    record, samples = table.dataset.record, table.count(IN_VIEW)
    splits = table.group_counts("split", IN_VIEW).dropna()
    parts = [f"{samples:,} samples of {len(record.classes):,} classes."]
    if samples < record.samples:
        parts.append(f"{record.samples - samples:,} more are excluded.")
    if record.skipped:
        parts.append(f"{record.skipped:,} files could not be read.")
    parts += [f"{row['n']:,} in {row['value']}." for row in rows_of(splits)]
    counts = table.group_counts("label_name", IN_VIEW, limit=ROWS + 1).dropna()
    if len(counts) > ROWS:
        parts.append(f"The {ROWS} classes with the most samples:")
    return ReportSection(
        "Data",
        command_of(table, "export", "--format", "csv", "--out", "labels.csv"),
        " ".join(parts),
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
    kind = "simulated" if table.simulated else "human"
    text = (
        f"{votes.sum():,} {kind} votes on {len(votes):,} samples. HSF is the share of votes for the given label; "
        "a small HSF is hard for people."
    )
    return ReportSection(title, command, text, bars=bars(counts), heads=("HSF", "samples"))


def describe_correlation(table: DatasetTable, images: bool) -> ReportSection:
    """Every score's correlation with HSF over all samples."""
    title, command = "Which score follows people", command_of(table, "correlate")
    if table.run is None or table.votes is None:
        return ReportSection(title, command, lacks="Needs a scored run and votes.")
    try:
        result = correlate(table)
    except CurateError as error:
        return ReportSection(title, command, lacks=why_not(error))
    overall = result.table[result.table["bin"].astype(str) == "all"]
    rows = [
        [result.ranked[row["score"]].name, f"{row['n']:,}", interval(row["spearman"], row["ci_low"], row["ci_high"])]
        for row in rows_of(_closest_first(overall, result))
    ]
    text = "Spearman's correlation with HSF and its 95 % interval over all samples, closest to people first."
    if not result.ceiling.reason:
        text += f" The noise of the votes limits it to about {result.ceiling.ceiling:.2f}."
    if result.queue.biased:
        text += f" The votes came from the queue {' and '.join(result.queue.votes)} and do not represent the dataset."
    return ReportSection(title, command, text, heads=["score", "n", "correlation"], rows=rows)


def _closest_first(overall: pd.DataFrame, result: Correlations) -> pd.DataFrame:
    """Return the rows by how closely a score follows people, those over the most samples first."""
    agreement = overall["score"].map(result.sign).replace(0, np.nan) * overall["spearman"]
    return overall.assign(agreement=agreement).sort_values(["n", "agreement"], ascending=False, kind="stable")


def describe_gap(table: DatasetTable, images: bool) -> ReportSection:
    """The samples on which people and the network differ most."""
    title, command = "People against the network", command_of(table, "disagree")
    if table.run is None or table.votes is None:
        return ReportSection(title, command, lacks="Needs a scored run and votes.")
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
    """The first labels in doubt that are not decided yet."""
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
    how = "by the run's own head"
    if record.heads:
        how = f"out of {record.heads.folds} folds"
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in record.verdicts.items())
    sources = ", ".join(record.sources)
    size = f"{record.listed:,} of {record.samples:,} labels"
    text = f"{record.expected_text} {size}, {how}: {verdicts}. Evidence: {sources}."
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
    if not len(found.files):
        return ReportSection(title, command, "0 files.")
    rows = [[str(row["id"]), row["path"], row["odd"]] for row in rows_of(found.files.head(ROWS))]
    kinds = ", ".join(f"{n:,} {KINDS[kind].lower()}" for kind, n in found.counts.items() if n)
    return ReportSection(
        title, command, f"{len(found.files):,} files: {kinds}.", heads=["id", "path", "what"], rows=rows
    )


SECTIONS: tuple[Callable[[DatasetTable, bool], ReportSection], ...] = (
    *(describe_data, describe_run, describe_votes, describe_correlation, describe_gap),
    *(describe_suspects, describe_copies, describe_odd),
)

# --- parts of a section ---------------------------------------------------------------------------------------


def bars(counts: pd.DataFrame) -> list[ReportBar]:
    """Return bars of `value, n`, the first `ROWS` of them."""
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
    """Return the first `IMAGES` samples, each with its caption, or with its label and values of `columns`."""
    tiles = []
    for id in ids[:IMAGES]:
        caption = (captions or {}).get(id) or caption_of(table.sample(id), columns)
        data = ""
        if images:
            data = thumbnail(table, id)
        tiles.append(ReportTile(caption, data))
    return ReportGallery(f"{title} ({len(ids):,})", tiles, len(ids) - len(tiles))


def caption_of(row: dict[str, object], columns: Sequence[str]) -> str:
    """
    >>> caption_of({"label_name": "cat", "split": "train", "avh": 0.12345, "hsf": None}, ["split", "avh", "hsf"])
    'cat, train, AVH 0.123'
    """
    names = {"hsf": "HSF"} | {key: score.name for key, score in SCORES.items()}
    parts = [str(row.get("label_name") or "no label")]
    for column in columns:
        value = row.get(column)
        if isinstance(value, float):
            parts.append(f"{names.get(column, column)} {value:.3g}")
        elif value is not None:
            parts.append(str(value))
    return ", ".join(parts)


def why_not(error: CurateError) -> str:
    """
    >>> why_not(CurateError("the images of pets are not measured yet: run `avhcurate quality pets`"))
    'The images of pets are not measured yet.'
    """
    reason = re.split(r"[:.] [Rr]un `", str(error))[0]
    return f"{reason[:1].upper()}{reason[1:]}."


def thumbnail(table: DatasetTable, id: int) -> str:
    """Return the thumbnail as a data address, or "" without one."""
    encoded = table.dataset.thumbnails.get(id)
    if encoded is None:
        return ""
    # Browsers tell PNG from JPEG by the bytes.
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"


def interval(value: float, low: float, high: float) -> str:
    """
    >>> interval(-0.3361, -0.354, -0.318), interval(float("nan"), 0.0, 0.0), interval(1.0, *2 * [float("nan")])
    ('-0.336 (-0.354 to -0.318)', '-', '1.000')
    """
    if np.isnan(value):
        return "-"
    if np.isnan(low):
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def group_title(group: int, leak: bool, conflict: bool) -> str:
    notes = [text for text, holds in (("across splits", leak), ("different labels", conflict)) if holds]
    return ", ".join([f"Group {group}", *notes])

"""The card of a dataset: Markdown with the header of the Hugging Face hub, of what is known about its labels."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any

from avhcurate import __version__
from avhcurate.datasets.curate import certificate_texts
from avhcurate.datasets.curate.certificate import certificate_of
from avhcurate.datasets.curate.second_person import DECIDED_BY, second_person
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.workspace.data.consensus import TOLD_APART, ConsensusFolder

#: Classes whose samples the card counts; its header names all of them.
_MOST_CLASSES = 100
_DECISIONS = "a new label, the given one kept, or an exclusion as wrong"


def dataset_card(decisions: Decisions, votes: Votes, consensus: ConsensusFolder | None, filters: Filters) -> str:
    """Return the card of the samples that satisfy the filters; it names no person, no path and no licence."""
    from huggingface_hub import DatasetCardData  # exports of other formats need none of it

    samples = decisions.samples
    count = samples.count(filters)
    counts = samples.group_counts("split", filters)
    splits = counts["n"].groupby(counts["value"].fillna("").replace("", "train")).sum().to_dict()
    header = DatasetCardData(
        pretty_name=samples.name,
        task_categories=["image-classification"],
        size_categories=[_size(count)],
        label_names=list(samples.classes),
        splits=splits,
    )
    classes = samples.group_counts("curated_label_name", filters, limit=_MOST_CLASSES).fillna("no label")
    parts = [
        f"---\n{header.to_yaml()}\n# license: yours to choose, as cc-by-4.0\n---",
        f"# {_plain(samples.name)}",
        f"{count:,} images of {len(samples.classes):,} classes, for image classification. "
        "`label` is the curated label. "
        f"Written by AVH Curate {__version__} on {datetime.now(UTC):%Y-%m-%d}.",
        _listing("split", splits.items()),
        _listing("class", classes.itertuples(index=False)),
        "## Where the labels come from",
        *_provenance(decisions, votes, filters),
        *_certificate(decisions),
        *_votes(samples, filters),
        *_consensus(consensus),
        "## Licence",
        "Not known here. Choose one, and name it in the header as `license`.",
    ]
    return "\n\n".join(parts) + "\n"


def _provenance(decisions: Decisions, votes: Votes, filters: Filters) -> list[str]:
    """Return who gave the labels, what people changed, and how far they agree."""
    relabelled, excluded, kept = decisions.samples.decision_counts
    second = second_person(decisions, votes)
    numbers = second.describe(decisions.samples, filters)["labels_decided_by"]
    parts = [
        f"The given labels came with the images, on {decisions.dataset.record.created:%Y-%m-%d}. In the whole dataset "
        f"people relabelled {relabelled:,}, excluded {excluded:,} and kept {kept:,} after a look. How many labels here "
        f"were decided by how many people ({_DECISIONS}):",
        _listing("decided by", ((name.replace("_", " "), numbers[name]) for name in DECIDED_BY)),
    ]
    if second.text:
        parts.append(f"{second.text} People are told apart by their names, which only a login makes sure of.")
    return parts


def _certificate(decisions: Decisions) -> list[str]:
    """Return how many labels are wrong at most, and what that rests on; nothing before any look."""
    found = certificate_of(decisions)
    if found is None:
        return []
    record = found.record
    said = [certificate_texts.sentence(found), *certificate_texts.notes(found)]
    said.append(f"Planned on {record.started:%Y-%m-%d} with seed {record.seed}, after entry {record.entry}.")
    return ["## How many labels are wrong", _plain(" ".join(said))]


def _votes(samples: SampleTable, filters: Filters) -> list[str]:
    """Return what is known of human selection frequency; nothing without votes."""
    if samples.votes is None:
        return []
    rows = samples.frame(filters, columns=["votes", "hsf"]).query("votes > 0")
    kind = "people's"
    if samples.simulated:
        kind = "**simulated**"
    text = f"{rows['votes'].sum():,} {kind} votes on {len(rows):,} images; HSF is the share for the given label"
    if len(rows):
        low, middle, high = rows["hsf"].quantile([0.1, 0.5, 0.9])
        text += f", {middle:.2f} in the median ({low:.2f} to {high:.2f} from the tenth to the ninetieth percentile)"
    return ["## Human selection frequency", f"{text}."]


def _consensus(consensus: ConsensusFolder | None) -> list[str]:
    """Return what the consensus rests on; nothing before there is one."""
    if consensus is None:
        return []
    return ["## Consensus", _plain(consensus.record.text), TOLD_APART]


def _listing(title: str, rows: Iterable[tuple[Any, int]]) -> str:
    """Return a Markdown table of how many images there are of each kind."""
    lines = [f"| {_plain(str(name))} | {number:,} |" for name, number in rows]
    return "\n".join([f"| {title} | images |", "|---|---|", *lines])


def _plain(text: str) -> str:
    r"""Return a text that Markdown shows as it is, within one line.

    >>> print(_plain("<b>a|b*"))
    &lt;b&gt;a\|b\*
    """
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", escape(" ".join(text.split()), quote=False))


def _size(count: int) -> str:
    """Return the size category of the hub.

    >>> _size(999), _size(1000), _size(2_000_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    ends = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B"]
    power = min(max(len(str(count)) - 3, 0), len(ends) - 1)
    if not power:
        return f"n<{ends[0]}"
    return f"{ends[power - 1]}<n<{ends[power]}"

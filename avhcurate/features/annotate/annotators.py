"""Answers of annotators, who counts (exclusion, inclusion, withdrawal), and the quality of their votes."""

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import NothingFound, Option
from avhcurate.features.annotate.setup import annotator_name, collected, columns_of, excluded, settings_of
from avhcurate.measures.stats.sample_size import Need, VoteForecast, votes_needed
from avhcurate.people import agreement, reliability
from avhcurate.people.agreement import Agreement
from avhcurate.people.annotators import annotator_table
from avhcurate.people.dawid_skene import labels_by_dawid_skene
from avhcurate.people.grids import CONTROLS
from avhcurate.people.hsf_source import DESIGN_OF, control_hits, source_choice
from avhcurate.people.log import BY_RULE
from avhcurate.people.reliability import Reliability
from avhcurate.people.responses import DESIGNS, Design, ticks_of

#: Annotators who are compared two by two: those with the most votes.
MOST_PAIRED = 200


def design_of(votes: Votes) -> Design:
    """Return the design of the collection; without one, that of the answers in the log, as a file brought them."""
    if settings := settings_of(votes):
        return settings.design
    if design := answered_design(votes):
        return design
    raise NothingFound(
        f"Nobody has answered about dataset {votes.dataset.name!r} under a name.",
        fix=f"Set up a collection in the app, or read answers with `votes` and {Option('log', True)}",
    )


def answered_design(votes: Votes) -> Design | None:
    """Return the design of the answers in the log; None where nobody has answered under a name."""
    design = DESIGN_OF[votes.source.key]
    for known in DESIGNS:
        if votes.source.collected and design == known:
            return known
    return None


def responses(votes: Votes, *, design: str | None = None, controls: bool = False) -> pd.DataFrame:
    """Return the standing answers as `votes.responses` describes them, oldest first, with three more columns.

    `id` and `label` (class index of the answer) are -1 where the dataset has no such sample or class; `excluded` says
    whether the annotator is left out by hand or rule. controls: with controls.
    """
    columns = columns_of(votes)
    rows = columns.rows
    mask = rows["standing"] & ((rows["control"] == 0) | controls)
    if design is not None:
        mask &= columns.of_design(design)
    task = np.cumsum(rows["place"] == 0)[mask]
    rows = rows[mask]
    left_out = {name: np.isin(rows["annotator"], excluded(columns, name)) for name in DESIGNS}
    return pd.DataFrame(
        {
            "at": pd.to_datetime(rows["at"], unit="s", utc=True),
            "annotator": _texts(columns.annotators.texts, rows["annotator"]),
            "id": votes.ids(columns)[rows["path"]],
            "path": _texts(columns.paths.texts, rows["path"]),
            "design": np.where(rows["classify"], "classify", "select"),
            "answer": _texts(columns.classes.texts, rows["answer"]),
            "label": votes.class_numbers(columns)[rows["answer"]],
            "selected": pd.Series(np.array([False, True, None], object)[rows["selected"]]),
            "control": _texts(list(CONTROLS), rows["control"]),
            "expected": _texts(columns.classes.texts, rows["expected"]),
            "reaction_ms": rows["reaction_ms"],
            "task": task,
            "excluded": np.where(rows["classify"], left_out["classify"], left_out["select"]),
        }
    )


def annotators(votes: Votes) -> pd.DataFrame:
    """Return one row per annotator of the collection: `votes.annotators.annotator_table` and more columns.

    `tasks, first, last, excluded, why, by`; `by` is "", "rule" (of the source of HSF), "rule: NAME" or "hand: NAME".
    """
    columns = columns_of(votes)
    design = design_of(votes)
    answers = responses(votes, design=design, controls=True)
    groups = answers.groupby("annotator")
    people = annotator_table(answers).set_index("annotator")
    people = people.join(groups.agg(tasks=("task", "nunique"), first=("at", "min"), last=("at", "max")))
    people[["why", "by"]] = ""
    right, controls = control_hits(columns, design)
    for number in excluded(columns, design):
        name = columns.annotators.texts[number]
        action, why, person = columns.statuses.get(name, ("", "", ""))
        by = f"hand: {person}"
        if person.endswith(BY_RULE):
            by = f"rule: {person.removesuffix(BY_RULE)}"
        if action != "exclude":
            why = f"{right[number]} of {controls[number]} controls right, below {source_choice(columns)[1]:.0%}"
            by = "rule"
        people.loc[people.index == name, ["why", "by"]] = why or "excluded", by
    return people.assign(excluded=people["by"] != "").reset_index()


def set_status(votes: Votes, annotator: str, action: Literal["exclude", "include"], *, why: str = "", who: str) -> None:
    """Exclude an annotator, whose answers stay in the log and do not count; or include one, in spite of any rule."""
    with votes.log.transaction(votes.present_id()) as log:
        log.set_status(annotator_name(annotator), action, why=why.strip(), who=annotator_name(who), at=time.time())
    votes.refresh()


def withdraw(votes: Votes, annotator: str) -> int:
    """Remove every entry under an annotator's name on this dataset, for good; return the number of answers."""
    removed = votes.log.withdraw(votes.present_id(), annotator_name(annotator), at=time.time())
    votes.refresh()
    return removed


def status_changes(votes: Votes) -> pd.DataFrame:
    """Return exclusions and inclusions, newest first: `at, annotator, action, why, who`."""
    entries = votes.log.status_changes(votes.dataset.id)
    changes = pd.DataFrame(entries, columns=["at", "annotator", "action", "why", "who"])
    return changes.assign(at=pd.to_datetime(changes["at"], unit="s", utc=True))


def _texts(texts: list[str], numbers: np.ndarray) -> pd.Series:
    """Return texts by number; missing where it is -1."""
    return pd.Series(np.array([*texts, None], object)[numbers], dtype="str")


# --- quality -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VoteQuality:
    """Quality of the collected votes of one design; excluded annotators are left out of all but `table`.

    table: a row per annotator, see `annotators`. votes: the counted ones as `responses`, oldest
    first; ticks only where the class asked about is the label. by_sample: votes of each sample, (N,).
    """

    design: Design
    table: pd.DataFrame
    votes: pd.DataFrame
    by_sample: np.ndarray
    kappa: Agreement
    alpha: Agreement
    reliability: Reliability


def vote_quality(votes: Votes, design: Design) -> VoteQuality:
    """Return agreement and reliability of the votes collected in one design."""
    answers = _counted(votes, design)
    rows = answers[answers["id"] >= 0]
    kinds = np.zeros((0, 2), np.int64)
    if design == "select":
        rows = rows[rows["label"] == votes.dataset.labels()[rows["id"]]]
    # Answers to each question by category: a class, or left and ticked.
    questions = [answers["path"]]
    categories: Any = answers["label"]
    if design == "select":
        questions.append(answers["answer"])
        categories = ticks_of(answers["selected"])
    if len(answers):
        kinds = pd.crosstab(questions, categories).to_numpy()
    counts = collected(votes, columns_of(votes), design)
    return VoteQuality(
        design=design,
        table=annotators(votes),
        votes=rows,
        by_sample=counts.votes,
        kappa=agreement.fleiss_kappa(kinds),
        alpha=agreement.krippendorff_alpha(kinds),
        reliability=reliability.of_ticks(counts.hits, counts.asked),
    )


def _counted(votes: Votes, design: Design) -> pd.DataFrame:
    """Return the answers of annotators who count that name a class of the dataset."""
    answers = responses(votes, design=design)
    return answers[~answers["excluded"] & (answers["label"] >= 0)]


def annotator_pairs(quality: VoteQuality) -> pd.DataFrame:
    """Return how far each two annotators agree who voted on the same images, see `agreement.annotator_pairs`.

    Only the `MOST_PAIRED` with the most votes are compared, so that thousands of annotators make no millions of rows.
    """
    latest = quality.votes.drop_duplicates(["id", "annotator"], keep="last")
    names = latest["annotator"].value_counts().index[:MOST_PAIRED].sort_values()
    latest = latest[latest["annotator"].isin(names)]
    answers: Any = latest["label"]
    if quality.design == "select":
        answers = ticks_of(latest["selected"])
    pairs = agreement.annotator_pairs(latest["id"], names.get_indexer(pd.Index(latest["annotator"])), answers)
    return pairs.assign(first=names[pairs["first"]], second=names[pairs["second"]])


def need(samples: SampleTable, votes: Votes, *, score: str, width: float) -> Need:
    """Return how many more votes, or samples, the score's correlation with HSF needs to be as narrow as asked."""
    frame = samples.frame(columns=["id", "hsf", score]).dropna(subset=["hsf", score])
    ids = frame["id"].to_numpy(np.int64)
    counts = votes.counts
    return votes_needed(VoteForecast(frame[score], counts.hits[ids], counts.asked[ids]), width=width)


def disputed_labels(votes: Votes, design: Design) -> pd.DataFrame:
    """Return the samples whose label annotators dispute, by Dawid-Skene, surest first.

    Columns `id, said, prob, votes`: the class they say (-1: another one, of ticks), and how probable that is.
    """
    answers = _counted(votes, design)
    answers = answers[answers["id"] >= 0]
    opinions = labels_by_dawid_skene(answers, votes.classes)
    ids = answers.drop_duplicates("path").set_index("path")["id"]
    opinions["id"] = ids.reindex(opinions["path"]).to_numpy(np.int64)
    labels = votes.dataset.labels_to_learn()[opinions["id"]]
    differs = (opinions["label"] != labels) & (labels >= 0)
    if design == "select":
        differs = (opinions["label"] == labels) & (opinions["prob"] < 0.5)
        opinions = opinions.assign(label=-1, prob=1 - opinions["prob"])
    opinions = opinions[differs].rename(columns={"label": "said"})[["id", "said", "prob", "votes"]]
    return opinions.sort_values("prob", ascending=False, kind="stable")

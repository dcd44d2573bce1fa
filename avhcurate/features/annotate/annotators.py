"""Answers of annotators, their quality, and who counts: exclusion, inclusion, withdrawal."""

import time
from typing import Literal

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.annotate.setup import annotator_name, columns_of, excluded, required_settings
from avhcurate.people.annotators import ExclusionRule, annotator_table, exclusions
from avhcurate.people.grids import CONTROLS
from avhcurate.people.hsf_source import control_hits, source_choice
from avhcurate.people.log import BY_RULE
from avhcurate.people.responses import DESIGNS


def responses(table: DatasetTable, *, design: str | None = None, controls: bool = False) -> pd.DataFrame:
    """Return the standing answers as `votes.responses` describes them, oldest first, with three more columns.

    `id` and `label` (class index of the answer) are -1 where the dataset has no such sample or class; `excluded` says
    whether the annotator is left out by hand or rule. controls: with controls.
    """
    columns = columns_of(table)
    rows = columns.rows
    chosen = rows["standing"] & ((rows["control"] == 0) | controls)
    if design is not None:
        chosen &= columns.of_design(design)
    task = np.cumsum(rows["place"] == 0)[chosen]
    rows = rows[chosen]
    left_out = {name: np.isin(rows["annotator"], excluded(columns, name)) for name in DESIGNS}
    return pd.DataFrame(
        {
            "at": pd.to_datetime(rows["at"], unit="s", utc=True),
            "annotator": _texts(columns.annotators.texts, rows["annotator"]),
            "id": table.counter.ids(columns)[rows["path"]],
            "path": _texts(columns.paths.texts, rows["path"]),
            "design": np.where(rows["classify"], "classify", "select"),
            "answer": _texts(columns.classes.texts, rows["answer"]),
            "label": table.counter.class_numbers(columns)[rows["answer"]],
            "selected": pd.Series(np.array([False, True, None], object)[rows["selected"]]),
            "control": _texts(list(CONTROLS), rows["control"]),
            "expected": _texts(columns.classes.texts, rows["expected"]),
            "reaction_ms": rows["reaction_ms"],
            "task": task,
            "excluded": np.where(rows["classify"], left_out["classify"], left_out["select"]),
        }
    )


def annotators(table: DatasetTable) -> pd.DataFrame:
    """Return one row per annotator of the collection: `votes.annotators.annotator_table` and more columns.

    `tasks, first, last, excluded, why, by`; `by` is "", "rule" or "hand: NAME".
    """
    columns = columns_of(table)
    design = required_settings(table).design
    answers = responses(table, design=design, controls=True)
    groups = answers.groupby("annotator")
    people = annotator_table(answers).set_index("annotator")
    people = people.join(groups.agg(tasks=("task", "nunique"), first=("at", "min"), last=("at", "max")))
    people[["why", "by"]] = ""
    right, controls = control_hits(columns, design)
    for number in excluded(columns, design):
        name = columns.annotators.texts[number]
        action, why, person = columns.statuses.get(name, ("", "", ""))
        by = f"hand: {person}"
        if action != "exclude":
            why = f"{right[number]} of {controls[number]} controls right, below {source_choice(columns)[1]:.0%}"
            by = "rule"
        people.loc[people.index == name, ["why", "by"]] = why or "excluded", by
    return people.assign(excluded=people["by"] != "").reset_index()


def set_status(
    table: DatasetTable, annotator: str, action: Literal["exclude", "include"], *, why: str = "", who: str
) -> None:
    """Exclude an annotator, whose answers stay in the log and do not count; or include one, in spite of any rule."""
    with table.response_log.transaction(table.present_id()) as log:
        log.set_status(annotator_name(annotator), action, why=why.strip(), who=annotator_name(who), at=time.time())
    table.refresh()


def excluded_by(table: DatasetTable, people: pd.DataFrame, rule: ExclusionRule) -> pd.DataFrame:
    """Return those of `annotators` that a rule excludes, `annotator, reason`; none whose status was set by hand."""
    outside = exclusions(people, rule)
    return outside[~outside["annotator"].isin(columns_of(table).statuses)].reset_index(drop=True)


def apply_rule(table: DatasetTable, rule: ExclusionRule, *, who: str) -> pd.DataFrame:
    """Exclude the annotators that a rule excludes now, see `excluded_by`."""
    outside = excluded_by(table, annotators(table), rule)
    for name, reason in outside.itertuples(index=False):
        set_status(table, name, "exclude", why=reason, who=f"{who}{BY_RULE}")
    return outside


def withdraw(table: DatasetTable, annotator: str) -> int:
    """Remove every entry under an annotator's name on this dataset, for good; return the number of answers."""
    removed = table.response_log.withdraw(table.present_id(), annotator_name(annotator), at=time.time())
    table.refresh()
    return removed


def status_changes(table: DatasetTable) -> pd.DataFrame:
    """Return exclusions and inclusions, newest first: `at, annotator, action, why, who`."""
    entries = table.response_log.status_changes(table.dataset.id)
    changes = pd.DataFrame(entries, columns=["at", "annotator", "action", "why", "who"])
    return changes.assign(at=pd.to_datetime(changes["at"], unit="s", utc=True))


def _texts(texts: list[str], numbers: np.ndarray) -> pd.Series:
    """Return texts by number; missing where it is -1."""
    return pd.Series(np.array([*texts, None], object)[numbers], dtype="str")

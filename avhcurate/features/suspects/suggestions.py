"""The class that is suggested for each suspect as of now: what people say who are asked counts at once."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.suspects.rules import Answers, Evidence, named_classes, suggestion
from avhcurate.features.suspects.store import SuspectsFolder, SuspectsRecord
from avhcurate.people.asked import ASKED, answers_about


def suspects_now(samples: SampleTable, votes: Votes, folder: SuspectsFolder) -> pd.DataFrame:
    """Return the suspects of a list by rank, as `SuspectsFolder.suspects`, with the class that is suggested now."""
    return suggested_now(samples, votes, folder.record, folder.suspects())


def suggested_now(samples: SampleTable, votes: Votes, record: SuspectsRecord, suspects: pd.DataFrame) -> pd.DataFrame:
    """Return suspects, rows of a list, with what `rules.suggestion` says now and the classes `named` for each.

    `near_class` is the class of `near_suggested`, that which was suggested when the list was made.
    """
    asked = _asked(samples, votes, suspects["id"])
    evidence = {
        source: Evidence(
            suspects[f"{source}_score"].to_numpy(float),
            suspects[f"{source}_suggested"].to_numpy(),
            suspects[f"{source}_doubts"].to_numpy(bool),
            {},
        )
        for source in record.sources
    }
    named = named_classes(evidence, record.weights, _answers(suspects["id"], asked, samples.classes))
    labels = suspects["label"].to_numpy()
    others = [row[(row >= 0) & (row != label)] for row, label in zip(named.classes.T, labels, strict=True)]
    found = suggestion(named, labels).set_index(suspects.index)
    if "near_class" not in suspects:
        suspects = suspects.assign(near_class=suspects["suggested"])
    kept = suspects.drop(columns=[name for name in (*found, "named") if name in suspects])
    return kept.join(found).assign(named=pd.Series(others, suspects.index))


def _asked(samples: SampleTable, votes: Votes, ids: pd.Series) -> dict[int, Counter[str]]:
    """Return the answers about those of some samples that people are asked about, by id."""
    tagged = {id for (id,) in samples.query("SELECT id FROM samples WHERE list_contains(tags, ?)", [ASKED])}
    return answers_about(votes, tagged.intersection(ids.tolist()))


def _answers(ids: pd.Series, asked: Mapping[int, Counter[str]], classes: tuple[str, ...] | list[str]) -> Answers:
    number_of = {name: number for number, name in enumerate(classes)}
    most = max(map(len, asked.values()), default=0)
    named = np.full((most, len(ids)), -1)
    people = np.zeros((most, len(ids)), int)
    answered = np.zeros(len(ids), int)
    column_of = {id: column for column, id in enumerate(ids.tolist())}
    for id, answers in asked.items():
        column = column_of[id]
        answered[column] = answers.total()
        for row, (name, count) in enumerate(answers.items()):
            if name in number_of:
                named[row, column] = number_of[name]
                people[row, column] = count
    return Answers(named, people, answered)


def support(row: Mapping[Any, Any]) -> str:
    """Return who names the suggestion of a suspect: people who were asked, and sources of weight.

    >>> support({"suggested": 1, "agreement": 1, "spoke": 2, "people": 0, "answered": 0})
    '1 of 2 sources'
    >>> support({"suggested": 1, "agreement": 0, "spoke": 2, "people": 2, "answered": 3})
    '2 of 3 people'
    """
    if row["suggested"] < 0:
        if 2 * row["people"] > row["answered"]:
            return f"{row['people']} of {row['answered']} people say the label"
        return "no source of weight"
    said = []
    if row["people"]:
        said.append(f"{row['people']} of {row['answered']} people")
    if row["agreement"]:
        said.append(f"{row['agreement']} of {row['spoke']} sources")
    return ", ".join(said)

"""What a second person says of decisions about labels: who agrees, and by how many people each label was decided.

A decision stands until it is undone or another one follows. It is a new label, by hand or from a file; the given label
kept; or an exclusion without a reason, which says that the given label is wrong. An exclusion for a reason (dark, a
copy) says nothing about a label, nor do tags.

A second person is any annotator who counts, by another name than who decided, and has said in the app which class the
image is. It agrees who names the class decided, or of an exclusion another one than the given. Imported votes do not
say whose they are. By how many people a label was decided counts answers of any time; agreement and kappa take the
first one after the decision, which cannot have led to it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.measures.stats.intervals import share
from avhcurate.people.agreement import Agreement, cohen_kappa
from avhcurate.workspace.data.event_folds import DECIDED

#: By how many people a label was decided, as exports say it.
DECIDED_BY = ("nobody", "one", "two_or_more")
#: The column of exports that has this number.
PEOPLE = "deciders"
_DECISIONS = f"""
SELECT id, path, coalesce(label, -1), CASE WHEN excluded THEN -1 ELSE coalesce(curated_label, -1) END,
    CASE WHEN excluded THEN 'exclude' WHEN curated_label IS DISTINCT FROM label THEN 'relabel' ELSE 'tag' END
FROM samples WHERE excluded OR curated_label IS DISTINCT FROM label OR list_contains(tags, '{KEPT}')
"""


@dataclass(frozen=True, eq=False)
class SecondPerson:
    """The decisions about labels that stand, by id, and what other people say of them.

    `rows`: `id, given, label` (class indices; a decision's label is -1 where it only says that the given one is wrong),
    `who` and `at` of the decision; `others` have answered, last `said`, and `agree` of them agree; `second` is the
    class of the first answer after the decision, -1 for none, and `agrees` whether it agrees.
    """

    rows: pd.DataFrame

    @cached_property
    def answered(self) -> pd.DataFrame:
        """The decisions that somebody else has answered since."""
        return self.rows[self.rows["second"] >= 0]

    @cached_property
    def contradicted(self) -> pd.DataFrame:
        """The decisions that others have answered, none of whom agrees."""
        return self.rows[(self.rows["others"] > 0) & (self.rows["agree"] == 0)]

    @property
    def confirmed(self) -> int:
        """How many decisions somebody else agrees with."""
        return int((self.rows["agree"] > 0).sum())

    @cached_property
    def agreement(self) -> tuple[int, float, float, float]:
        """Decisions answered since, the share of them with which the answer agrees, and its 95 % interval."""
        return share(int(self.answered["agrees"].sum()), len(self.answered))

    @cached_property
    def kappa(self) -> Agreement:
        """Cohen's kappa of these decisions and answers, without exclusions, which name no class."""
        named = self.answered[self.answered["label"] >= 0]
        return cohen_kappa(named["label"], named["second"])

    @property
    def text(self) -> str:
        """What is known, in sentences; "" without a decision."""
        if self.rows.empty:
            return ""
        number = len(self.rows)
        said = f"Of {number:,} decisions about labels {self.confirmed:,} are by two people or more, "
        said += f"{number - self.confirmed:,} by one; others contradict {len(self.contradicted):,} of these."
        n, value, low, high = self.agreement
        if n:
            said += f" A second person agrees blind with {value:.0%} of {n:,} (95 % interval {low:.0%} to {high:.0%})"
            if not self.kappa.reason:
                said += f", Cohen's kappa {self.kappa.value:.2f} ({self.kappa.low:.2f} to {self.kappa.high:.2f})"
            said += "."
        return said

    def people(self, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return by how many people the labels (n,) of samples were decided, (n,) int64: 0 for as they were given."""
        rows = self.rows.set_index("id").reindex(ids)
        return np.where(rows["label"] == labels, 1 + rows["agree"], 0).astype(np.int64)

    def describe(self, samples: SampleTable, filters: Filters) -> dict[str, Any]:
        """Return by how many people the labels of some samples were decided, and how far a second person agrees."""
        labels = samples.frame(filters, columns=["id", "curated_label"]).dropna()
        people = self.people(labels["id"].to_numpy(np.int64), labels["curated_label"].to_numpy(np.int64))
        numbers = np.bincount(np.minimum(people, 2), minlength=3).tolist()
        known: dict[str, Any] = {"labels_decided_by": dict(zip(DECIDED_BY, numbers, strict=True))}
        kappa = self.kappa
        for name, (n, value, low, high) in {
            "second_person_agrees": self.agreement,
            "cohen_kappa": (kappa.samples, kappa.value, kappa.low, kappa.high),
        }.items():
            if n and not np.isnan(value):
                known[name] = {"decisions": n, "value": value, "low": low, "high": high}
        return known


def second_person(decisions: Decisions, votes: Votes) -> SecondPerson:
    """Return the decisions about labels that stand, and what other people say of them."""
    standing = _decisions(decisions)
    rows, ids, labels = votes.answers("classify")
    of_standing = np.isin(ids, standing["id"])
    rows = rows[of_standing]
    names = np.array(votes.log.columns(decisions.dataset.id).annotators.texts, object)
    answers = pd.DataFrame({"id": ids[of_standing], "said": labels[of_standing], "answered": rows["at"]})
    answers["annotator"] = names[rows["annotator"]] if len(rows) else ""
    pairs = standing.merge(answers, on="id")
    pairs = pairs[pairs["annotator"] != pairs["who"]].sort_values("answered", kind="stable")
    named = pairs["label"] >= 0
    pairs["agrees"] = (named & (pairs["said"] == pairs["label"])) | (~named & (pairs["said"] != pairs["given"]))
    latest = pairs.drop_duplicates(["id", "annotator"], keep="last").groupby("id")
    said = latest.agg(others=("agrees", "size"), agree=("agrees", "sum"), said=("said", "last"))
    since = pairs[pairs["answered"] > pairs["at"]].drop_duplicates("id").set_index("id")
    standing = standing.set_index("id")
    result = standing.join(said.reindex(standing.index, fill_value=0)).assign(
        second=since["said"].reindex(standing.index, fill_value=-1),
        agrees=since["agrees"].reindex(standing.index, fill_value=False),
    )
    return SecondPerson(result.reset_index())


def _decisions(decisions: Decisions) -> pd.DataFrame:
    """Return `id, given, label, who, at` of the decisions that stand, by id."""
    standing = pd.DataFrame(decisions.samples.query(_DECISIONS), columns=["id", "path", "given", "label", "action"])
    last = decisions.log.deciders(decisions.dataset.id, kept=KEPT)
    rows = standing.merge(last, on=["path", "action"]).sort_values("id")
    about_label = (rows["action"] != "exclude") | (rows["reason"].isna() & (rows["given"] >= 0))
    kinds = {"id": "int64", "given": "int64", "label": "int64", "at": "float64"}
    return rows.loc[about_label, [*kinds, "who"]].astype(kinds)


def confirmed_only(opened: OpenDataset) -> OpenDataset:
    """Return a table of its own in which only those decisions stand that somebody else agrees with.

    All other samples have their given label, also those that one person alone excluded as wrong.
    """
    result = OpenDataset(opened.workspace, opened.dataset, opened.run, opened.samples.edges)
    rows = second_person(result.decisions, result.votes).rows
    alone = Filters(excluded=None, ids=tuple(rows["id"][rows["agree"] == 0].tolist()))
    samples = result.samples.frame(alone, columns=["path", "tags"])
    tags = samples["tags"].map(lambda tags: [tag for tag in tags if tag != KEPT])
    state = samples.assign(tags=tags, curated_label=None, excluded=False)
    result.samples.annotate(pa.Table.from_pandas(state, schema=DECIDED, preserve_index=False))
    return result

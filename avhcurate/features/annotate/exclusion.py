"""Exclusion of annotators by a rule: whom it would leave out, doing it, and undoing it."""

import time
from dataclasses import dataclass

import pandas as pd

from avhcurate.datasets.table.votes import Votes
from avhcurate.features.annotate.annotators import status_changes
from avhcurate.features.annotate.setup import annotator_name, columns_of
from avhcurate.people.annotators import ExclusionRule, exclusions
from avhcurate.people.log import BY_RULE

#: What somebody has said by hand of an annotator holds against a rule.
_BY_HAND = ("exclude", "include")


@dataclass(frozen=True)
class LeftOut:
    """Whom a rule leaves out of those who count: `rows` of `annotator, votes, why`, and of how many it is.

    annotators, votes: of all who count before the rule is applied.
    """

    rows: pd.DataFrame
    annotators: int
    votes: int

    @property
    def text(self) -> str:
        """Return how many annotators and votes no longer count, in words."""
        votes = self.rows["votes"].sum()
        return f"{len(self.rows):,} of {self.annotators:,} annotators and {votes:,} of {self.votes:,} votes"


def left_out_by(votes: Votes, people: pd.DataFrame, rule: ExclusionRule) -> LeftOut:
    """Return whom a rule leaves out of `annotators`; nobody who was excluded or included before."""
    counting = people[~people["excluded"]]
    outside = exclusions(people, rule)
    outside = outside[~outside["annotator"].isin(_said(votes))]
    rows = counting[["annotator", "votes"]].merge(outside, on="annotator")
    return LeftOut(rows, len(counting), int(counting["votes"].sum()))


def exclude(votes: Votes, rows: pd.DataFrame, *, who: str) -> None:
    """Exclude annotators, `annotator, why` of `left_out_by`, as one entry that `undo` takes back.

    Their answers stay in the log. Whom somebody has excluded or included since is left as they are.
    """
    by, at = annotator_name(who) + BY_RULE, time.time()
    rows = rows[~rows["annotator"].isin(_said(votes))]
    with votes.log.transaction(votes.present_id()) as log:
        for name, why in rows[["annotator", "why"]].itertuples(index=False):
            log.set_status(name, "exclude", why=why, who=by, at=at)
    votes.refresh()


def standing(votes: Votes, *, who: str) -> list[str]:
    """Return whom the newest exclusion by a rule of one's own still leaves out."""
    newest = status_changes(votes).drop_duplicates("annotator")
    theirs = newest[(newest["action"] == "exclude") & (newest["who"] == annotator_name(who) + BY_RULE)]
    return sorted(theirs.loc[theirs["at"] == theirs["at"].max(), "annotator"])


def undo(votes: Votes, *, who: str) -> list[str]:
    """Take back the newest exclusion by a rule of one's own that holds; return who counts again."""
    names = standing(votes, who=who)
    at = time.time()
    with votes.log.transaction(votes.present_id()) as log:
        for name in names:
            log.set_status(name, "undo", why="", who=annotator_name(who) + BY_RULE, at=at)
    votes.refresh()
    return names


def _said(votes: Votes) -> list[str]:
    """Return the annotators of whom somebody has said whether they count."""
    return [name for name, (action, _, _) in columns_of(votes).statuses.items() if action in _BY_HAND]

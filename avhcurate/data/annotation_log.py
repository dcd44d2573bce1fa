"""Tags, relabels and exclusions of samples: an append-only log."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from avhcurate.data.decision_log import DecisionLog
from avhcurate.disk.database import log_table
from avhcurate.errors import CurateError

#: The action of labels that came in a file: each sample has its own, and `value` names the file.
IMPORT_LABELS = "import labels"
ACTIONS = ("tag", "untag", "relabel", IMPORT_LABELS, "exclude", "include")

_METADATA = sa.MetaData()
EVENTS = log_table(
    "events",
    _METADATA,
    sa.Column("action", sa.String, nullable=False),
    sa.Column("value", sa.String),
    sa.Column("samples", sa.Integer, nullable=False),
)
EVENT_SAMPLES = sa.Table(
    "event_samples",
    _METADATA,
    sa.Column("event", sa.Integer, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("path", sa.String, primary_key=True),
)
#: The class index of each sample of an entry `IMPORT_LABELS`.
EVENT_LABELS = sa.Table(
    "event_labels",
    _METADATA,
    sa.Column("event", sa.Integer, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("path", sa.String, primary_key=True),
    sa.Column("label", sa.Integer, nullable=False),
)


class AnnotationLog(DecisionLog):
    """The annotations of one workspace. Samples are named by their path, which outlives a re-import."""

    def __init__(self, url: str) -> None:
        super().__init__(url, EVENTS, ("samples",))

    def append(
        self,
        dataset: str,
        action: str,
        value: str | None,
        paths: Sequence[str],
        *,
        who: str,
        labels: Sequence[int] | None = None,
    ) -> int:
        """Writes one entry for all `paths`, whole or not at all; returns its number once it is on the disk.

        `labels`, a class index for each path, go with `IMPORT_LABELS` alone.
        """
        if action not in ACTIONS:
            raise CurateError(f"no action is called {action}: choose from {', '.join(ACTIONS)}")
        if not len(paths):
            raise CurateError("no samples are chosen: select some first")
        if (labels is None) == (action == IMPORT_LABELS):
            raise ValueError(f"labels go with the action {IMPORT_LABELS!r}, not with {action!r}")
        with self.engine.begin() as connection:
            event = self._insert(connection, dataset, who, action, value=value, samples=len(paths))
            connection.execute(EVENT_SAMPLES.insert(), [{"event": event, "path": path} for path in paths])
            if labels is not None:
                rows = zip(paths, labels, strict=True)
                connection.execute(
                    EVENT_LABELS.insert(), [{"event": event, "path": path, "label": int(label)} for path, label in rows]
                )
        return event

    def undo(self, dataset: str, *, who: str, actions: Sequence[str] = ACTIONS) -> sa.Row[Any] | None:
        """Reverts the newest entry of `who`, by one of `actions`, that is not undone; its row, None without any."""
        mine = self._standing(dataset).where(EVENTS.c.who == who, EVENTS.c.action.in_(actions))
        newest = mine.order_by(EVENTS.c.id.desc()).limit(1)
        try:
            return self._revert(newest, who)
        except sa.exc.IntegrityError:  # another window undid the same entry in the same moment
            return self._revert(newest, who)

    def revert(self, dataset: str, event: int, *, who: str) -> sa.Row[Any]:
        """Undoes one entry of anybody and returns its row; one that is undone already is refused.

        Later entries about the same tag, label or exclusion of a sample stay in force.
        """
        return self._revert_one(dataset, event, who)

    def state(self, dataset: str) -> pd.DataFrame:
        """The current state: `path, tags (list), curated_label (Int64), excluded (bool)` of every annotated sample."""
        standing = self._standing(dataset).subquery()
        own = sa.and_(EVENT_LABELS.c.event == standing.c.id, EVENT_LABELS.c.path == EVENT_SAMPLES.c.path)
        label = sa.cast(EVENT_LABELS.c.label, sa.String)
        query = (
            sa.select(
                sa.case((label.is_not(None), "relabel"), else_=standing.c.action),
                sa.func.coalesce(label, standing.c.value),
                EVENT_SAMPLES.c.path,
            )
            .join(EVENT_SAMPLES, EVENT_SAMPLES.c.event == standing.c.id)
            .outerjoin(EVENT_LABELS, own)
            .order_by(standing.c.id)
        )
        with self.engine.connect() as connection:
            rows = pd.DataFrame(connection.execute(query).all(), columns=["action", "value", "path"])
        return fold(rows)


def fold(rows: pd.DataFrame) -> pd.DataFrame:
    """The state after entries `action, value, path`, oldest first: for each tag, label and exclusion the last one.

    >>> rows = pd.DataFrame([("tag", "blurred", "a"), ("exclude", None, "a"), ("include", None, "a")],
    ...                     columns=["action", "value", "path"])
    >>> fold(rows).to_dict("records")
    [{'path': 'a', 'tags': ['blurred'], 'curated_label': None, 'excluded': False}]
    """
    is_relabel, is_exclusion = rows["action"] == "relabel", rows["action"].isin(["exclude", "include"])
    is_tag = rows["action"].isin(["tag", "untag"]) | ((rows["action"] == "exclude") & rows["value"].notna())
    last_tags = rows[is_tag].drop_duplicates(["path", "value"], keep="last")
    tags = last_tags[last_tags["action"] != "untag"].groupby("path")["value"].agg(sorted)
    labels = rows[is_relabel].drop_duplicates("path", keep="last").set_index("path")["value"]
    exclusions = rows[is_exclusion].drop_duplicates("path", keep="last").set_index("path")["action"]
    state = pd.DataFrame({"path": rows["path"].unique()})
    state["tags"] = [names if isinstance(names, list) else [] for names in state["path"].map(tags)]
    state["curated_label"] = pd.to_numeric(state["path"].map(labels)).astype("Int64")
    state["excluded"] = (state["path"].map(exclusions) == "exclude").astype(bool)
    return state

"""Tags, relabels and exclusions of samples: an append-only log."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from avhcurate.data.class_lists import ClassLists, FormerClasses
from avhcurate.data.decision_log import DecisionLog
from avhcurate.disk.database import log_table, seconds_of
from avhcurate.errors import CurateError

#: The action of labels that came in a file: each sample has its own, and `value` names the file.
IMPORT_LABELS = "import labels"
ACTIONS = ("tag", "untag", "relabel", IMPORT_LABELS, "exclude", "include")
#: The action of an entry that ends a class list, its `value`: class indices in later entries are of another one.
CLASSES = "classes"

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
    """The annotations of one workspace. Samples are named by their path, which outlives a re-import.

    Classes are named by their index in the list of the time, which an entry `CLASSES` keeps when it changes.
    """

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
        classes: ClassLists | None = None,
    ) -> int:
        """Writes one entry for all `paths`, whole or not at all; returns its number once it is on the disk.

        `labels`, a class index for each path, go with `IMPORT_LABELS` alone. `classes` are those that the caller knows:
        an index is refused where an import has changed them since.
        """
        if action not in ACTIONS:
            raise CurateError(f"no action is called {action}: choose from {', '.join(ACTIONS)}")
        if not len(paths):
            raise CurateError("no samples are chosen: select some first")
        if (labels is None) == (action == IMPORT_LABELS):
            raise ValueError(f"labels go with the action {IMPORT_LABELS!r}, not with {action!r}")
        with self.engine.begin() as connection:
            event = self._insert(connection, dataset, who, action, value=value, samples=len(paths))
            if classes is not None and (labels is not None or (action == "relabel" and value is not None)):
                self._refuse_former(connection, dataset, classes)
            connection.execute(EVENT_SAMPLES.insert(), [{"event": event, "path": path} for path in paths])
            if labels is not None:
                rows = zip(paths, labels, strict=True)
                connection.execute(
                    EVENT_LABELS.insert(), [{"event": event, "path": path, "label": int(label)} for path, label in rows]
                )
        return event

    def end_classes(self, dataset: str, classes: Sequence[str], *, who: str) -> int:
        """Writes that class indices up to here are of these classes, as an import gives them other numbers."""
        with self.engine.begin() as connection:
            return self._insert(connection, dataset, who, CLASSES, value=json.dumps(list(classes)), samples=0)

    def class_lists(self, dataset: str, now: Sequence[str]) -> ClassLists:
        """The classes `now` and those that the dataset had before."""
        query = sa.select(EVENTS.c.id, EVENTS.c.at, EVENTS.c.value).where(_ends_classes(dataset))
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.id)).all()
        return ClassLists(
            tuple(now), tuple(FormerClasses(row.id, seconds_of(row.at), tuple(json.loads(row.value))) for row in rows)
        )

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

    def state(self, dataset: str, classes: ClassLists | None = None, *, since: int = 0) -> pd.DataFrame:
        """The current state: `path, tags (list), curated_label (Int64), excluded (bool)` of every annotated sample.

        Labels are indices of the newest of `classes`, by name; those of a class that is gone are none. Without
        `classes` they are as they were written. With `since` only of the samples that entries after that one are
        about: also of those of which nothing stands any more, as no tags, no label and not excluded.
        """
        standing = self._standing(dataset).subquery()
        own = sa.and_(EVENT_LABELS.c.event == standing.c.id, EVENT_LABELS.c.path == EVENT_SAMPLES.c.path)
        label = sa.cast(EVENT_LABELS.c.label, sa.String)
        query = (
            sa.select(
                sa.case((label.is_not(None), "relabel"), else_=standing.c.action),
                sa.func.coalesce(label, standing.c.value),
                EVENT_SAMPLES.c.path,
                standing.c.id,
            )
            .join(EVENT_SAMPLES, EVENT_SAMPLES.c.event == standing.c.id)
            .outerjoin(EVENT_LABELS, own)
            .order_by(standing.c.id)
        )
        touched = _touched(dataset, since)
        with self.engine.connect() as connection:
            paths = [path for (path,) in connection.execute(touched)] if since else None
            if paths is not None:
                query = query.where(EVENT_SAMPLES.c.path.in_(touched))
            rows = pd.DataFrame(connection.execute(query).all(), columns=["action", "value", "path", "id"])
        return fold(rows if classes is None else _with_labels_of_now(rows, classes), paths)

    def _standing(self, dataset: str) -> sa.Select[Any]:
        return super()._standing(dataset).where(EVENTS.c.action != CLASSES)

    def _refuse_former(self, connection: sa.Connection, dataset: str, classes: ClassLists) -> None:
        """Raises CurateError where a class list has ended that the caller takes for the present one."""
        newest = connection.execute(sa.select(sa.func.max(EVENTS.c.id)).where(_ends_classes(dataset))).scalar() or 0
        if newest != classes.newest:
            raise CurateError(f"dataset {dataset!r} was imported again with other classes: open it again, and relabel")


def _ends_classes(dataset: str) -> sa.ColumnElement[bool]:
    return sa.and_(EVENTS.c.dataset == dataset, EVENTS.c.action == CLASSES)


def _touched(dataset: str, since: int) -> sa.Select[Any]:
    """The paths of the entries after a number, and of those that they revert."""
    newer = sa.select(sa.func.coalesce(EVENTS.c.reverts, EVENTS.c.id))
    newer = newer.where(EVENTS.c.dataset == dataset, EVENTS.c.id > since)
    return sa.select(EVENT_SAMPLES.c.path).where(EVENT_SAMPLES.c.event.in_(newer)).distinct()


def _with_labels_of_now(rows: pd.DataFrame, classes: ClassLists) -> pd.DataFrame:
    """The entries with the labels of former class lists as indices of the present one."""
    begin = 0
    for former in classes.former:
        of_list = (rows["action"] == "relabel") & rows["id"].between(begin, former.entry) & rows["value"].notna()
        written = rows.loc[of_list, "value"].unique()
        numbers = classes.numbers_now(map(int, written), former.classes)
        now = {text: None if number is None else str(number) for text, number in zip(written, numbers, strict=True)}
        rows.loc[of_list, "value"] = [now[text] for text in rows.loc[of_list, "value"]]
        begin = former.entry
    return rows


def fold(rows: pd.DataFrame, paths: Sequence[str] | None = None) -> pd.DataFrame:
    """The state after entries `action, value, path`, oldest first: for each tag, label and exclusion the last one.

    The value of an exclusion is a tag until the sample is included again, unless it is tagged so as well. `paths`:
    those to tell the state of, whether there are entries about them or not; all that have some by default.

    >>> rows = pd.DataFrame([("tag", "blurred", "a"), ("exclude", "dark", "a"), ("include", None, "a")],
    ...                     columns=["action", "value", "path"])
    >>> fold(rows).to_dict("records")
    [{'path': 'a', 'tags': ['blurred'], 'curated_label': None, 'excluded': False}]
    """
    is_relabel, is_exclusion = rows["action"] == "relabel", rows["action"].isin(["exclude", "include"])
    includes = (rows["action"] == "include").astype(int)
    ended = includes[::-1].groupby(rows["path"]).cummax() > 0  # by an include that follows
    is_reason = (rows["action"] == "exclude") & rows["value"].notna() & ~ended
    is_tag = rows["action"].isin(["tag", "untag"]) | is_reason
    last_tags = rows[is_tag].drop_duplicates(["path", "value"], keep="last")
    tags = last_tags[last_tags["action"] != "untag"].groupby("path")["value"].agg(sorted)
    labels = rows[is_relabel].drop_duplicates("path", keep="last").set_index("path")["value"]
    exclusions = rows[is_exclusion].drop_duplicates("path", keep="last").set_index("path")["action"]
    state = pd.DataFrame({"path": rows["path"].unique() if paths is None else list(paths)})
    state["tags"] = [names if isinstance(names, list) else [] for names in state["path"].map(tags)]
    state["curated_label"] = pd.to_numeric(state["path"].map(labels)).astype("Int64")
    state["excluded"] = (state["path"].map(exclusions) == "exclude").astype(bool)
    return state

"""Tables of the response log in the database, under the names that they are stored by."""

import sqlalchemy as sa

METADATA = sa.MetaData()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _log(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """Return the table of a log, in which what was written later is found by its number.

    Times are seconds since 1970, so that a million of them are read in one go.
    """
    return sa.Table(
        name,
        METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        *_texts("dataset"),
        *columns,
        sa.Column("at", sa.Double, nullable=False),
        sa.Index(f"{name}_by_id", "dataset", "id"),
        sqlite_autoincrement=True,
    )


#: A row an answer to one image. `answer`: the class chosen (classify), or the class asked about (select).
RESPONSES = _log(
    "ballots",
    *_texts("design", "annotator", "path", "answer"),
    sa.Column("selected", sa.Boolean),
    *_texts("control"),
    sa.Column("expected", sa.String),
    sa.Column("reaction_ms", sa.Integer, nullable=False),
    *_texts("task"),
    sa.Column("place", sa.Integer, nullable=False),
    *_texts("nonce"),
    sa.UniqueConstraint("task", "place"),
    sa.Index("ballots_by_path", "dataset", "design", "path"),
    sa.Index("ballots_by_annotator", "dataset", "annotator", "id"),
)
#: Answers that no longer stand.
RETRACTIONS = _log("takebacks", *_texts("task"), sa.UniqueConstraint("task"))
#: Annotators who were excluded or included.
STATUSES = _log("rulings", *_texts("annotator", "action", "why", "who"))
WITHDRAWALS = _log("withdrawals", sa.Column("answers", sa.Integer, nullable=False))
CHOICES = _log("choices", *_texts("kind", "value", "who"))
#: Who has which image now. No part of the log: a row goes when it is answered, or when others have filled its place.
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    *_texts("dataset", "design", "annotator", "path", "class_name", "control"),
    sa.Column("expected", sa.String),
    sa.Column("ticked", sa.Boolean),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Index("leases_by_path", "dataset", "design", "path"),
    sa.Index("leases_by_annotator", "dataset", "annotator"),
)
LOGS = (RESPONSES, RETRACTIONS, STATUSES, WITHDRAWALS, CHOICES)

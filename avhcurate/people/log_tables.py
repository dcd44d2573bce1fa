"""Tables of the response log in the database, under the names that they are stored by."""

import sqlalchemy as sa

METADATA = sa.MetaData()


def _log(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """Return the table of a log, in which what was written later is found by its number.

    Times are seconds since 1970, so that a million of them are read in one go.
    """
    return sa.Table(
        name,
        METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String, nullable=False),
        *columns,
        sa.Column("at", sa.Double, nullable=False),
        sa.Index(f"{name}_by_id", "dataset", "id"),
        sqlite_autoincrement=True,
    )


#: A row an answer to one image.
RESPONSES = _log(
    "ballots",
    sa.Column("design", sa.String, nullable=False),
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    # classify: the class chosen; select: the class asked about
    sa.Column("answer", sa.String, nullable=False),
    sa.Column("selected", sa.Boolean),
    sa.Column("control", sa.String, nullable=False),
    sa.Column("expected", sa.String),
    sa.Column("reaction_ms", sa.Integer, nullable=False),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("nonce", sa.String, nullable=False),
    sa.UniqueConstraint("task", "place"),
    sa.Index("ballots_by_path", "dataset", "design", "path"),
    sa.Index("ballots_by_annotator", "dataset", "annotator", "id"),
)
#: Answers that no longer stand.
RETRACTIONS = _log(
    "takebacks",
    sa.Column("task", sa.String, nullable=False, unique=True),
)
#: Annotators who were excluded or included.
STATUSES = _log(
    "rulings",
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("why", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
)
WITHDRAWALS = _log(
    "withdrawals",
    sa.Column("answers", sa.Integer, nullable=False),
)
CHOICES = _log(
    "choices",
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("value", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
)
#: Who has which image now. No part of the log: a row goes when it is answered, or when others have filled its place.
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False),
    sa.Column("design", sa.String, nullable=False),
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("class_name", sa.String, nullable=False),
    sa.Column("control", sa.String, nullable=False),
    sa.Column("expected", sa.String),
    sa.Column("ticked", sa.Boolean),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Index("leases_by_path", "dataset", "design", "path"),
    sa.Index("leases_by_annotator", "dataset", "annotator"),
)
LOGS = (RESPONSES, RETRACTIONS, STATUSES, WITHDRAWALS, CHOICES)

"""The tables as they were when the database got a version; those that an unversioned one has are left as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes what is missing of the annotation log, the saved sets and views, and the response log."""
    _decision_log(
        "events",
        sa.Column("action", sa.String, nullable=False),
        sa.Column("value", sa.String),
        sa.Column("samples", sa.Integer, nullable=False),
    )
    _table(
        "event_samples",
        sa.Column("event", sa.Integer, sa.ForeignKey("events.id"), primary_key=True),
        sa.Column("path", sa.String, primary_key=True),
    )
    _table(
        "event_labels",
        sa.Column("event", sa.Integer, sa.ForeignKey("events.id"), primary_key=True),
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("label", sa.Integer, nullable=False),
    )
    _decision_log(
        "saved",
        *_texts("kind", "name", "action"),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("address", sa.String),
    )
    _table(
        "saved_members",
        sa.Column("entry", sa.Integer, sa.ForeignKey("saved.id"), primary_key=True),
        sa.Column("paths", sa.LargeBinary, nullable=False),
    )
    _response_log(
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
    )
    _response_log("takebacks", sa.Column("task", sa.String, nullable=False, unique=True))
    _response_log("rulings", *_texts("annotator", "action", "why", "who"))
    _response_log("withdrawals", sa.Column("answers", sa.Integer, nullable=False))
    _response_log("choices", *_texts("kind", "value", "who"))
    _table(
        "leases",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        *_texts("dataset", "design", "annotator", "path", "class_name", "control"),
        sa.Column("expected", sa.String),
        sa.Column("ticked", sa.Boolean),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
    )
    _index("ballots_by_path", "ballots", "dataset", "design", "path")
    _index("ballots_by_annotator", "ballots", "dataset", "annotator", "id")
    _index("leases_by_path", "leases", "dataset", "design", "path")
    _index("leases_by_annotator", "leases", "dataset", "annotator")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _decision_log(name: str, *columns: sa.schema.SchemaItem) -> None:
    _table(
        name,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        *_texts("dataset"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *_texts("who"),
        *columns,
        sa.Column("reverts", sa.Integer, sa.ForeignKey(f"{name}.id"), unique=True),
        sqlite_autoincrement=True,
    )
    _index(f"ix_{name}_dataset", name, "dataset")


def _response_log(name: str, *columns: sa.schema.SchemaItem) -> None:
    _table(
        name,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        *_texts("dataset"),
        *columns,
        sa.Column("at", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    _index(f"{name}_by_id", name, "dataset", "id")


def _table(name: str, *columns: sa.schema.SchemaItem, sqlite_autoincrement: bool = False) -> None:
    op.create_table(name, *columns, sqlite_autoincrement=sqlite_autoincrement, if_not_exists=True)


def _index(name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), if_not_exists=True)

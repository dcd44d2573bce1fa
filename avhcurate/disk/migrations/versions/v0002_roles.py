"""The roles of people in the workspace."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the log of roles."""
    op.create_table(
        "roles",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("who", "action", "kind", "subject")),
        sa.Column("role", sa.String),
        sa.Column("reverts", sa.Integer, sa.ForeignKey("roles.id"), unique=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_roles_dataset", "roles", ["dataset"])

"""Version 3 of the database: each act of a browser is written once, by the name that the browser gives it."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    event = sa.ForeignKey("events.id", ondelete="CASCADE")
    op.create_table(
        "event_acts",
        sa.Column("act", sa.String, primary_key=True),
        sa.Column("event", sa.Integer, event, nullable=False),
    )

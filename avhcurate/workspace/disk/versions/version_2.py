"""The database of the first release, from which the steps begin."""

revision = "2"
down_revision = None


def upgrade() -> None:
    """Leave it as it is."""

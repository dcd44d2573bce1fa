"""Class indices of the annotation log may be of a former class list, which an entry of it keeps: no table changes."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Only the version, so that an earlier program does not take old indices for those of the present classes."""

"""The steps of the database, one file a version, for Alembic."""

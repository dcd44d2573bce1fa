"""Runs the scripts of `versions/` on the connection that `avhcurate.disk.migration` gives, in its transaction."""

from alembic import context

from avhcurate.disk.migration import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()

"""Which database a table opens its logs in."""

from avhcurate.datasets.table import logs


def test_a_plain_address_of_postgresql_means_the_driver_of_the_extra(workspace, monkeypatch):
    for scheme in ("postgres", "postgresql"):
        monkeypatch.setenv("AVHCURATE_DATABASE_URL", f"{scheme}://ann@host/name")
        assert logs.database_url(workspace) == "postgresql+psycopg://ann@host/name"

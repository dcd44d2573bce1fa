"""A decision that cannot be done now, since the database is away, is not refused: its browser keeps it."""

from avhcurate.datasets.curate.history import history_entries
from tests.fakes.decisions import decide, decision


def test_a_decision_waits_while_the_database_is_away(workspace, make_dataset, monkeypatch):
    table = make_dataset({"cat/a.png": "red", "dog/b.png": "blue"})
    sent = decision("exclude", 0, dataset="pets"), decision("exclude", 1, dataset="pets")
    with monkeypatch.context() as away:
        away.setenv("AVHCURATE_DATABASE_URL", f"sqlite:///{workspace.root}/absent/annotations.db")
        assert decide(workspace.root, *sent) == []
    assert [one.why for one in decide(workspace.root, *sent)] == ["", ""]
    table.refresh()
    assert [(one.action, one.samples) for one in history_entries(table)[0]] == [("exclude", 1), ("exclude", 1)]

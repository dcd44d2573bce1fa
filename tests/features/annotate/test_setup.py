"""Settings of a collection: what cannot work is refused, what is written stands for everybody."""

import pytest

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.errors import CurateError
from avhcurate.features.annotate import setup
from avhcurate.features.annotate.setup import CollectionSettings
from tests.fakes.votes import make_labelled


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 0}, "greater than or equal to 1"),
        ({"control_share": 0.7}, "less than or equal to 0.5"),
        ({"design": "guess"}, "'classify' or 'select'"),
        ({"queue": "best"}, "'random', 'hardest'"),
        ({"design": "select", "classes": (7,)}, "No sample has a label"),
        ({"candidates": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_give_no_tasks_are_refused(workspace, changes, message):
    make_labelled(workspace, [0, 1, 2])
    table = open_table(workspace, "pets")
    with pytest.raises(CurateError, match=message):
        setup.configure(table, CollectionSettings(**changes), who="boss")
    assert setup.settings_of(table) is None


def test_settings_hold_for_everybody_and_after_a_restart(workspace):
    make_labelled(workspace, [0, 1, 2])
    wanted = CollectionSettings(design="select", classes=(1, 2), definitions=(("dog", "It barks."),))
    setup.configure(open_table(workspace, "pets"), wanted, who="boss")
    # A random order keeps a record of its chances, the first.
    assert setup.settings_of(open_table(workspace, "pets")) == wanted.with_(record=1)

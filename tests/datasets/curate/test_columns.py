"""Which end of an own column is harder: said once, kept with the dataset, over a new import too, and in the shell."""

import json

import pandas as pd
import pytest

from avhcurate.datasets.curate.columns import describe_columns, set_harder
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from tests.fakes.datasets import write_images


@pytest.fixture
def opened(workspace, tmp_path):
    write_images(tmp_path, {"a.png": "red", "b.png": "blue", "c.png": "green"})
    rows = {"path": ["a.png", "b.png", "c.png"], "label": ["x", "y", "x"], "rate": [1.5, 2.5, None]}
    pd.DataFrame(rows | {"a=b": [3, 4, 5], "place": ["zoo", None, "zoo"]}).to_csv(tmp_path / "m.csv", index=False)
    import_dataset(workspace, "pets", tmp_path / "m.csv")
    return open_dataset(workspace, "pets")


def ends(workspace):
    return open_dataset(workspace, "pets").dataset.record.harder


def test_what_was_said_is_kept_changed_and_taken_back(workspace, opened):
    set_harder(workspace, opened.samples, opened.dataset, {"rate": "low", "a=b": "high"})
    assert ends(workspace) == {"rate": "low", "a=b": "high"}
    rows = describe_columns(open_dataset(workspace, "pets").samples).set_index("column")
    assert rows["kind"].to_dict() == {"rate": "number", "a=b": "number", "place": "text"}
    assert rows.loc["rate", ["samples", "low", "high", "harder"]].tolist() == [2, 1.5, 2.5, "low"]
    assert rows.loc["place", ["samples", "values"]].tolist() == [2, 1]
    assert open_dataset(workspace, "pets").samples.ranked["rate"].sign == -1
    set_harder(workspace, opened.samples, opened.dataset, {"rate": "high", "a=b": "none"})
    assert ends(workspace) == {"rate": "high"}
    set_harder(workspace, opened.samples, opened.dataset, {"rate": "none"})
    assert ends(workspace) == {}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"rate": "up"}, "high, low or none"),
        ({"place": "high"}, "not an own column of numbers"),
        ({"avh": "high"}, "not an own column of numbers"),
        ({"gone": "low"}, "The dataset has: rate, a=b"),
    ],
)
def test_what_cannot_be_said_is_refused_and_nothing_is_kept(workspace, opened, said, reason):
    with pytest.raises(CurateError, match=reason):
        set_harder(workspace, opened.samples, opened.dataset, {"rate": "low"} | said)
    assert ends(workspace) == {}


def test_a_new_import_keeps_what_was_said_of_columns_that_are_still_there(workspace, opened, tmp_path):
    set_harder(workspace, opened.samples, opened.dataset, {"rate": "low", "a=b": "high"})
    changed = pd.read_csv(tmp_path / "m.csv").drop(columns="a=b").assign(label=["x", "y", "y"])
    changed.to_csv(tmp_path / "m.csv", index=False)
    import_dataset(workspace, "pets", tmp_path / "m.csv", force=True)
    assert ends(workspace) == {"rate": "low"}


def test_the_shell_says_it_and_lists_it(cli, workspace, opened):
    at = ("--workspace", workspace.root)
    ended = cli("columns", "pets", *at, "--harder", "rate=low", "--harder", "a=b=high", "--json")
    assert ended.code == 0, ended.err
    listed = {row["column"]: row["harder"] for row in json.loads(ended.out)["columns"]}
    assert listed == {"rate": "low", "a=b": "high", "place": ""}
    assert "rate" in cli("columns", "pets", *at).out
    wrong = cli("columns", "pets", *at, "--harder", "rate")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "COLUMN=high" in wrong.err

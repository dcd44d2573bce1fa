"""Label Studio's JSON: what we write has the form that its import takes, and comes back as it went out."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.people.files.label_studio import label_config, sheet_of_tasks, tasks_of
from avhcurate.people.responses import check_responses

BALLOTS = [
    ("a b/1.png", "ann", "cat", "none", None, 750.0, "2026-01-02T03:04:05Z"),
    ("a b/1.png", "bob", 'dog "d"', "none", None, None, None),
    ("c.png", None, "cat", "none", None, None, None),
    ("known.png", "ann", "cat", "attention", "cat", 400.0, None),
]


def responses(design="classify"):
    names = ["path", "annotator", "answer", "control", "expected", "reaction_ms", "at"]
    table = pd.DataFrame(BALLOTS, columns=names).assign(design=design, selected=None)
    if design == "select":
        table = table.assign(selected=[True, False, True, True], control=["none"] * 3 + ["positive"])
    return check_responses(table)


@pytest.mark.parametrize("design", ["classify", "select"])
def test_tasks_have_the_form_that_an_import_takes(design):
    tasks = list(tasks_of(responses(design), simulated=False))
    config = ElementTree.fromstring(label_config(["cat", 'dog "d"'], select=design == "select"))
    control, image = config.find("Choices"), config.find("Image")
    offered = {choice.get("value") for choice in control}
    wanted = {tag.get("value").removeprefix("$") for tag in config if tag.get("value")}
    for task in tasks:
        assert wanted <= set(task["data"])
        assert all(isinstance(task["data"][name], str) for name in wanted)
        for annotation in task["annotations"]:
            # Without these two, it would take votes for the truth, or refuse annotators it does not know.
            assert annotation["ground_truth"] is False
            assert "completed_by" not in annotation
            (result,) = annotation["result"]
            assert (result["from_name"], result["to_name"]) == (control.get("name"), image.get("name"))
            assert result["type"] == "choices"
            assert set(result["value"]["choices"]) <= offered


@pytest.mark.parametrize("design", ["classify", "select"])
def test_they_come_back_as_they_went_out(design):
    table = responses(design)
    # It fills in whoever imports the file, and numbers of its own.
    tasks = [task | {"id": number} for number, task in enumerate(tasks_of(table, simulated=True))]
    for task in tasks:
        for number, annotation in enumerate(task["annotations"]):
            annotation |= {"id": number, "completed_by": 7, "created_at": "2030-01-01T00:00:00Z"}
    sheet = sheet_of_tasks(tasks, "v.json")
    assert sheet.simulated
    answer = "label" if design == "classify" else "class"
    assert sheet.answers[answer].to_list() == ["cat", 'dog "d"', "cat"]
    assert sheet.answers["annotator"].to_list() == ["ann", "bob", "7"]
    assert sheet.answers["reaction_ms"].to_list()[0] == 750
    assert sheet.answers["at"].iloc[0] == pd.Timestamp("2026-01-02T03:04:05Z")
    assert sheet.samples["path"].to_pylist() == ["a b/1.png", "a b/1.png", "c.png"]
    assert sheet.samples["image"].to_pylist() == sheet.samples["path"].to_pylist()
    assert sheet.controls.answers["control"].to_list() == table["control"].to_list()[3:]
    if design == "select":
        assert sheet.answers["selected"].to_list() == [True, False, True]


def test_a_class_called_yes_is_a_class():
    results = [{"type": "choices", "from_name": "label", "value": {"choices": ["yes"]}}]
    sheet = sheet_of_tasks([{"data": {"path": "a", "class": "x"}, "annotations": [{"result": results}]}], "v.json")
    assert sheet.answers["label"].to_list() == ["yes"]


def test_both_ways_of_asking_in_one_file_are_refused():
    both = [*tasks_of(responses(), simulated=False), *tasks_of(responses("select"), simulated=False)]
    with pytest.raises(CurateError, match="mixes"):
        sheet_of_tasks(both, "v.json")
    mixed = [*tasks_of(responses(), simulated=False), *tasks_of(responses(), simulated=True)]
    with pytest.raises(CurateError, match="simulated"):
        sheet_of_tasks(mixed, "v.json")

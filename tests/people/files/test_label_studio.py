"""Label Studio's JSON: answers of its exports, and of older files of ours, come in with who gave them and when."""

import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.people.files.label_studio import choice, sheet_of_tasks


def tasks(*, select=False, **data):
    """Three votes and a control, as Label Studio exports what this program once wrote."""
    answers = [("yes", {"annotator": "ann", "at": "2026-01-02T03:04:05Z"}), ("no", {"annotator": "bob"}), ("yes", {})]
    answers.append(("yes", {"annotator": "ann", "control": "positive"}))
    names = {"yes": "cat", "no": 'dog "d"'}
    for number, (answer, meta) in enumerate(answers):
        path = ["a b/1.png", "a b/1.png", "c.png", "known.png"][number]
        result = choice(answer if select else names[answer], select=select, **meta)
        annotation = {"result": [result], "completed_by": 7, "created_at": "2030-01-01T00:00:00Z", "lead_time": 0.75}
        about = {"image": f"/data/local-files/?d={path.replace(' ', '%20')}", "path": path, **data}
        if select:
            about["class"] = "cat"
        yield {"id": number, "data": about, "annotations": [annotation]}


@pytest.mark.parametrize("select", [False, True])
def test_answers_come_in_with_annotator_time_and_control(select):
    sheet = sheet_of_tasks(list(tasks(select=select, simulated=True)), "v.json")
    assert sheet.simulated
    assert sheet.answers["annotator"].to_list() == ["ann", "bob", "7"]
    assert sheet.answers["reaction_ms"].to_list() == [750] * 3
    assert sheet.answers["at"].iloc[0] == pd.Timestamp("2026-01-02T03:04:05Z")
    assert sheet.samples["path"].to_pylist() == ["a b/1.png", "a b/1.png", "c.png"]
    assert sheet.samples["image"].to_pylist() == sheet.samples["path"].to_pylist()
    assert sheet.controls.answers["control"].to_list() == ["positive"]
    if select:
        assert sheet.answers["selected"].to_list() == [True, False, True]
    else:
        assert sheet.answers["label"].to_list() == ["cat", 'dog "d"', "cat"]


def test_a_class_called_yes_is_a_class():
    results = [{"type": "choices", "from_name": "label", "value": {"choices": ["yes"]}}]
    sheet = sheet_of_tasks([{"data": {"path": "a", "class": "x"}, "annotations": [{"result": results}]}], "v.json")
    assert sheet.answers["label"].to_list() == ["yes"]


def test_both_ways_of_asking_in_one_file_are_refused():
    with pytest.raises(CurateError, match="mixes"):
        sheet_of_tasks([*tasks(), *tasks(select=True)], "v.json")
    with pytest.raises(CurateError, match="simulated"):
        sheet_of_tasks([*tasks(), *tasks(simulated=True)], "v.json")

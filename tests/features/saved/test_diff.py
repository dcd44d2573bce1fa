"""What changed between two states: planted changes are found, all of them and no others, and a state is had back."""

import json
from collections import defaultdict
from unittest import mock

import numpy as np
import pandas as pd
from PIL import Image

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.saved import diff_rules, diff_service
from avhcurate.ui.base import url_state
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.images.decoding import encode_png
from tests.fakes.workspaces import by


def png(number):
    return encode_png(Image.fromarray(np.random.default_rng(number).integers(256, size=(12, 12, 3), dtype=np.uint8)))


def found(diff):
    """The paths of each kind of change, with what was and what is."""
    kinds = defaultdict(dict)
    for row in diff.changes.itertuples():
        kinds[row.kind][row.path] = (row.before, row.after)
    return dict(kinds)


def test_of_two_moments_each_change_has_who_and_why_and_the_first_is_had_back(own_demo_root):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    by("ann", annotate, opened.decisions, [5, 7], "relabel", 3)
    by("ann", annotate, opened.decisions, [1], "tag", "odd")
    moment = opened.samples.entry
    by("bob", annotate, opened.decisions, [7], "relabel", 4)
    by("bob", undo, opened.decisions)
    by("bob", annotate, opened.decisions, [5], "relabel", None)
    by("bob", annotate, opened.decisions, [1, 2], "exclude", "dark")
    by("bob", annotate, opened.decisions, [1], "untag", "odd")
    by("bob", annotate, opened.decisions, [9], "relabel", 0)
    forth = diff_service.diff(opened, moment)
    paths = opened.samples.frame(columns=["path"])["path"]
    assert found(forth) == {
        "relabelled": {paths[5]: ("3", "5"), paths[9]: ("9", "0")},
        "tagged": {paths[1]: ("odd", "dark"), paths[2]: ("", "dark")},
        "excluded": {paths[1]: ("", ""), paths[2]: ("", "")},
    }
    assert set(forth.changes["who"]) == {"bob"}
    assert forth.changes.set_index("path").loc[paths[9], "why"] == "relabelled as 0"
    back = diff_service.diff(opened, opened.samples.entry, moment)
    assert back.counts == {"relabelled": 2, "tagged": 2, "included": 2}
    assert back.classes.set_index("class").loc["0"].tolist() == forth.classes.set_index("class").loc["0"].tolist()[::-1]
    assert forth.summary.set_index("what").loc["images"].tolist() == [1797, 1795]
    for kind, n in forth.counts.items():
        view, notices = url_state.parse(forth.query(forth.of_kind(kind)))
        assert (notices, opened.samples.count(view.filters)) == ([], n)
    assert by("cat", diff_service.restore, opened.decisions, opened.run, moment) == 4
    assert diff_service.diff(opened, moment).changes.empty
    assert by("cat", diff_service.restore, opened.decisions, opened.run, 0) == 3
    assert diff_service.diff(opened).changes.empty


def test_the_story_has_a_line_for_each_day_and_person_and_one_line_alone_is_taken_back(own_digits):
    opened = own_digits
    day = 86_400
    with mock.patch("time.time", return_value=20_000 * day):
        by("ann", annotate, opened.decisions, [5, 7], "relabel", 3)
        by("ann", annotate, opened.decisions, [1], "exclude", "dark")
    with mock.patch("time.time", return_value=20_001 * day):
        by("ann", annotate, opened.decisions, [8], "tag", "odd")
        by("bob", annotate, opened.decisions, [7, 9], "relabel", 4)  # 7 is his now
        by("bob", annotate, opened.decisions, [1, 5], "tag", "seen")
    diff = diff_service.diff(opened)
    lines = {(day, who): rows for day, who, rows in diff_rules.by_day_and_person(diff.changes)}
    assert list(lines) == [("2024-10-05", "bob"), ("2024-10-05", "ann"), ("2024-10-04", "ann")]
    about = {line: sorted(zip(rows["kind"], rows["id"], strict=True)) for line, rows in lines.items()}
    assert about["2024-10-05", "ann"] == [("tagged", 8)]
    assert about["2024-10-04", "ann"] == [("excluded", 1), ("relabelled", 5)]
    assert by("cat", diff_service.restore, opened.decisions, opened.run, 0, lines["2024-10-04", "ann"]) == 2
    rows = (
        opened.samples.frame(columns=["id", "curated_label", "label", "tags", "excluded"])
        .set_index("id")
        .loc[[1, 5, 7, 8, 9]]
    )
    assert not rows["excluded"].any()
    assert (rows["curated_label"] != rows["label"]).tolist() == [False, False, True, False, True]  # bob's stay
    assert [list(tags) for tags in rows["tags"]] == [["seen"], ["seen"], [], ["odd"], []]


def test_the_verb_says_counts_and_writes_every_change(cli, own_demo_root, tmp_path, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    cli("relabel", "digits", "--ids", "5,7", "--to", "3")
    ended = cli("diff", "digits", "--out", tmp_path / "changes.csv")
    assert "digits@0 to @1: label changed 2" in ended.out
    rows = pd.read_csv(tmp_path / "changes.csv")
    expected = [["relabelled", id, 3, "relabelled as 3"] for id in (5, 7)]
    assert rows[["kind", "id", "after", "why"]].values.tolist() == expected
    result = json.loads(cli("diff", "digits@0", "digits", "--json").out)
    assert result["counts"] == {"relabelled": 2}
    assert result["galleries"]["relabelled"].startswith("gallery?dataset=digits&")
    assert "The state after entry 0 is back: 2 samples changed." in cli("history", "digits", "--restore", 0).err
    assert "nothing differs" in cli("diff", "digits").out
    for wrong in (("digits@999",), ("nowhere",), ("digits", "others")):
        assert cli("diff", *wrong).code == 2

"""What changed between two states: planted changes are found, all of them and no others, and a state is had back."""

import json
from collections import defaultdict
from dataclasses import replace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.export.service import export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.quality.service import measure_dataset
from avhcurate.features.saved import diff_rules, diff_service
from avhcurate.ui.base import url_state
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.image_parquet import LabelledImage, write_images
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


@pytest.fixture
def imports(workspace, tmp_path):
    """Two imports of one collection: what is planted between them is in the test."""

    def add(name, rows):
        images = [LabelledImage(path, png(number), label, {"split": split}) for path, number, label, split in rows]
        write_images(tmp_path / f"{name}.parquet", images, ("cat", "dog"))
        import_dataset(workspace, name, tmp_path / f"{name}.parquet")
        measure_dataset(workspace, name)

    before = [(f"{number:02d}.png", number, number % 2, "train") for number in range(20)]
    after = [*before[:14], before[15], ("new.png", 99, 1, "test"), ("again.png", 3, 1, "train")]
    after[4] = ("04.png", 4, 1, "train")
    after[5] = ("05.png", 5, 1, "test")
    after[6] = ("06.png", 60, 0, "train")
    after.append(("moved.png", 16, 0, "train"))
    add("old", before)
    add("new", after)
    return workspace


def test_between_two_imports_all_that_was_planted_is_found_and_nothing_else(imports):
    table = open_table(imports, "new")
    by("ann", annotate, table, [0], "relabel", 1)
    by("bob", annotate, table, [1], "exclude", "dark")
    diff = diff_service.diff(*diff_service.states(imports, "old", "new"))
    expected = {
        "added": {"new.png": ("", "dog"), "06.png": ("", "cat")},
        "copied": {"again.png": ("", "dog")},
        "gone": {f"{n:02d}.png": (("cat", "dog")[n % 2], "") for n in (6, 14, 17, 18, 19)},
        "renamed": {"moved.png": ("16.png", "moved.png")},
        "relabelled": {"04.png": ("cat", "dog"), "00.png": ("cat", "dog")},
        "split": {"05.png": ("train", "test")},
        "excluded": {"01.png": ("", "")},
        "tagged": {"01.png": ("", "dark")},
    }
    assert found(diff) == expected
    assert not diff.notes
    told = diff.changes.set_index(["kind", "path"])
    assert told.loc[("relabelled", "00.png"), ["who", "why"]].tolist() == ["ann", "relabelled as dog"]
    assert told.loc[("relabelled", "04.png"), ["who", "why"]].tolist() == ["", ""]
    assert told.loc[("excluded", "01.png"), ["who", "why"]].tolist() == ["bob", "excluded dark"]
    assert diff.classes.set_index("class").loc["dog"].tolist() == [10, 11]
    assert diff.summary.set_index("what").loc["images"].tolist() == [20, 17]
    for kind, n in diff.counts.items():
        view, notices = url_state.parse(diff.query(kind))
        opened = open_table(imports, view.dataset)
        paths = opened.frame(view.filters, columns=["path"])["path"]
        assert (not notices, len(paths), set(paths)) == (True, n, set(expected[kind]))
    same = diff_service.diff(*diff_service.states(imports, "old", "old"))
    assert same.changes.empty


def test_of_two_moments_each_change_has_who_and_why_and_the_first_is_had_back(own_demo_root, tmp_path):
    workspace = Workspace(own_demo_root)
    table = open_table(workspace, "digits")
    by("ann", annotate, table, [5, 7], "relabel", 3)
    by("ann", annotate, table, [1], "tag", "odd")
    export(table, Filters(), "csv", tmp_path / "labels.csv")
    manifest = json.loads((tmp_path / "labels.csv.manifest.json").read_text())
    moment = manifest["entry"]
    assert moment == table.annotated > 0
    by("bob", annotate, table, [7], "relabel", 4)
    by("bob", undo, table)
    by("bob", annotate, table, [5], "relabel", None)
    by("bob", annotate, table, [1, 2], "exclude", "dark")
    by("bob", annotate, table, [1], "untag", "odd")
    by("bob", annotate, table, [9], "relabel", 0)
    now = diff_service.state_of(table)
    then = diff_service.earlier(now, moment)
    forth = diff_service.diff(then, now)
    paths = table.frame(columns=["path"])["path"]
    assert found(forth) == {
        "relabelled": {paths[5]: ("3", "5"), paths[9]: ("9", "0")},
        "tagged": {paths[1]: ("odd", "dark"), paths[2]: ("", "dark")},
        "excluded": {paths[1]: ("", ""), paths[2]: ("", "")},
    }
    assert set(forth.changes["who"]) == {"bob"}
    assert forth.changes.set_index("path").loc[paths[9], "why"] == "relabelled as 0"
    assert (forth.shifts["shift"] == 0).all()
    back = diff_service.diff(now, then)
    assert back.counts == {"relabelled": 2, "tagged": 2, "included": 2}
    from_file = diff_service.diff(*diff_service.states(workspace, str(tmp_path / "labels.csv"), "digits"))
    assert from_file.counts == {"gone": 2, "relabelled": 2}
    assert set(from_file.changes["why"]) == {"excluded dark", "restored the label", "relabelled as 0"}
    assert by("cat", diff_service.restore, table, moment) == 4
    assert diff_service.diff(then, diff_service.state_of(table)).changes.empty
    assert by("cat", diff_service.restore, table, 0) == 3
    now = diff_service.state_of(table)
    assert diff_service.diff(diff_service.earlier(now, 0), now).changes.empty


def test_the_story_has_a_line_for_each_day_and_person_and_one_line_alone_is_taken_back(own_digits):
    table = own_digits
    day = 86_400
    with mock.patch("time.time", return_value=20_000 * day):
        by("ann", annotate, table, [5, 7], "relabel", 3)
        by("ann", annotate, table, [1], "exclude", "dark")
    with mock.patch("time.time", return_value=20_001 * day):
        by("ann", annotate, table, [8], "tag", "odd")
        by("bob", annotate, table, [7, 9], "relabel", 4)  # 7 is his now
        by("bob", annotate, table, [1, 5], "tag", "seen")
    then, now = diff_service.states(table.workspace, "digits")
    diff = diff_service.diff(then, now)
    lines = {(day, who): rows for day, who, rows in diff_rules.by_day_and_person(diff.changes)}
    assert list(lines) == [("2024-10-05", "bob"), ("2024-10-05", "ann"), ("2024-10-04", "ann")]
    about = {line: sorted(zip(rows["kind"], rows["id"], strict=True)) for line, rows in lines.items()}
    assert about["2024-10-05", "ann"] == [("tagged", 8)]
    assert about["2024-10-04", "ann"] == [("excluded", 1), ("relabelled", 5)]
    assert by("cat", diff_service.restore, table, 0, lines["2024-10-04", "ann"]) == 2
    rows = (
        table.frame(columns=["id", "curated_label", "label", "tags", "excluded"]).set_index("id").loc[[1, 5, 7, 8, 9]]
    )
    assert not rows["excluded"].any()
    assert (rows["curated_label"] != rows["label"]).tolist() == [False, False, True, False, True]  # bob's stay
    assert [list(tags) for tags in rows["tags"]] == [["seen"], ["seen"], [], ["odd"], []]


def test_scores_and_splits_of_two_exports_are_compared(own_demo_root, tmp_path):
    workspace = Workspace(own_demo_root)
    table = open_table(workspace, "digits")
    for name in ("one", "two"):
        export(table, Filters(), "parquet", tmp_path / f"{name}.parquet")
    rows = pd.read_parquet(tmp_path / "two.parquet")
    rows.loc[[3, 8], "avh"] += 0.5
    rows.loc[11, "hsf"] = None
    rows.loc[12, "split"] = "elsewhere"
    rows.to_parquet(tmp_path / "two.parquet")
    diff = diff_service.diff(*diff_service.states(workspace, *(str(tmp_path / f"{n}.parquet") for n in ("one", "two"))))
    assert diff.counts == {"split": 1, "rescored": 3}
    shifts = diff.shifts.set_index("score")
    assert shifts.loc["AVH", "shift"] == pytest.approx(1 / 1797, rel=1e-3)
    assert (shifts.loc["HSF", "n"], shifts.loc["AVC", "shift"]) == (1796, 0)


def test_what_only_one_of_the_two_has_is_no_change_of_scores(imports):
    """As of a dataset without a run: no score of it is another one."""
    new, old = (diff_service.state_of(open_table(imports, name)) for name in ("new", "old"))
    before = diff_service.diff(old, new)
    scored = replace(new, rows=new.rows.assign(avh=0.5, confidence=0.5))
    diff = diff_service.diff(old, scored)
    assert diff.counts == before.counts
    assert diff.notes == ("Only one of the two has Confidence, AVH: not compared.",)
    other = replace(old, rows=old.rows.assign(avh=[0.7, *[0.5] * 19]))
    assert diff_service.diff(other, scored).counts["rescored"] == 1


@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl"])
def test_tags_of_an_export_whose_first_image_has_none_are_its_tags(own_demo_root, tmp_path, format):
    workspace = Workspace(own_demo_root)
    table = open_table(workspace, "digits")
    annotate(table, [3, 5, 8], "tag", "blurred")
    annotate(table, [3], "tag", "cut; off")
    export(table, Filters(), format, tmp_path / f"all.{format}")
    diff = diff_service.diff(*diff_service.states(workspace, str(tmp_path / f"all.{format}"), "digits"))
    assert diff.counts == {}


def test_the_same_images_are_matched_once_each():
    before = pd.DataFrame({"path": list("abcd"), "content": ["1", "1", "2", "3"]})
    after = pd.DataFrame({"path": list("badx"), "content": ["1", "1", "1", "3"]})
    one, other = diff_rules.same_images(before, after)
    assert dict(zip(before["path"][one], after["path"][other], strict=True)) == {"a": "a", "b": "b", "d": "x"}


def test_the_verb_says_counts_and_writes_every_change(cli, own_demo_root, tmp_path, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    cli("relabel", "digits", "--ids", "5,7", "--to", "3")
    ended = cli("diff", "digits", "--out", tmp_path / "changes.csv")
    assert "digits@0 to digits: label changed 2" in ended.out
    rows = pd.read_csv(tmp_path / "changes.csv")
    expected = [["relabelled", id, 3, "relabelled as 3"] for id in (5, 7)]
    assert rows[["kind", "id", "after", "why"]].values.tolist() == expected
    result = json.loads(cli("diff", "digits@0", "digits", "--json").out)
    assert (result["counts"], result["scores"][0]["shift"]) == ({"relabelled": 2}, 0)
    assert result["galleries"]["relabelled"].startswith("gallery?dataset=digits&")
    assert "The state after entry 0 is back: 2 samples changed." in cli("history", "digits", "--restore", 0).err
    assert "nothing differs" in cli("diff", "digits").out
    for wrong in ("digits@999", tmp_path / "changes.csv", "nowhere"):
        assert cli("diff", wrong).code == 2

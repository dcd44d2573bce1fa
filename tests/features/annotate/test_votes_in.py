"""Imported answers meet collected ones: in one table, with controls apart, counted once however often they are read."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.table.dataset_table import DatasetTable, open_table
from avhcurate.errors import CurateError
from avhcurate.features.annotate.votes_in import log_votes, responses_of
from avhcurate.features.annotate.votes_out import responses_in_use, write_votes
from avhcurate.people.annotators import annotator_table
from avhcurate.people.attach import attach_votes
from avhcurate.people.files import read_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import bare_dataset

CLASSES = ["cat", "dog", "owl"]
PATHS = [f"{name}/{name}{number}.png" for name in CLASSES for number in range(4)]
LABELS = [0] * 4 + [1] * 4 + [2] * 4


def make_dataset(workspace: Workspace) -> DatasetFolder:
    """Twelve samples of three classes, without images."""
    return bare_dataset(workspace, PATHS, LABELS, CLASSES)


@pytest.fixture
def table(workspace: Workspace) -> DatasetTable:
    make_dataset(workspace)
    return open_table(workspace, "d")


def hsf(table: DatasetTable) -> dict[str, tuple[float, int]]:
    known = table.frame().dropna(subset="hsf")
    return {row["path"]: (row["hsf"], row["votes"]) for row in known.to_dict("records")}


# -- CIFAR-10H's raw answers


def cifar10h(folder: Path) -> Path:
    """The columns of the raw file: two annotators, three images, an attention check each, one of them failed."""
    rows = []
    for who, chosen in enumerate([(0, 1, 2), (0, 1, 1)]):
        for trial, (sample, label) in enumerate(zip((0, 4, 8), chosen, strict=True)):
            rows.append((who, trial, 0, CLASSES[LABELS[sample]], CLASSES[label], LABELS[sample], label, sample))
        rows.append((who, 3, 1, "dog", ("dog", "owl")[who], 1, 1 + who, -99999))
    names = ["annotator_id", "trial_index", "is_attn_check", "true_category", "chosen_category", "true_label"]
    frame = pd.DataFrame(rows, columns=[*names, "chosen_label", "cifar10_test_set_idx"])
    frame["correct_guess"] = (frame["true_label"] == frame["chosen_label"]).astype(int)
    frame["image_filename"] = [
        f"check{who}.png" if check else PATHS[sample].split("/")[1]
        for who, check, sample in zip(
            frame["annotator_id"], frame["is_attn_check"], frame["cifar10_test_set_idx"], strict=True
        )
    ]
    frame["subcategory"], frame["reaction_time"], frame["time_elapsed"] = "x", 1500 + frame.index, 9000
    frame.to_csv(folder / "cifar10h-raw.csv", index=False)
    return folder / "cifar10h-raw.csv"


def test_cifar10h_checks_are_no_votes_but_judge_the_annotators(table: DatasetTable, tmp_path: Path) -> None:
    sheet = read_votes(cifar10h(tmp_path))
    responses, messages = responses_of(sheet, table.dataset)
    assert len(responses) == 8
    assert "2 answers to controls judge the annotators and are not votes" in messages
    judged = annotator_table(responses).set_index("annotator")
    assert judged["controls"].to_dict() == {"0": 1, "1": 1}
    assert judged["control_accuracy"].to_dict() == {"0": 1.0, "1": 0.0}
    assert judged["median_ms"].to_dict() == {"0": 1501.5, "1": 1505.5}
    found = log_votes(table, tmp_path / "cifar10h-raw.csv")
    assert (found.answers, found.annotators, found.known) == (8, 2, 0)
    assert hsf(table) == {PATHS[0]: (1, 2), PATHS[4]: (1, 2), PATHS[8]: (0.5, 2)}
    other = Workspace(tmp_path / "other")
    make_dataset(other)
    attach_votes(other, "d", tmp_path / "cifar10h-raw.csv")
    assert hsf(open_table(other, "d")) == hsf(table), "attached or logged, the votes are the same"


def test_reading_a_file_twice_adds_nothing(table: DatasetTable, tmp_path: Path) -> None:
    log_votes(table, cifar10h(tmp_path))
    before = hsf(table)
    again = log_votes(table, tmp_path / "cifar10h-raw.csv")
    assert (again.answers, again.known) == (0, 8)
    assert hsf(table) == before


# -- ImageNetV2's tasks and answers


def imagenetv2() -> tuple[list[dict], dict[str, dict]]:
    """Two tasks about cats, in their form, with three workers, one of them rejected."""
    images = {"t1": ["cat0", "cat1"], "t2": ["cat1", "cat2"]}
    tasks = [
        {
            "wnid": "cat",
            "images_to_label": shown,
            "images_pos_control": ["cat3.png"],
            "images_neg_control": ["dog0.png"],
            "images_all": [*shown[::-1], "dog0.png", "cat3.png"],
            "user": "u",
            "uuid": uuid,
            "time": "2018-09-21 17:46:02.066488+00:00",
            "submitted": True,
            "hit_id": "h" + uuid,
            "hit_type_id": "y",
        }
        for uuid, shown in images.items()
    ]
    said = {
        ("t1", "w1"): ("Approved", ["cat0", "cat1", "cat3.png"]),
        ("t1", "w2"): ("Submitted", ["cat0", "dog0.png"]),
        ("t1", "w3"): ("Rejected", ["cat1"]),
        ("t2", "w2"): ("Approved", [""]),
        ("gone", "w1"): ("Approved", ["cat0"]),
    }
    answers: dict[str, dict] = {}
    for (task, who), (status, ticked) in said.items():
        answers.setdefault(task, {})[f"a-{task}-{who}"] = {
            "WorkerId": who,
            "hit_uuid": task,
            "AssignmentId": f"a-{task}-{who}",
            "AssignmentStatus": status,
            "AcceptTime": datetime(2018, 9, 22, 10, 0, tzinfo=UTC),
            "SubmitTime": datetime(2018, 9, 22, 10, 0, 52, tzinfo=UTC),
            "Answer": ticked,
        }
    return tasks, answers


def as_json(folder: Path) -> Path:
    tasks, answers = imagenetv2()
    content = {"hits": {task["uuid"]: task for task in tasks}, "assignments": answers, "username": "u"}
    (folder / "theirs.json").write_text(json.dumps(content, default=str))
    return folder / "theirs.json"


def test_imagenetv2_counts_submitted_and_approved_answers(table: DatasetTable, tmp_path: Path) -> None:
    source = as_json(tmp_path)
    responses, messages = responses_of(read_votes(source), table.dataset)
    assert "2 answers that were rejected or have no task were left out" in messages
    judged = annotator_table(responses).set_index("annotator")
    assert judged["control_accuracy"].to_dict() == {"w1": 1.0, "w2": 0.25}  # w2: a dog ticked, two cats left
    assert judged["median_ms"].to_list() == [52_000 / 4] * 2
    assert responses["at"].iloc[0] == pd.Timestamp("2018-09-22 10:00:52", tz="UTC")
    log_votes(table, source)
    # w2 saw cat1 in both tasks: the later answer counts.
    assert hsf(table) == {PATHS[0]: (1, 2), PATHS[1]: (0.5, 2), PATHS[2]: (0, 1)}


# -- out of the log and in again


def test_log_out_and_in_keeps_annotators_controls_and_times(table: DatasetTable, tmp_path: Path) -> None:
    log_votes(table, as_json(tmp_path))
    quality = annotator_table(responses_in_use(table))
    for format, name in [
        ("long-csv", "v.csv"),
        ("label-studio", "v.json"),
        ("imagenetv2", "hits.json"),
    ]:
        write_votes(table, format, tmp_path / name)
        other = Workspace(tmp_path / format)
        make_dataset(other)
        again = open_table(other, "d")
        log_votes(again, tmp_path / name)
        assert hsf(again) == hsf(table), format
        pd.testing.assert_frame_equal(annotator_table(responses_in_use(again)), quality)
        attach_votes(other, "d", tmp_path / name)  # beside the log they count twice, and say so by their number
        assert open_table(other, "d").votes.total == 2 * table.votes.total


def test_attached_counts_and_logged_answers_add_up(table: DatasetTable, workspace: Workspace, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(12, 3, dtype=int) + 1)
    attach_votes(workspace, "d", tmp_path / "v.npy")
    table = open_table(workspace, "d")
    log_votes(table, cifar10h(tmp_path))
    assert hsf(table)[PATHS[0]] == ((2 + 2) / (4 + 2), 6)
    write_votes(table, "long-csv", tmp_path / "out.csv")
    other = Workspace(tmp_path / "other")
    make_dataset(other)
    attach_votes(other, "d", tmp_path / "out.csv")
    assert hsf(open_table(other, "d")) == hsf(table)


# -- what cannot enter the log


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,label\ncat0.png,cat\n", "no annotator"),
        ("sample,annotator,label,simulated\ncat0.png,ann,cat,true\n", "never mixed"),
        ("sample,annotator,label,simulated\ncat0.png,ann,cat,true\ncat0.png,bob,cat,false\n", "mixes"),
        ("sample,annotator,label\ncat0.png,ann,cow\n", "cow"),
    ],
)
def test_what_cannot_enter_the_log_is_refused(table: DatasetTable, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(CurateError, match=words):
        log_votes(table, tmp_path / "v.csv")
    assert hsf(table) == {}


def test_the_verb_says_what_came_in(table: DatasetTable, tmp_path: Path) -> None:
    root = str(table.dataset.root.parents[1])
    arguments = ["votes", "d", str(cifar10h(tmp_path)), "--log", "--workspace", root]
    first, again = (CliRunner().invoke(app, [*arguments, "--json"]) for _ in range(2))
    assert json.loads(first.output) == {"answers": 8, "annotators": 2, "known": 0}
    assert json.loads(again.output) == {"answers": 0, "annotators": 2, "known": 8}

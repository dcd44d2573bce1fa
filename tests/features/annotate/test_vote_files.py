"""Votes as files: out and in again with the same HSF; into the log once, next to collected ones, controls apart."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.features.annotate.vote_files import log_votes, responses_in_use, responses_of, votes_out, write_votes
from avhcurate.people.annotators import annotator_table
from avhcurate.people.attach import attach_votes
from avhcurate.people.files import read_votes
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import bare_dataset
from tests.fakes.refusals import refused

CLASSES = ["cat", "dog", "owl"]
PATHS = [*(f"{name}/{name}{number}.png" for name in CLASSES for number in range(4)), "owl/-1.png"]
LABELS = [0] * 4 + [1] * 4 + [2] * 4 + [None]


def made_in(folder: Path) -> Workspace:
    """A workspace with 13 samples of three classes, the last without a label, and without images."""
    workspace = Workspace(folder)
    bare_dataset(workspace, PATHS, LABELS, CLASSES)
    return workspace


@pytest.fixture
def opened(tmp_path: Path) -> OpenDataset:
    return open_dataset(made_in(tmp_path / "workspace"), "d")


def hsf(opened: OpenDataset) -> dict[str, tuple[float, int]]:
    known = opened.samples.frame().dropna(subset="hsf")
    return {row["path"]: (row["hsf"], row["votes"]) for row in known.to_dict("records")}


def votes_of(kind: str) -> pd.DataFrame:
    """Answers of three annotators and some without a name, to a sample a class; one annotator changes their mind."""
    rng = np.random.default_rng(5)
    rows = [
        (PATHS[4 * label], who, CLASSES[label], CLASSES[rng.integers(3)], bool(rng.integers(2)))
        for label in range(3)
        for who in ("ann", "bob", "=cyd", None, None)
    ]
    frame = pd.DataFrame([*rows, rows[0]], columns=["path", "annotator", "class", "label", "selected"])
    return frame.drop(columns="label" if kind == "tick" else ["class", "selected"])


def with_votes(root: Path, kind: str, *, simulated: bool = False) -> OpenDataset:
    workspace = made_in(root / "from")
    votes_of(kind).to_csv(root / "in.csv", index=False)
    attach_votes(workspace, "d", root / "in.csv", simulated=simulated)
    return open_dataset(workspace, "d")


@pytest.mark.parametrize(("kind", "simulated"), [("k-way", True), ("tick", False)])
def test_out_and_in_gives_the_same_hsf(tmp_path: Path, kind: str, simulated: bool) -> None:
    opened = with_votes(tmp_path, kind, simulated=simulated)
    workspace = made_in(tmp_path / "to")
    assert len(hsf(opened)) == 3
    for format in (".csv", ".parquet"):
        out = tmp_path / f"v{format}"
        assert votes_out(opened, out) == opened.samples.votes.total
        record = attach_votes(workspace, "d", out)
        assert (record.kind, record.simulated, record.total) == (kind, simulated, opened.samples.votes.total), format
        assert hsf(open_dataset(workspace, "d")) == hsf(opened), format
        assert json.loads(Path(f"{out}.manifest.json").read_text())["simulated"] == simulated


def test_a_file_is_not_replaced_without_force(tmp_path: Path) -> None:
    opened = with_votes(tmp_path, "tick")
    out = tmp_path / "v.csv"
    out.write_text("mine")
    with pytest.raises(CurateError, match="--force"):
        votes_out(opened, out)
    assert out.read_text() == "mine"
    votes_out(opened, out, force=True)
    assert out.read_text() != "mine"


def test_missing_votes_and_another_ending_say_what_to_do(opened: OpenDataset, tmp_path: Path) -> None:
    with refused("v.npy", ".csv", ".parquet", Option("format")):
        write_votes(with_votes(tmp_path, "tick").samples, with_votes(tmp_path, "tick").votes, tmp_path / "v.npy")
    with pytest.raises(CurateError, match="Import or collect"):
        votes_out(opened, tmp_path / "v.csv")


def test_a_format_goes_before_the_ending_and_an_unknown_one_is_told_all_of_them(tmp_path: Path, cli) -> None:
    opened = with_votes(tmp_path, "tick")
    written = votes_out(opened, tmp_path / "v.txt", "csv")
    assert written == len(pd.read_csv(tmp_path / "v.txt")) == opened.samples.votes.total
    ended = cli("votes-out", "d", "--out", tmp_path / "v", "--format", "npy", "--workspace", tmp_path / "from")
    assert ended.code == 2
    for ended_or_raised in (ended.err, _refused(opened, tmp_path / "v", "npy"), _refused(opened, tmp_path / "v.npy")):
        assert all(name in ended_or_raised for name in ("csv", "parquet", "label-studio"))


def _refused(opened: OpenDataset, out: Path, format: str | None = None) -> str:
    with pytest.raises(CurateError) as error:
        votes_out(opened, out, format)
    return str(error.value)


def test_label_studio_has_the_images_with_votes_and_the_same_hsf_when_read_again(own_demo_root, tmp_path, cli) -> None:
    opened = open_dataset(Workspace(own_demo_root), "digits")
    voted = opened.samples.frame(columns=["path", "label_name"]).head(4)
    rows = [(path, who, said) for path, label in voted.to_numpy() for who, said in (("ann", label), ("bob", "9"))]
    pd.DataFrame(rows, columns=["path", "annotator", "label"]).to_csv(tmp_path / "in.csv", index=False)
    attach_votes(opened.workspace, "digits", tmp_path / "in.csv", simulated=True)
    opened = open_dataset(opened.workspace, "digits")
    at = ("--workspace", own_demo_root)
    ended = cli("votes-out", "digits", "--format", "label-studio", "--out", tmp_path / "tasks", "--json", *at)
    assert json.loads(ended.out) == {"samples": len(voted), "out": str(tmp_path / "tasks"), "simulated": True}
    tasks = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    assert {task["data"]["path"] for task in tasks} == set(voted["path"])
    assert json.loads((tmp_path / "tasks" / "manifest.json").read_text())["format"] == "label-studio"
    attach_votes(opened.workspace, "digits", tmp_path / "tasks" / "tasks.json", force=True)
    assert hsf(open_dataset(opened.workspace, "digits")) == hsf(opened)


def test_the_verb_writes_and_says_that_votes_are_simulated(tmp_path: Path, cli) -> None:
    with_votes(tmp_path, "k-way", simulated=True)
    arguments = ["votes-out", "d", "--out", tmp_path / "v.csv"]
    ended = cli(*arguments, "--workspace", tmp_path / "from")
    assert ended.code == 0, ended.err
    assert "simulated" in ended.out
    assert read_votes(tmp_path / "v.csv").simulated


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
    checks = frame["is_attn_check"] == 1
    names = frame["cifar10_test_set_idx"].where(~checks, 0).map(lambda sample: PATHS[sample].split("/")[1])
    frame["image_filename"] = names.where(~checks, "check" + frame["annotator_id"].astype(str) + ".png")
    frame["subcategory"], frame["reaction_time"], frame["time_elapsed"] = "x", 1500 + frame.index, 9000
    frame.to_csv(folder / "cifar10h-raw.csv", index=False)
    return folder / "cifar10h-raw.csv"


def test_cifar10h_checks_are_no_votes_but_judge_the_annotators(opened: OpenDataset, tmp_path: Path) -> None:
    sheet = read_votes(cifar10h(tmp_path))
    responses, messages = responses_of(sheet, opened.dataset)
    assert len(responses) == 8
    assert "2 answers to controls judge the annotators and are not votes" in messages
    judged = annotator_table(responses).set_index("annotator")
    assert judged["controls"].to_dict() == {"0": 1, "1": 1}
    assert judged["control_accuracy"].to_dict() == {"0": 1.0, "1": 0.0}
    assert judged["median_ms"].to_dict() == {"0": 1501.5, "1": 1505.5}
    found = log_votes(opened.votes, tmp_path / "cifar10h-raw.csv")
    assert (found.answers, found.annotators, found.known) == (8, 2, 0)
    assert hsf(opened) == {PATHS[0]: (1, 2), PATHS[4]: (1, 2), PATHS[8]: (0.5, 2)}
    other = made_in(tmp_path / "other")
    attach_votes(other, "d", tmp_path / "cifar10h-raw.csv")
    assert hsf(open_dataset(other, "d")) == hsf(opened), "attached or logged, the votes are the same"


def test_reading_a_file_twice_adds_nothing(opened: OpenDataset, tmp_path: Path) -> None:
    log_votes(opened.votes, cifar10h(tmp_path))
    before = hsf(opened)
    again = log_votes(opened.votes, tmp_path / "cifar10h-raw.csv")
    assert (again.answers, again.known) == (0, 8)
    assert hsf(opened) == before


def imagenetv2(folder: Path) -> Path:
    """Two tasks about cats, in their form, with three workers, one of them rejected."""
    shared = {"wnid": "cat", "images_pos_control": ["cat3.png"], "images_neg_control": ["dog0.png"], "user": "u"}
    shared |= {"time": "2018-09-21 17:46:02.066488+00:00", "submitted": True, "hit_type_id": "y"}
    tasks = {}
    for uuid, shown in {"t1": ["cat0", "cat1"], "t2": ["cat1", "cat2"]}.items():
        images = {"images_to_label": shown, "images_all": [*shown[::-1], "dog0.png", "cat3.png"]}
        tasks[uuid] = shared | images | {"uuid": uuid, "hit_id": "h" + uuid}
    said = {
        ("t1", "w1"): ("Approved", ["cat0", "cat1", "cat3.png"]),
        ("t1", "w2"): ("Submitted", ["cat0", "dog0.png"]),
        ("t1", "w3"): ("Rejected", ["cat1"]),
        ("t2", "w2"): ("Approved", [""]),
        ("gone", "w1"): ("Approved", ["cat0"]),
    }
    times = {
        "AcceptTime": datetime(2018, 9, 22, 10, tzinfo=UTC),
        "SubmitTime": datetime(2018, 9, 22, 10, 0, 52, tzinfo=UTC),
    }
    answers: dict[str, dict] = {}
    for (task, who), (status, ticked) in said.items():
        name = f"a-{task}-{who}"
        answer = {"WorkerId": who, "hit_uuid": task, "AssignmentId": name, "AssignmentStatus": status, "Answer": ticked}
        answers.setdefault(task, {})[name] = times | answer
    content = {"hits": tasks, "assignments": answers, "username": "u"}
    (folder / "theirs.json").write_text(json.dumps(content, default=str))
    return folder / "theirs.json"


def test_imagenetv2_counts_submitted_and_approved_answers(opened: OpenDataset, tmp_path: Path) -> None:
    source = imagenetv2(tmp_path)
    responses, messages = responses_of(read_votes(source), opened.dataset)
    assert "2 answers that were rejected or have no task were left out" in messages
    judged = annotator_table(responses).set_index("annotator")
    assert judged["control_accuracy"].to_dict() == {"w1": 1.0, "w2": 0.25}  # w2: a dog ticked, two cats left
    assert judged["median_ms"].to_list() == [52_000 / 4] * 2
    assert responses["at"].iloc[0] == pd.Timestamp("2018-09-22 10:00:52", tz="UTC")
    log_votes(opened.votes, source)
    # w2 saw cat1 in both tasks: the later answer counts.
    assert hsf(opened) == {PATHS[0]: (1, 2), PATHS[1]: (0.5, 2), PATHS[2]: (0, 1)}


def test_log_out_and_in_keeps_annotators_controls_and_times(opened: OpenDataset, tmp_path: Path) -> None:
    log_votes(opened.votes, imagenetv2(tmp_path))
    quality = annotator_table(responses_in_use(opened.votes))
    votes_out(opened, tmp_path / "v.csv")
    other = made_in(tmp_path / "other")
    again = open_dataset(other, "d")
    log_votes(again.votes, tmp_path / "v.csv")
    assert hsf(again) == hsf(opened)
    pd.testing.assert_frame_equal(annotator_table(responses_in_use(again.votes)), quality)
    attach_votes(other, "d", tmp_path / "v.csv")  # beside the log they count twice, and say so by their number
    assert open_dataset(other, "d").samples.votes.total == 2 * opened.samples.votes.total


def test_attached_counts_and_logged_answers_add_up(tmp_path: Path) -> None:
    workspace = made_in(tmp_path / "workspace")
    np.save(tmp_path / "v.npy", np.eye(13, 3, dtype=int) + 1)
    attach_votes(workspace, "d", tmp_path / "v.npy")
    opened = open_dataset(workspace, "d")
    log_votes(opened.votes, cifar10h(tmp_path))
    assert hsf(opened)[PATHS[0]] == ((2 + 2) / (4 + 2), 6)
    votes_out(opened, tmp_path / "out.csv")
    other = made_in(tmp_path / "other")
    attach_votes(other, "d", tmp_path / "out.csv")
    assert hsf(open_dataset(other, "d")) == hsf(opened)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,label\ncat0.png,cat\ncat0.png,dog\n", "no annotator"),
        ("sample,annotator,label,simulated\ncat0.png,ann,cat,true\n", "never mixed"),
        ("sample,annotator,label,simulated\ncat0.png,ann,cat,true\ncat0.png,bob,cat,false\n", "mixes"),
        ("sample,annotator,label\ncat0.png,ann,cow\n", "cow"),
    ],
)
def test_what_cannot_enter_the_log_is_refused(opened: OpenDataset, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(CurateError, match=words):
        log_votes(opened.votes, tmp_path / "v.csv")
    assert hsf(opened) == {}


def test_the_verb_says_what_came_in(opened: OpenDataset, tmp_path: Path, cli) -> None:
    words = ["votes", "d", cifar10h(tmp_path), "--log", "--json", "--workspace", tmp_path / "workspace"]
    assert json.loads(cli(*words).out) == {"answers": 8, "annotators": 2, "known": 0}
    assert json.loads(cli(*words).out) == {"answers": 0, "annotators": 2, "known": 8}

"""Votes: every form of file gives the counts that a hand count gives, and what does not fit is refused or reported."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.errors import CurateError, Option
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import bare_dataset
from tests.fakes.refusals import refused

CLASSES = ["cat", "dog", "owl"]
#: The second and the last have the same file name.
PATHS = ["a/0.png", "a/1.png", "b/2.png", "b/1.png"]
LABELS = [0, 1, 2, None]


@pytest.fixture
def dataset(workspace):
    """Four samples of three classes, without images."""
    return bare_dataset(workspace, PATHS, LABELS, CLASSES)


@pytest.fixture
def attach(workspace, dataset, tmp_path):
    """Attaches a text, a table or an array to the dataset `d`."""

    def attach(content, **options):
        if isinstance(content, str):
            file = tmp_path / "votes.csv"
            file.write_text(content)
        elif isinstance(content, pa.Table):
            file = tmp_path / "votes.parquet"
            pq.write_table(content, file)
        else:
            file = tmp_path / "votes.npy"
            np.save(file, content)
        return attach_votes(workspace, "d", file, **options)

    return attach


def votes_of(dataset):
    """Counts by class, or ticked and shown, of each sample with votes."""
    votes = dataset.votes()
    assert votes["id"].is_monotonic_increasing
    if "counts" in votes:
        return {id: list(row) for id, row in zip(votes["id"], votes["counts"], strict=True)}
    return {id: (selected, shown) for id, selected, shown in votes.itertuples(index=False)}


def test_matrix_is_in_order_of_id_and_empty_rows_have_no_votes(attach, dataset):
    counts = np.array([[1, 2, 3], [0, 0, 0], [4, 0, 0], [0, 0, 9]], np.float64)
    record = attach(counts, simulated=True, note="a panel")
    assert votes_of(dataset) == {0: [1, 2, 3], 2: [4, 0, 0], 3: [0, 0, 9]}
    assert (record.kind, record.total, record.samples) == ("k-way", 19, 3)
    assert (record.simulated, record.note) == (True, "a panel")
    assert dataset.record.votes == record


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.full((4, 3), -1), "negative"),
        (np.full((4, 3), 0.5), "fractions"),
        (np.full((4, 3), np.nan), "fractions or missing"),
        (np.full((4, 3), "x"), "not numbers"),
        (np.full((4, 3), 2**40), "32 bits"),
        (np.ones((4, 2), int), "2 counts per image, but the dataset has 3 classes"),
        (np.ones((5, 3), int), "5 rows"),
        (np.ones(12, int), "shape"),
        (np.zeros((4, 3), int), "no vote"),
        *(
            (pa.table({"id": range(len(lists)), "counts": lists}), "counts")
            for lists in ([[1, 2, 3], [1, 2]], [[1, None, 3]], [[1.5, 0, 0]], [[1, -1, 0]])
        ),
    ],
)
def test_what_is_no_table_of_counts_is_refused(attach, dataset, matrix, words):
    with pytest.raises(CurateError, match=words):
        attach(matrix)
    assert dataset.votes() is None


def test_the_order_of_the_columns_is_said_and_can_be_given(cli, workspace, tmp_path):
    names = ["cat", "dog", "owl"]
    dataset = bare_dataset(workspace, [f"{n}.png" for n in range(30)], [n % 3 for n in range(30)], names)
    np.save(tmp_path / "votes.npy", 5 * np.eye(3, dtype=int)[[(1, 0, 2)[n % 3] for n in range(30)]])
    record = attach_votes(workspace, "d", tmp_path / "votes.npy")
    assert record.messages == [
        "classes were taken in this order: cat, dog, owl",
        "with cat and dog exchanged, 30 of 30 images would have their given label, not 10: is that their order?",
    ]
    ended = cli("votes", "d", tmp_path / "votes.npy", "--classes", "dog,cat,owl", "--workspace", workspace.root)
    assert "note: classes were taken in this order: dog, cat, owl" in ended.err
    assert "exchanged" not in ended.err
    assert votes_of(dataset) == {n: [5 * (n % 3 == k) for k in range(3)] for n in range(30)}
    (tmp_path / "answers.csv").write_text("path,label\n0.png,cat\n")
    with refused(Option("classes")):
        attach_votes(workspace, "d", tmp_path / "answers.csv", classes=names)


def test_pickles_are_never_opened(workspace, dataset, tmp_path):
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    pd.DataFrame({"a": [1]}).to_pickle(tmp_path / "v.pkl")
    np.savez(tmp_path / "v.npz", np.ones((4, 3)))
    for name in ("object.npy", "v.pkl", "v.npz"):
        with pytest.raises(CurateError):
            attach_votes(workspace, "d", tmp_path / name)


def test_a_list_column_is_matched_by_path_or_in_order_of_id(attach, dataset):
    record = attach(pa.table({"path": ["b/2.png", "a/0.png", "gone.png"], "counts": [[1, 0, 2], [3, 0, 0], [9, 9, 9]]}))
    assert votes_of(dataset) == {0: [3, 0, 0], 2: [1, 0, 2]}
    assert "1 of 3 rows match no image" in record.messages[0]
    assert "gone.png" in record.messages[0]
    attach(pa.table({"v": [[1, 0, 0], None, [0, 1, 0], [0, 0, 1]]}))
    assert votes_of(dataset) == {0: [1, 0, 0], 2: [0, 1, 0], 3: [0, 0, 1]}


def test_answers_by_name_are_counted(attach, dataset):
    record = attach("sample,annotator,label\na/0.png,ann,cat\na/0.png,bob,dog\n2.png,ann,owl\na/0.png,cyd,cat\n")
    assert votes_of(dataset) == {0: [2, 1, 0], 2: [0, 0, 1]}
    assert record.messages == ["1 of 4 rows match by a part of the path"]


@pytest.mark.parametrize(
    ("table", "votes", "message"),
    [
        # A file name that two samples share names neither.
        ("image,label\n1.png,cat\n2.png,dog\nb/1.png,owl\n", {2: [0, 1, 0], 3: [0, 0, 1]}, "1 of 3 rows match no"),
        # Numbers may number the answers.
        ("id,path,label\n0,b/2.png,cat\n1,b/2.png,cat\n", {2: [2, 0, 0]}, ""),
        ("id,label\n0,2\n3,0\n3,0\n", {0: [0, 0, 1], 3: [2, 0, 0]}, ""),
        ("sample,annotator,label\na/0.png,ann,cat\na/0.png,ann,dog\n", {0: [0, 1, 0]}, "1 answers were replaced"),
        ("path,annotator,label\na/0.png,nan,cat\na/1.png,ann,NaN\n", {0: [1, 0, 0]}, "1 rows without an answer"),
        ("id,label,count\n0,cat,41\n0,dog,9\n1,dog,0\n", {0: [41, 9, 0]}, ""),
        (pa.table({"id": ["0"] * 2, "label": ["cat", "dog"], "count": ["41", " 9"]}), {0: [41, 9, 0]}, ""),
        ("id,label,Chosen_label\n0,cat,dog\n0,cat,cat\n0,cat,dog\n", {0: [1, 2, 0]}, ""),
        ("id,chosen_category,chosen_label\n0,cat,0\n0,dog,1\n2,dog,1\n", {0: [1, 1, 0], 2: [0, 1, 0]}, ""),
        ("id,selected\n0,true\n0,false\n2,true\n", {0: (1, 2), 2: (1, 1)}, ""),
    ],
)
def test_a_table_means_what_its_columns_say(attach, dataset, table, votes, message):
    record = attach(table)
    assert votes_of(dataset) == votes
    assert message in " ".join(record.messages)


def test_cifar10h_raw_answers_leave_attention_checks_out(attach, dataset):
    record = attach(
        "annotator_id,is_attn_check,true_label,chosen_label,cifar10_test_set_idx,image_filename\n"
        "7,0,0,1,0,x_s_1.png\n7,1,2,2,-99999,x_s_2.png\n8,0,0,0,0,x_s_1.png\n8,0,2,2,2,x_s_9.png\n"
    )
    assert votes_of(dataset) == {0: [1, 1, 0], 2: [0, 0, 1]}
    assert record.messages == ["1 answers to controls judge the annotators and are not votes"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,label\na/0.png,unsure\n", "unsure"),
        ("sample,label\na/0.png,3\n", "Unknown class 3"),
        ("path,label\na/0.png,01\na/1.png,02\n", "Unknown class 01, 02"),
        ("sample,label\nx.png,cat\ny.png,cat\n", "No row names an image"),
        ("sample,label\n", "no rows"),
        ("picture,mood\na/0.png,good\n", "names no images"),
        ("sample,mood\na/0.png,good\n", "has no answers"),
        ("sample,label,count\na/0.png,cat,-1\n", "negative"),
        ("sample,label,count\na/0.png,cat,0.5\n", "fractions"),
        ("sample,label,count\na/0.png,cat,7\na/1.png,cat,-\n", "'count' holds text or missing values"),
        ("sample,label,response\na/0.png,cat,dog\na/0.png,cat,cat\n", "'label' and 'response', and both"),
        ("sample,selected\na/0.png,maybe\n", "neither true nor false"),
        ("sample,selected,shown\na/0.png,3,2\n", "3 times but shown 2"),
        ("sample,selected\nb/1.png,1\n", "has a label"),
        ("{}", "neither a Label Studio export"),
        ("[1, 2", "not JSON"),
        ("", "empty"),
        # Before it takes memory, and in one line.
        pytest.param("[" * 200_000, "not JSON", id="nested"),
        ('[{"annotations": 5}]', "not a Label Studio export"),
        ('[{"annotations": [1]}]', "not a Label Studio export"),
        ('[{"annotations": [{"result": ["x"]}]}]', "not a Label Studio export"),
        ('[{"data": [1], "annotations": [{"result": [{"type": "choices", "value": {"choices": ["3"]}}]}]}]', "export"),
        ('[{"data": {"path": "\\ud800"}, "annotations": []}]', "not JSON"),
        ("path,class,selected,shown\na.png,0,1,2000000000\n", "more than 50000000"),
        ("path,label,count\na.png,0,2000000000\n", "more than 50000000"),
        ("path,class,selected,shown\na.png,0,yes,10\n", "holds text"),
        ("path,label,is_attn_check\na.png,0,maybe\n", "must be true or false"),
        pytest.param(f"path,{'x' * 200_000}\n1,2\n", "not CSV in UTF-8", id="a long name"),
    ],
)
def test_what_does_not_fit_is_refused(attach, dataset, text, words):
    with pytest.raises(CurateError, match=words) as caught:
        attach(text)
    assert "\n" not in str(caught.value)
    assert dataset.votes() is None


def test_ticks_count_for_the_samples_own_label(attach, dataset):
    record = attach(
        "sample,annotator,class,selected\n"
        "a/0.png,ann,cat,1\na/0.png,bob,cat,0\na/0.png,cyd,dog,1\na/1.png,ann,dog,1\nb/1.png,ann,dog,1\n"
    )
    assert votes_of(dataset) == {0: (1, 2), 1: (1, 1)}
    assert (record.kind, record.total, record.samples) == ("tick", 3, 2)
    assert any("1 answers show a class that is not" in message for message in record.messages)


def test_ticks_may_come_summed_up(attach, dataset):
    attach("id,selected,shown\n0,7,10\n1,0,10\n2,0,0\n")
    assert votes_of(dataset) == {0: (7, 10), 1: (0, 10)}


def task(data, *choices, cancelled=False):
    annotations = [
        {
            "completed_by": {"id": who},
            "was_cancelled": cancelled,
            "result": [] if choice is None else [{"type": "choices", "from_name": "c", "value": {"choices": [choice]}}],
        }
        for who, choice in enumerate(choices)
    ]
    return {"id": 1, "data": data, "annotations": annotations}


def test_label_studio_export_is_counted(attach, dataset):
    tasks = [
        task({"image": "/data/local-files/?d=shop/a%2F0.png"}, "cat", "dog", None),
        task({"image": "/data/upload/3/0a1b2c3d-2.png"}, "owl", "owl"),
        task({"image": "https://host/x.png", "path": "a/1.png"}, "dog"),
        task({"image": "/data/local-files/?d=b/1.png"}, "cat", cancelled=True),
    ]
    record = attach(json.dumps(tasks))
    assert votes_of(dataset) == {0: [1, 1, 0], 1: [0, 1, 0], 2: [0, 0, 2]}
    assert record.messages == [
        "1 annotations cancelled were left out",
        "1 annotations without one choice were left out",
        "4 of 5 rows match by a part of the path",
    ]


def test_other_kind_or_simulated_votes_replace_only_by_force(attach, dataset):
    answers, ticks = "id,label\n0,cat\n", "id,selected\n0,1\n"
    real = attach(answers)
    assert attach(answers) == real
    with pytest.raises(CurateError, match=r"k-way votes.*--force"):
        attach(ticks)
    with pytest.raises(CurateError, match=r"The real .*--force"):
        attach(answers, simulated=True)
    simulated = attach(answers, simulated=True, force=True)
    with pytest.raises(CurateError, match=r"The simulated .*--force"):
        attach(answers)
    assert dataset.record.votes == simulated
    assert simulated.key != real.key
    assert simulated.fingerprint == real.fingerprint
    assert attach(answers, force=True) == real
    assert "they replace 1 votes" in attach("id,label\n0,dog\n0,dog\n").messages[-1]
    attach(ticks, force=True)
    assert votes_of(dataset) == {0: (1, 1)}


def test_votes_for_an_unknown_dataset_or_from_no_file(workspace, dataset, tmp_path):
    with pytest.raises(CurateError, match="not a file"):
        attach_votes(workspace, "d", tmp_path / "gone.csv")
    np.save(tmp_path / "v.npy", np.ones((4, 3), int))
    with pytest.raises(CurateError, match="Unknown dataset 'other'"):
        attach_votes(workspace, "other", tmp_path / "v.npy")


def test_votes_killed_before_their_record_is_written_leave_those_before(own_demo_root, tmp_path, monkeypatch):
    """The file of votes and the record that says whether they are simulated are never of different votes."""
    workspace = Workspace(own_demo_root)
    before = workspace.dataset("digits").votes()
    np.save(tmp_path / "real.npy", np.ones((1797, 10), int))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(DatasetFolder, "write_record", killed)
    with pytest.raises(KeyboardInterrupt):
        attach_votes(workspace, "digits", tmp_path / "real.npy", force=True)
    monkeypatch.undo()
    folder = workspace.dataset("digits")
    assert folder.record.votes.simulated
    assert folder.votes()["counts"].map(list).tolist() == before["counts"].map(list).tolist()
    attach_votes(workspace, "digits", tmp_path / "real.npy", force=True)
    assert not folder.record.votes.simulated
    assert folder.votes()["counts"].map(sum).eq(10).all()
    assert len(list(folder.root.glob("votes-*.parquet"))) == 1

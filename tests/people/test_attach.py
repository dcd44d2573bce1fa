"""Votes: every form of file gives the counts that a hand count gives, and what does not fit is refused or reported."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import bare_dataset

CLASSES = ["cat", "dog", "owl"]
#: The second and the last have the same file name.
PATHS = ["a/0.png", "a/1.png", "b/2.png", "b/1.png"]
LABELS = [0, 1, 2, None]


def make_dataset(workspace: Workspace) -> DatasetFolder:
    """Four samples of three classes, without images."""
    return bare_dataset(workspace, PATHS, LABELS, CLASSES)


@pytest.fixture
def dataset(workspace: Workspace) -> DatasetFolder:
    return make_dataset(workspace)


def counts(dataset: DatasetFolder) -> dict[int, list[int]]:
    votes = dataset.votes()
    assert votes is not None
    assert votes["id"].is_monotonic_increasing
    return {id: list(row) for id, row in zip(votes["id"], votes["counts"], strict=True)}


def ticks(dataset: DatasetFolder) -> dict[int, tuple[int, int]]:
    votes = dataset.votes()
    assert votes is not None
    return {id: (selected, shown) for id, selected, shown in votes.itertuples(index=False)}


def csv(tmp_path: Path, text: str) -> Path:
    (tmp_path / "votes.csv").write_text(text)
    return tmp_path / "votes.csv"


# -- count matrices


def test_matrix_is_in_order_of_id_and_empty_rows_have_no_votes(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", np.array([[1, 2, 3], [0, 0, 0], [4, 0, 0], [0, 0, 9]], np.float64))
    record = attach_votes(workspace, "d", tmp_path / "v.npy", simulated=True, note="a panel")
    assert counts(dataset) == {0: [1, 2, 3], 2: [4, 0, 0], 3: [0, 0, 9]}
    assert (record.kind, record.total, record.samples, record.simulated, record.note) == (
        "k-way",
        19,
        3,
        True,
        "a panel",
    )
    assert dataset.record.votes == record


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.full((4, 3), -1), "negative"),
        (np.full((4, 3), 0.5), "fractions"),
        (np.full((4, 3), np.nan), "fractions or missing"),
        (np.full((4, 3), "x"), "whole numbers"),
        (np.full((4, 3), 2**40), "32 bits"),
        (np.ones((4, 2), int), "2 counts per sample, but the dataset has 3 classes"),
        (np.ones((5, 3), int), "5 rows"),
        (np.ones(12, int), "shape"),
        (np.zeros((4, 3), int), "no vote"),
    ],
)
def test_what_is_no_count_matrix_is_refused(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path, matrix: np.ndarray, words: str
) -> None:
    np.save(tmp_path / "v.npy", matrix)
    with pytest.raises(CurateError, match=words):
        attach_votes(workspace, "d", tmp_path / "v.npy")
    assert dataset.votes() is None


def test_pickles_are_never_opened(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    pd.DataFrame({"a": [1]}).to_pickle(tmp_path / "v.pkl")
    np.savez(tmp_path / "v.npz", np.ones((4, 3)))
    for name in ("object.npy", "v.pkl", "v.npz"):
        with pytest.raises(CurateError):
            attach_votes(workspace, "d", tmp_path / name)


def test_list_column_is_matched_by_path(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    table = pa.table({"path": ["b/2.png", "a/0.png", "gone.png"], "counts": [[1, 0, 2], [3, 0, 0], [9, 9, 9]]})
    pq.write_table(table, tmp_path / "v.parquet")
    record = attach_votes(workspace, "d", tmp_path / "v.parquet")
    assert counts(dataset) == {0: [3, 0, 0], 2: [1, 0, 2]}
    assert "1 of 3 rows match no sample" in record.messages[0]
    assert "gone.png" in record.messages[0]


def test_list_column_alone_is_in_order_of_id(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": [[1, 0, 0], None, [0, 1, 0], [0, 0, 1]]}), tmp_path / "v.parquet")
    attach_votes(workspace, "d", tmp_path / "v.parquet")
    assert counts(dataset) == {0: [1, 0, 0], 2: [0, 1, 0], 3: [0, 0, 1]}


@pytest.mark.parametrize("lists", [[[1, 2, 3], [1, 2]], [[1, None, 3]], [[1.5, 0, 0]], [[1, -1, 0]]])
def test_uneven_missing_or_fractional_counts_are_refused(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path, lists: list[list[float | None]]
) -> None:
    pq.write_table(pa.table({"id": range(len(lists)), "counts": lists}), tmp_path / "v.parquet")
    with pytest.raises(CurateError):
        attach_votes(workspace, "d", tmp_path / "v.parquet")


# -- long tables


def test_answers_by_name_are_counted(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    text = "sample,annotator,label\na/0.png,ann,cat\na/0.png,bob,dog\n2.png,ann,owl\na/0.png,cyd,cat\n"
    record = attach_votes(workspace, "d", csv(tmp_path, text))
    assert counts(dataset) == {0: [2, 1, 0], 2: [0, 0, 1]}
    assert record.messages == ["1 of 4 rows match by a part of the path"]


def test_file_name_that_two_samples_share_names_neither(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    record = attach_votes(workspace, "d", csv(tmp_path, "image,label\n1.png,cat\n2.png,dog\nb/1.png,owl\n"))
    assert counts(dataset) == {2: [0, 1, 0], 3: [0, 0, 1]}
    assert "1 of 3 rows match no sample" in record.messages[0]


def test_paths_go_before_numbers_that_number_the_answers(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,path,label\n0,b/2.png,cat\n1,b/2.png,cat\n"))
    assert counts(dataset) == {2: [2, 0, 0]}


def test_ids_and_class_numbers_are_understood(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,label\n0,2\n3,0\n3,0\n"))
    assert counts(dataset) == {0: [0, 0, 1], 3: [2, 0, 0]}


def test_cifar10h_raw_answers_leave_attention_checks_out(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    text = (
        "annotator_id,is_attn_check,true_label,chosen_label,cifar10_test_set_idx,image_filename\n"
        "7,0,0,1,0,x_s_1.png\n7,1,2,2,-99999,x_s_2.png\n8,0,0,0,0,x_s_1.png\n8,0,2,2,2,x_s_9.png\n"
    )
    record = attach_votes(workspace, "d", csv(tmp_path, text))
    assert counts(dataset) == {0: [1, 1, 0], 2: [0, 0, 1]}
    assert record.messages == ["1 answers to controls judge the annotators and are not votes"]


def test_annotator_who_answers_again_counts_once(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    text = "sample,annotator,label\na/0.png,ann,cat\na/0.png,ann,dog\na/0.png,bob,\n"
    record = attach_votes(workspace, "d", csv(tmp_path, text))
    assert counts(dataset) == {0: [0, 1, 0]}
    assert any("1 answers were replaced" in message for message in record.messages)
    assert any("1 rows without an answer" in message for message in record.messages)


def test_column_of_counts_multiplies_answers(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,label,count\n0,cat,41\n0,dog,9\n1,dog,0\n"))
    assert counts(dataset) == {0: [41, 9, 0]}


def test_counts_are_read_though_another_column_makes_the_whole_table_text(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    votes = pa.table({"id": ["0", "0"], "label": ["cat", "dog"], "count": ["41", " 9"]})
    pq.write_table(votes, tmp_path / "v.parquet")
    attach_votes(workspace, "d", tmp_path / "v.parquet")
    assert counts(dataset) == {0: [41, 9, 0]}


def test_what_was_chosen_is_the_answer(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,label,Chosen_label\n0,cat,dog\n0,cat,cat\n0,cat,dog\n"))
    assert counts(dataset) == {0: [1, 2, 0]}


def test_two_columns_may_give_the_same_answers_by_name_and_index(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    text = "id,chosen_category,chosen_label\n0,cat,0\n0,dog,1\n2,dog,1\n"
    attach_votes(workspace, "d", csv(tmp_path, text))
    assert counts(dataset) == {0: [1, 1, 0], 2: [0, 1, 0]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,label\na/0.png,unsure\n", "unsure"),
        ("sample,label\na/0.png,3\n", "Unknown class 3"),
        ("sample,label\nx.png,cat\ny.png,cat\n", "No row names a sample"),
        ("sample,label\n", "no rows"),
        ("picture,mood\na/0.png,good\n", "names no samples"),
        ("sample,mood\na/0.png,good\n", "has no answers"),
        ("sample,label,count\na/0.png,cat,-1\n", "negative"),
        ("sample,label,count\na/0.png,cat,0.5\n", "fractions"),
        ("sample,label,count\na/0.png,cat,7\na/1.png,cat,-\n", "'count' holds text or missing values"),
        ("sample,label,Count\na/0.png,cat,7\na/1.png,cat,n/a\n", "'Count' holds text or missing values"),
        ("sample,label,response\na/0.png,cat,dog\na/0.png,cat,cat\n", "'label' and 'response', and both"),
        ("sample,Label,label\na/0.png,cat,dog\na/0.png,dog,cat\n", "'Label' and 'label', and both"),
        ("sample,selected\na/0.png,maybe\n", "neither true nor false"),
        ("sample,selected,shown\na/0.png,3,2\n", "3 times but shown 2"),
        ("sample,selected\nb/1.png,1\n", "has a label"),
        ("{}", "neither a Label Studio export"),
        ("[1, 2", "not JSON"),
        ("", "empty"),
    ],
)
def test_what_does_not_fit_is_refused(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(CurateError, match=words):
        attach_votes(workspace, "d", csv(tmp_path, text))
    assert dataset.votes() is None


answers_strategy = st.lists(
    st.tuples(st.sampled_from([*PATHS, "0.png", "1.png", "gone.png"]), st.sampled_from(CLASSES)), min_size=1
)


@settings(max_examples=30, deadline=None)
@given(answers=answers_strategy)
def test_counts_of_a_long_table_are_a_hand_count(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[str, str]]
) -> None:
    named = [(PATHS.index("a/0.png" if name == "0.png" else name), label) for name, label in answers if name in meant]
    root = tmp_path_factory.mktemp("w")
    workspace = Workspace(root)
    dataset = make_dataset(workspace)
    pd.DataFrame(answers, columns=["sample", "label"]).to_csv(root / "v.csv", index=False)
    if not named:
        with pytest.raises(CurateError, match="No row names"):
            attach_votes(workspace, "d", root / "v.csv")
        return
    record = attach_votes(workspace, "d", root / "v.csv")
    by_hand = {id: [named.count((id, label)) for label in CLASSES] for id in sorted({id for id, _ in named})}
    assert counts(dataset) == by_hand
    assert record.total == len(named)


#: What names one sample: "1.png" could be either of two.
meant = {*PATHS, "0.png"}


# -- classes whose names are digits or words for nothing


@pytest.fixture
def padded(workspace: Workspace) -> DatasetFolder:
    """Three samples of classes whose names are other than the numbers that they look like."""
    return bare_dataset(workspace, ["01/a.png", "02/b.png", "03/c.png"], [0, 1, 2], ["01", "02", "03"])


def test_padded_class_names_are_no_numbers(workspace: Workspace, padded: DatasetFolder, tmp_path: Path) -> None:
    text = "path,annotator,label\n01/a.png,01,01\n01/a.png,1,01\n02/b.png,01, 03\n"
    attach_votes(workspace, "d", csv(tmp_path, text))
    assert counts(padded) == {0: [2, 0, 0], 1: [0, 0, 1]}
    attach_votes(workspace, "d", csv(tmp_path, "path,label\n01/a.png,0\n02/b.png,2\n"))
    assert counts(padded) == {0: [1, 0, 0], 1: [0, 0, 1]}
    pq.write_table(pa.table({"path": ["01/a.png"], "label": [1]}), tmp_path / "v.parquet")
    attach_votes(workspace, "d", tmp_path / "v.parquet")
    assert counts(padded) == {0: [0, 1, 0]}
    attach_votes(workspace, "d", csv(tmp_path, "path,class,selected\n01/a.png,01,1\n03/c.png,03,0\n"), force=True)
    assert ticks(padded) == {0: (1, 1), 2: (0, 1)}


def test_a_padded_number_is_no_index(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="Unknown class 01, 02"):
        attach_votes(workspace, "d", csv(tmp_path, "path,label\na/0.png,01\na/1.png,02\n"))


def test_whole_numbers_of_a_column_with_gaps_name_their_classes(workspace: Workspace, tmp_path: Path) -> None:
    dataset = bare_dataset(workspace, ["a.png", "b.png"], [0, 1], ["1", "2", "10"])
    attach_votes(workspace, "d", csv(tmp_path, "path,label\na.png,2.0\nb.png,\n"))
    assert counts(dataset) == {0: [0, 1, 0]}


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "null", "None"])
def test_a_class_may_be_called_as_others_write_nothing(workspace: Workspace, tmp_path: Path, word: str) -> None:
    dataset = bare_dataset(workspace, ["a.png", "b.png"], [0, 1], [word, "roti"])
    record = attach_votes(workspace, "d", csv(tmp_path, f"path,label\na.png,{word}\na.png,\nb.png,roti\n"))
    assert counts(dataset) == {0: [1, 0], 1: [0, 1]}
    assert record.messages == ["1 rows without an answer were left out"]


def test_nan_is_no_answer_where_no_class_is_called_so(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    record = attach_votes(workspace, "d", csv(tmp_path, "path,annotator,label\na/0.png,nan,cat\na/1.png,ann,NaN\n"))
    assert counts(dataset) == {0: [1, 0, 0]}
    assert record.messages == ["1 rows without an answer were left out"]


# -- ticks


def test_ticks_count_for_the_samples_own_label(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    text = (
        "sample,annotator,class,selected\n"
        "a/0.png,ann,cat,1\na/0.png,bob,cat,0\na/0.png,cyd,dog,1\na/1.png,ann,dog,1\nb/1.png,ann,dog,1\n"
    )
    record = attach_votes(workspace, "d", csv(tmp_path, text))
    assert ticks(dataset) == {0: (1, 2), 1: (1, 1)}
    assert (record.kind, record.total, record.samples) == ("tick", 3, 2)
    assert any("1 answers show a class that is not" in message for message in record.messages)


def test_ticks_without_a_class_mean_the_own_label(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,selected\n0,true\n0,false\n2,true\n"))
    assert ticks(dataset) == {0: (1, 2), 2: (1, 1)}


def test_ticks_may_come_summed_up(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,selected,shown\n0,7,10\n1,0,10\n2,0,0\n"))
    assert ticks(dataset) == {0: (7, 10), 1: (0, 10)}


# -- Label Studio


def task(data: dict[str, object], *choices: str | None, cancelled: bool = False) -> dict[str, object]:
    annotations = [
        {
            "completed_by": {"id": who},
            "was_cancelled": cancelled,
            "result": [] if choice is None else [{"type": "choices", "from_name": "c", "value": {"choices": [choice]}}],
        }
        for who, choice in enumerate(choices)
    ]
    return {"id": 1, "data": data, "annotations": annotations}


def test_label_studio_export_is_counted(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    tasks = [
        task({"image": "/data/local-files/?d=shop/a%2F0.png"}, "cat", "dog", None),
        task({"image": "/data/upload/3/0a1b2c3d-2.png"}, "owl", "owl"),
        task({"image": "https://host/x.png", "path": "a/1.png"}, "dog"),
        task({"image": "/data/local-files/?d=b/1.png"}, "cat", cancelled=True),
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    record = attach_votes(workspace, "d", tmp_path / "export.json")
    assert counts(dataset) == {0: [1, 1, 0], 1: [0, 1, 0], 2: [0, 0, 2]}
    assert record.messages == [
        "1 annotations cancelled were left out",
        "1 annotations without one choice were left out",
        "4 of 5 rows match by a part of the path",
    ]


def test_label_studio_with_two_questions_is_refused(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    both = [{"type": "choices", "from_name": name, "value": {"choices": ["cat"]}} for name in ("what", "mood")]
    tasks = [{"data": {"path": "a/0.png"}, "annotations": [{"result": both}]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    with pytest.raises(CurateError, match="mood, what"):
        attach_votes(workspace, "d", tmp_path / "export.json")


# -- attaching again


def test_same_kind_replaces_and_says_so(workspace: Workspace, dataset: DatasetFolder, tmp_path: Path) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,label\n0,cat\n"))
    first = dataset.record.votes
    assert attach_votes(workspace, "d", csv(tmp_path, "id,label\n0,cat\n")) == first
    record = attach_votes(workspace, "d", csv(tmp_path, "id,label\n0,dog\n0,dog\n"))
    assert "they replace 1 votes" in record.messages[-1]
    assert counts(dataset) == {0: [0, 2, 0]}


def test_other_kind_or_simulated_votes_replace_only_by_force(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    attach_votes(workspace, "d", csv(tmp_path, "id,label\n0,cat\n"))
    tick_file = csv(tmp_path, "id,selected\n0,1\n")
    with pytest.raises(CurateError, match=r"k-way votes.*--force"):
        attach_votes(workspace, "d", tick_file)
    assert counts(dataset) == {0: [1, 0, 0]}
    attach_votes(workspace, "d", tick_file, force=True)
    assert ticks(dataset) == {0: (1, 1)}
    with pytest.raises(CurateError, match="simulated"):
        attach_votes(workspace, "d", csv(tmp_path, "id,selected\n1,1\n"), simulated=True)


def test_the_same_votes_change_their_mark_only_by_force(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    file = csv(tmp_path, "id,label\n0,cat\n")
    real = attach_votes(workspace, "d", file)
    with pytest.raises(CurateError, match=r"The real .*--force"):
        attach_votes(workspace, "d", file, simulated=True)
    simulated = attach_votes(workspace, "d", file, simulated=True, force=True)
    with pytest.raises(CurateError, match=r"The simulated .*--force"):
        attach_votes(workspace, "d", file)
    assert dataset.record.votes == simulated
    assert simulated.key != real.key
    assert simulated.fingerprint == real.fingerprint
    assert attach_votes(workspace, "d", file, force=True) == real


def test_votes_for_an_unknown_dataset_or_from_no_file(
    workspace: Workspace, dataset: DatasetFolder, tmp_path: Path
) -> None:
    with pytest.raises(CurateError, match="Unknown dataset 'other'"):
        attach_votes(workspace, "other", csv(tmp_path, "id,label\n0,cat\n"))
    with pytest.raises(CurateError, match="not a file"):
        attach_votes(workspace, "d", tmp_path / "gone.csv")


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

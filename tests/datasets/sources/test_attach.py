"""Runs attached from arrays: equal to scored ones, whole without class weights, and refused row by row."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from scipy.special import softmax

from avhcurate import scores
from avhcurate.datasets.sources.attach import attach_run
from avhcurate.datasets.sources.attached_arrays import AttachSpec
from avhcurate.errors import CurateError
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import sha256
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import bare_dataset

N, K, D = 50, 4, 6
RNG = np.random.default_rng(1)
LABELS = np.arange(N) % K
FEATURES = (RNG.normal(size=(N, D)) + 2 * np.eye(D)[LABELS]).astype(np.float32)
WEIGHTS, BIAS = (np.eye(K, D) + RNG.normal(size=(K, D)) / 9).astype(np.float32), RNG.normal(size=K).astype(np.float32)
LOGITS = FEATURES.astype(np.float64) @ WEIGHTS.T + BIAS
PATHS = [f"pets/{number}.jpg" for number in range(N)]
ORDER = np.random.default_rng(2).permutation(N)


@pytest.fixture
def pets(workspace):
    return bare_dataset(workspace, PATHS, LABELS.tolist(), ["cat", "dog", "emu", "fox"], "pets")


@pytest.fixture
def files(tmp_path):
    arrays = {"f": FEATURES, "w": WEIGHTS, "b": BIAS, "z": LOGITS, "p": softmax(LOGITS, axis=1)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return {name: str(tmp_path / f"{name}.npy") for name in arrays}


def rows_of(run):
    return pd.read_parquet(run.scores_path).set_index("id")


def test_with_class_weights_it_equals_the_scored_run(own_demo_root, tmp_path):
    workspace = Workspace(own_demo_root)
    scored = workspace.dataset("digits").run()
    np.save(tmp_path / "features.npy", scored.features())
    save_file({"fc.weight": scored.class_weights(), "fc.bias": scored.bias()}, tmp_path / "head.safetensors")
    head = str(tmp_path / "head.safetensors")
    spec = AttachSpec(str(tmp_path / "features.npy"), head, head)
    run = attach_run(workspace, "digits", spec, run_name="mine")
    got, expected = rows_of(run), rows_of(scored)
    assert list(got.columns) == list(expected.columns)
    assert (got["predicted"] == expected["predicted"]).all()
    # Logits reach 100 here, where the network's own are right to 4e-6 only.
    scale = float(np.abs(run.logits_of(run.scored_ids())).max())
    for key, score in SCORES.items():
        if key in got:
            tolerance = 1e-6 * (scale if score.needs == "logits" or key == "grand" else 1)
            np.testing.assert_allclose(got[key], expected[key], rtol=1e-6, atol=tolerance, err_msg=key)
    np.testing.assert_array_equal(run.features(), scored.features())
    record = run.record.attached
    assert record.predicted == "logits"
    assert [file.role for file in record.files] == ["features", "class_weights", "bias"]
    assert record.files[1].source == f"{head}:fc.weight"
    assert record.files[1].sha256 == sha256(tmp_path / "head.safetensors")


def test_without_class_weights_it_has_softmax_scores_and_prototypes_and_no_avh(workspace, pets, files):
    of_logits = rows_of(attach_run(workspace, "pets", AttachSpec(files["f"], logits=files["z"])))
    run = attach_run(workspace, "pets", AttachSpec(files["f"], probs=files["p"]))
    got = rows_of(run)
    assert not {key for key, score in SCORES.items() if score.needs == "class_weights"} & set(got)
    np.testing.assert_array_equal(got["predicted"], LOGITS.argmax(1))
    for key in ("confidence", "margin", "loss", "el2n"):
        expected = getattr(scores, key)(LOGITS, LABELS)
        np.testing.assert_allclose(of_logits[key], expected, rtol=1e-5, atol=1e-6, err_msg=key)
        np.testing.assert_allclose(got[key], expected, rtol=1e-5, atol=1e-6, err_msg=key)
    theta = scores.prototype_angles(FEATURES, LABELS, K)
    np.testing.assert_allclose(got["prototype_angle"], theta[np.arange(N), LABELS], atol=1e-6)
    assert not run.has_class_weights
    with pytest.raises(CurateError, match=r"without class weights\. .* --class-weights"):
        run.class_weights()
    np.testing.assert_allclose(softmax(run.logits_of(np.arange(N)), axis=1), softmax(LOGITS, axis=1), atol=1e-6)


def test_of_probabilities_alone_it_has_softmax_scores_and_of_features_alone_prototypes(workspace, pets, files):
    outputs = attach_run(workspace, "pets", AttachSpec(probs=files["p"]))
    assert {key for key in rows_of(outputs) if key in SCORES} == {k for k, s in SCORES.items() if s.needs == "logits"}
    with pytest.raises(CurateError, match=r"without features\. .* --features"):
        outputs.features()
    alone = attach_run(workspace, "pets", AttachSpec(files["f"]))
    nearest = np.nanargmin(scores.prototype_angles(FEATURES, LABELS, K), axis=1)
    np.testing.assert_array_equal(rows_of(alone)["predicted"], nearest)
    assert alone.record.attached.predicted == "prototypes"
    assert not alone.has_logits


def test_features_without_labels_have_a_norm_and_predict_nothing(workspace, files):
    bare_dataset(workspace, PATHS, [None] * N, [], "bare")
    run = attach_run(workspace, "bare", AttachSpec(files["f"]))
    assert rows_of(run)["predicted"].isna().all()
    np.testing.assert_allclose(rows_of(run)["norm"], np.linalg.norm(FEATURES, axis=1), rtol=1e-6)
    assert len(run.scored_ids()) == N
    assert rows_of(attach_run(workspace, "bare", AttachSpec(probs=files["p"])))["max_confidence"].notna().all()


@pytest.mark.parametrize("form", ["parquet", "npz", "rows"])
@pytest.mark.parametrize("by", ["path", "id"])
def test_rows_in_another_order_are_matched_by_a_column(workspace, pets, files, tmp_path, form, by):
    names = {"path": [PATHS[row].removeprefix("pets/") for row in ORDER], "id": ORDER.tolist()}
    rows = ""
    if form == "parquet":
        table = {"e": list(FEATURES[ORDER]), "z": list(LOGITS[ORDER]), **names}
        pq.write_table(pa.table(table), tmp_path / "t.parquet")
        features, logits = str(tmp_path / "t.parquet:e"), str(tmp_path / "t.parquet:z")
    elif form == "npz":
        np.savez(tmp_path / "t.npz", e=FEATURES[ORDER], z=LOGITS[ORDER], **names)
        features, logits = str(tmp_path / "t.npz:e"), str(tmp_path / "t.npz:z")
    else:
        np.save(tmp_path / "e.npy", FEATURES[ORDER])
        np.save(tmp_path / "l.npy", LOGITS[ORDER])
        pd.DataFrame(names).to_csv(tmp_path / "rows.csv", index=False)
        features, logits, rows = str(tmp_path / "e.npy"), str(tmp_path / "l.npy"), str(tmp_path / "rows.csv")
    shuffled = attach_run(workspace, "pets", AttachSpec(features, logits=logits, by=by, rows=rows))
    in_order = attach_run(workspace, "pets", AttachSpec(files["f"], logits=files["z"]))
    pd.testing.assert_frame_equal(rows_of(shuffled), rows_of(in_order))
    np.testing.assert_array_equal(shuffled.features(), FEATURES)


def test_samples_without_a_row_are_unscored_and_rows_without_a_sample_are_left_out(workspace, pets, tmp_path):
    paths = ["elsewhere.jpg", *PATHS[2:], "nowhere.jpg"]
    extra = np.full((1, D), np.nan, np.float32)
    table = {"embedding": list(np.concatenate([extra, FEATURES[2:], extra])), "path": paths}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    run = attach_run(workspace, "pets", AttachSpec(str(tmp_path / "t.parquet"), by="path"))
    rows = rows_of(run)
    assert rows["problem"].notna().tolist() == [True, True] + [False] * (N - 2)
    assert rows["norm"].isna().sum() == run.record.skipped == 2
    assert "2 of 50 rows of t.parquet:embedding name no sample and were left out, first 0" in run.record.attached.notes
    assert "2 samples have no row and no scores, first 0" in run.record.attached.notes


def _changed(array, row, value):
    other = np.array(array)
    other[row] = value
    return other


REFUSED = {
    "rows": ({"features": FEATURES[:-1]}, "features.npy has 49 rows and dataset 'pets' has 50 samples"),
    "NaN": ({"features": _changed(FEATURES, (31, 2), np.nan)}, "Row 31 of features.npy holds NaN or infinity"),
    "infinite logits": ({"logits": _changed(LOGITS, (7, 1), np.inf)}, "Row 7 of logits.npy holds NaN"),
    "K": ({"logits": LOGITS[:, :3]}, r"logits.npy has 3 classes and dataset 'pets' has 4 \(cat, dog, emu, fox\)"),
    "sum": ({"probs": _changed(softmax(LOGITS, 1), 12, 0.3)}, "Row 12 of probs.npy has a sum of 1.2"),
    "negative": (
        {"probs": _changed(softmax(LOGITS, 1), 3, [1.5, -0.5, 0, 0])},
        "Row 3 of probs.npy has .* a least number of -0.5",
    ),
    "probs as logits": ({"logits": softmax(LOGITS, 1)}, "holds probabilities, .* Give it as --probs"),
    "transposed": (
        {"features": FEATURES, "class_weights": WEIGHTS.T},
        "6 x 4 and the features are 6 wide. It is trans",
    ),
    "width": ({"features": FEATURES[:, :5], "class_weights": WEIGHTS}, "4 x 6 and the features are 5 wide. Give the"),
    "zero weight": (
        {"features": FEATURES, "class_weights": _changed(WEIGHTS, 2, 0)},
        "Row 2 of class_weights.npy is z",
    ),
    "NaN weight": (
        {"features": FEATURES, "class_weights": _changed(WEIGHTS, 1, np.nan)},
        "Row 1 of class_weights.npy h",
    ),
    "bias": ({"features": FEATURES, "class_weights": WEIGHTS, "bias": BIAS[:3]}, "has 3 numbers and .* 4 classes"),
    "two networks": (
        {"features": FEATURES, "class_weights": WEIGHTS[:3], "logits": LOGITS},
        "different numbers of cla",
    ),
    "no width": ({"features": FEATURES[:, :0]}, "has the shape 50 x 0, so it is empty"),
    "flat": ({"features": FEATURES[:, 0]}, "has the shape 50, and features needs 2 dimension"),
    "both": ({"logits": LOGITS, "probs": softmax(LOGITS, 1)}, "--logits or --probs, not both"),
    "no features": ({"class_weights": WEIGHTS, "logits": LOGITS}, "give --features too"),
    "bias alone": ({"features": FEATURES, "bias": BIAS}, "--bias belongs to --class-weights"),
    "nothing": ({}, "nothing to attach"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_arrays_that_cannot_be_meant_are_refused_in_a_line_that_says_which(cli, workspace, pets, tmp_path, what):
    arrays, message = REFUSED[what]
    options = []
    for role, array in arrays.items():
        np.save(tmp_path / f"{role}.npy", array)
        options += [f"--{role.replace('_', '-')}", tmp_path / f"{role}.npy"]
    ended = cli("attach", "pets", *options, "--workspace", workspace.root)
    assert ended.code == 2
    assert re.search(message, ended.err), ended.err
    assert pets.runs() == []


def test_two_rows_about_one_sample_are_refused_by_their_numbers(workspace, pets, tmp_path):
    paths = [*PATHS[:-1], "3.jpg"]  # a file name that sample 3 alone has
    pq.write_table(pa.table({"embedding": list(FEATURES), "path": paths}), tmp_path / "t.parquet")
    with pytest.raises(CurateError, match=r"Rows 3 and 49 of t\.parquet:embedding are both about"):
        attach_run(workspace, "pets", AttachSpec(str(tmp_path / "t.parquet"), by="path"))
    with pytest.raises(CurateError, match="--by size: give order, path or a column of the dataset: id, path"):
        attach_run(workspace, "pets", AttachSpec(str(tmp_path / "t.parquet"), by="size", rows=""))


def test_it_is_finished_after_a_cancel_kept_when_complete_and_its_name_is_its_own(workspace, pets, files, tmp_path):
    spec = AttachSpec(files["f"], files["w"], files["b"])
    asked = iter([False] * 4)
    stop = Progress(should_stop=lambda: next(asked, True))
    with pytest.raises(Cancelled):
        attach_run(workspace, "pets", spec, run_name="mine", progress=stop)
    run = attach_run(workspace, "pets", spec, run_name="mine")
    assert run.complete
    assert run.name == "mine"
    written = run.scores_path.stat().st_mtime_ns
    assert attach_run(workspace, "pets", spec, run_name="mine").scores_path.stat().st_mtime_ns == written
    with pytest.raises(CurateError, match=r"has a run 'mine' of other arrays\. Choose another --name"):
        attach_run(workspace, "pets", AttachSpec(files["f"]), run_name="mine")
    assert pets.run("mine").record.model == "attached:mine"


def test_classes_in_another_order_and_a_missing_bias_are_told(cli, workspace, pets, files, tmp_path):
    np.save(tmp_path / "turned.npy", np.roll(LOGITS, 1, axis=1))
    ended = cli("attach", "pets", "--logits", tmp_path / "turned.npy", "--workspace", workspace.root)
    assert ended.code == 0
    assert "in the dataset's order of classes (cat, dog, emu, fox)?" in ended.err
    assert "Now try:\n  avhcurate serve" in ended.out  # without embeddings there are no suspects, without votes no HSF
    options = ["--features", files["f"], "--class-weights", files["w"], "--logits", files["z"]]
    ended = cli("attach", "pets", *options, "--json", "--workspace", workspace.root)
    notes = json.loads(ended.out)["attached"]["notes"]
    assert any("differ from features @ class_weights.T + bias" in note for note in notes)

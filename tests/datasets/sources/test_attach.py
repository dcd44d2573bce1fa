"""Runs attached from arrays: equal to scored ones, whole without class weights, and refused row by row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from scipy.special import softmax

from avhcurate import scores
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import sha256
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import bare_dataset, write_images
from tests.fakes.refusals import refused
from tests.fakes.sources import attach

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
    head = str(tmp_path / "head.safetensors")
    save_file({"fc.weight": scored.class_weights(), "fc.bias": scored.bias()}, head)
    run = attach(workspace, "digits", str(tmp_path / "features.npy"), head, bias=head, name="mine")
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
    of_logits = rows_of(attach(workspace, "pets", files["f"], logits=files["z"]))
    run = attach(workspace, "pets", files["f"], probs=files["p"])
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
    with refused(Option("class_weights")):
        run.class_weights()
    np.testing.assert_allclose(softmax(run.logits_of(np.arange(N)), axis=1), softmax(LOGITS, axis=1), atol=1e-6)


def test_of_probabilities_alone_it_has_softmax_scores_and_of_features_alone_prototypes(workspace, pets, files):
    outputs = attach(workspace, "pets", probs=files["p"])
    assert {key for key in rows_of(outputs) if key in SCORES} == {k for k, s in SCORES.items() if s.needs == "logits"}
    with refused(Option("features")):
        outputs.features()
    alone = attach(workspace, "pets", files["f"])
    nearest = np.nanargmin(scores.prototype_angles(FEATURES, LABELS, K), axis=1)
    np.testing.assert_array_equal(rows_of(alone)["predicted"], nearest)
    assert alone.record.attached.predicted == "prototypes"
    assert not alone.has_logits


@pytest.mark.parametrize(("form", "by"), [("parquet", "path"), ("npz", "id"), ("csv", "path"), ("csv", "id")])
def test_rows_in_another_order_are_matched_by_a_column(workspace, pets, files, tmp_path, form, by):
    arrays = {"e": FEATURES[ORDER], "z": LOGITS[ORDER]}
    names = {"path": [PATHS[row].removeprefix("pets/") for row in ORDER], "id": ORDER.tolist()}
    features, logits, rows = (str(tmp_path / f"t.{form}{name}") for name in (":e", ":z", ""))
    if form == "parquet":
        pq.write_table(pa.table({name: list(array) for name, array in arrays.items()} | names), rows)
    elif form == "npz":
        np.savez(rows, **arrays, **names)
    else:
        pd.DataFrame(names).to_csv(rows, index=False)
        features, logits = str(tmp_path / "e.npy"), str(tmp_path / "l.npy")
        np.save(features, arrays["e"])
        np.save(logits, arrays["z"])
    shuffled = attach(workspace, "pets", features, logits=logits, by=by, rows=rows if form == "csv" else "")
    in_order = attach(workspace, "pets", files["f"], logits=files["z"])
    pd.testing.assert_frame_equal(rows_of(shuffled), rows_of(in_order))
    np.testing.assert_array_equal(shuffled.features(), FEATURES)


def test_samples_without_a_row_are_unscored_and_rows_without_a_sample_are_left_out(workspace, pets, tmp_path):
    paths = ["elsewhere.jpg", *PATHS[2:], "nowhere.jpg"]
    extra = np.full((1, D), np.nan, np.float32)
    table = {"embedding": list(np.concatenate([extra, FEATURES[2:], extra])), "path": paths}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    run = attach(workspace, "pets", str(tmp_path / "t.parquet"), by="path")
    rows = rows_of(run)
    assert rows["problem"].notna().tolist() == [True, True] + [False] * (N - 2)
    assert rows["norm"].isna().sum() == run.record.skipped == 2
    assert "2 rows of t.parquet:embedding name no image, first 0: left out" in run.record.attached.notes
    assert "2 images have no row and no scores, first 0" in run.record.attached.notes


@pytest.mark.parametrize("inside", [False, True], ids=["manifest", "images in Parquet"])
def test_an_import_leaves_list_columns_out_and_its_file_gives_them(workspace, tmp_path, inside):
    names = [f"{number}.png" for number in range(N)]
    write_images(tmp_path, dict.fromkeys(names, "red"))
    columns = {"path": names, "label": LABELS, "embedding": list(FEATURES), "counts": [[3, 4, 0, 0]] * N}
    if inside:
        columns["image"] = [{"bytes": (tmp_path / name).read_bytes(), "path": name} for name in names]
    file = tmp_path / "pets.parquet"
    pq.write_table(pa.table(columns), file)
    folder = import_dataset(workspace, "own", file)
    assert any("list columns left out: embedding (" in text for text in folder.record.messages)
    assert folder.record.votes is not None  # lists of whole numbers are votes still
    run = attach(workspace, "own", f"{file}:embedding", by="path")
    np.testing.assert_array_equal(run.features(), FEATURES)


def _changed(array, row, value):
    other = np.array(array)
    other[row] = value
    return other


PROBS = softmax(LOGITS, axis=1)
REFUSED = [
    ({"features": FEATURES[:-1]}, "features.npy has 49 rows and dataset 'pets' has 50 images"),
    ({"features": _changed(FEATURES, (31, 2), np.nan)}, "Row 31 of features.npy holds NaN or infinity"),
    ({"logits": _changed(LOGITS, (7, 1), np.inf)}, "Row 7 of logits.npy holds NaN"),
    ({"logits": LOGITS[:, :3]}, r"arrays have 3 classes and dataset 'pets' has 4 \(cat, dog, emu, fox\)"),
    ({"probs": _changed(PROBS, 12, 0.3)}, "Row 12 of probs.npy is not a row of probabilities"),
    ({"probs": _changed(PROBS, 3, [1.5, -0.5, 0, 0])}, "Row 3 of probs.npy is not a row of probabilities"),
    ({"logits": PROBS}, "holds probabilities, .* Give it as --probs"),
    ({"features": FEATURES, "class_weights": WEIGHTS.T}, r"npy': \(6, 4\)} do not fit\. Give class weights \(K, D\)"),
    ({"features": FEATURES, "class_weights": _changed(WEIGHTS, 2, 0)}, "class_weights.npy has a row of zeros"),
    ({"features": FEATURES, "class_weights": _changed(WEIGHTS, 1, np.nan)}, "Row 1 of class_weights.npy h"),
    ({"features": FEATURES, "class_weights": WEIGHTS, "bias": BIAS[:3]}, "different numbers of classes"),
    ({"features": FEATURES, "class_weights": WEIGHTS[:3], "logits": LOGITS}, "different numbers of classes"),
    ({"features": FEATURES[:, :0]}, r"has the shape \(50, 0\)"),
    ({"features": FEATURES[:, 0]}, r"has the shape \(50,\), and features needs 2 dimension"),
    ({"logits": LOGITS, "probs": PROBS}, "--logits or --probs, not both"),
    ({"class_weights": WEIGHTS, "logits": LOGITS}, "give --features too"),
    ({"features": FEATURES, "bias": BIAS}, "--bias belongs to --class-weights"),
    ({}, "nothing to attach"),
]


@pytest.mark.parametrize(("arrays", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_arrays_that_cannot_be_meant_are_refused_in_a_line_that_says_which(workspace, pets, tmp_path, arrays, message):
    places = {role: str(tmp_path / f"{role}.npy") for role in arrays}
    for role, array in arrays.items():
        np.save(places[role], array)
    with pytest.raises(CurateError, match=message):
        attach(workspace, "pets", **places)
    assert pets.runs() == []


def test_two_rows_about_one_sample_are_refused_by_their_numbers(workspace, pets, tmp_path):
    paths = [*PATHS[:-1], "3.jpg"]  # a file name that sample 3 alone has
    pq.write_table(pa.table({"embedding": list(FEATURES), "path": paths}), tmp_path / "t.parquet")
    with refused("[3, 49]", "t.parquet:embedding"):
        attach(workspace, "pets", str(tmp_path / "t.parquet"), by="path")
    with refused(Option("by"), "size", "id, path, split, label"):
        attach(workspace, "pets", str(tmp_path / "t.parquet"), by="size", rows="")


def test_it_is_finished_after_a_cancel_kept_when_complete_and_its_name_is_its_own(workspace, pets, files, tmp_path):
    given = {"features": files["f"], "class_weights": files["w"], "bias": files["b"], "name": "mine"}
    asked = iter([False] * 3)
    with pytest.raises(Cancelled):
        attach(workspace, "pets", **given, progress=Progress(should_stop=lambda: next(asked, True)))
    run = attach(workspace, "pets", **given)
    assert run.complete
    assert run.record.model == "attached:mine"
    written = run.scores_path.stat().st_mtime_ns
    assert attach(workspace, "pets", **given).scores_path.stat().st_mtime_ns == written
    with refused("'mine'", Option("name")):
        attach(workspace, "pets", files["f"], name="mine")


def test_the_order_of_classes_is_said_and_can_be_given(cli, workspace, pets, tmp_path):
    """Two of four class weights are exchanged, as where the classes were numbered as they first appeared."""
    turned = [1, 0, 2, 3]
    for name, array in {"f": FEATURES, "w": WEIGHTS[turned], "b": BIAS[turned], "z": LOGITS[:, turned]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    arrays = {"features": tmp_path / "f.npy", "class_weights": tmp_path / "w.npy", "bias": tmp_path / "b.npy"}
    wrong = attach(workspace, "pets", **{role: str(path) for role, path in arrays.items()})
    order, exchange = wrong.record.attached.notes
    assert order == "classes were taken in this order: cat, dog, emu, fox"
    assert "with cat and dog exchanged, 37 of 50 images would have their given label, not 20" in exchange
    options = ["--features", arrays["features"], "--class-weights", arrays["class_weights"], "--bias", arrays["bias"]]
    ended = cli("attach", "pets", *options, "--classes", "dog,cat,emu,fox", "--workspace", workspace.root)
    assert "note: classes were taken in this order: dog, cat, emu, fox" in ended.err
    assert "exchanged" not in ended.err
    right = workspace.dataset("pets").runs()[-1]
    assert right.name != wrong.name
    expected = scores.per_sample(FEATURES, WEIGHTS, LOGITS, LABELS)
    for key in ("avh", "confidence", "margin"):
        np.testing.assert_allclose(rows_of(right)[key], expected[key], rtol=1e-4, atol=1e-6)
    (tmp_path / "order.txt").write_text("dog\ncat\nemu\nfox\n")
    same = ["--logits", tmp_path / "z.npy", "--classes", tmp_path / "order.txt", "--name", "z"]
    assert cli("attach", "pets", *same, "--workspace", workspace.root).code == 0
    np.testing.assert_allclose(rows_of(workspace.dataset("pets").run("z"))["loss"], expected["loss"], rtol=1e-4)
    with refused(Option("classes"), "dog, cat", "cat, dog, emu, fox"):
        attach(workspace, "pets", logits=str(tmp_path / "z.npy"), classes=("dog", "cat"))


def test_the_verb_warns_of_classes_in_another_order(cli, workspace, pets, tmp_path):
    np.save(tmp_path / "turned.npy", np.roll(LOGITS, 1, axis=1))
    ended = cli("attach", "pets", "--logits", tmp_path / "turned.npy", "--workspace", workspace.root)
    assert ended.code == 0
    assert "is no better than guessing among 4 classes" in ended.out
    assert "Now try:\n  avhcurate serve" in ended.out  # without embeddings there are no suspects, without votes no HSF

"""The object of a notebook: it follows what others do, takes samples in every form, and leaves jobs behind."""

import copy
import inspect
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image

import avhcurate
from avhcurate import scores
from avhcurate.cli import app as cli_app
from avhcurate.errors import CurateError
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.notebook import guesses
from avhcurate.notebook.dataset import Dataset
from avhcurate.workspace.data import terminal
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes import verb_options
from tests.fakes.refusals import refused

ROOT = Path(__file__).parents[2]
ONE = np.zeros((1, 4, 4), np.uint8)
NET = """
import torch
def tiny(num_classes=2):
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, num_classes))
"""


@pytest.fixture
def pets(tmp_path):
    """Twelve images of two classes, unscored, without votes."""
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    return avhcurate.dataset("pets", images, ["cat", "dog"] * 6, workspace=tmp_path / "space")


def test_from_images_to_a_label_file(pets, tmp_path, monkeypatch):
    (tmp_path / "tiny_nets.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    pets.score("tiny_nets:tiny", weights="random", crop=16)
    rows = [(f"{id:02d}.png", f"a{turn}", "cat" if turn <= id % 4 else "dog") for id in range(12) for turn in range(4)]
    pets.votes(pd.DataFrame(rows, columns=["sample", "annotator", "label"]))
    assert re.match("Dataset pets: 12 images of 2 classes, 48 human votes, scored by tiny_nets:tiny", repr(pets))
    table = pets.correlate("avh", bins="q2")
    assert table[["score", "n"]].values.tolist()[0] == ["avh", 12]
    assert set(pets.disagree("confidence")["set"]) <= {"hard_for_humans", "hard_for_network"}
    low, high = pets.frame()["confidence"].quantile([0.4, 0.6])
    sets = pets.disagree("confidence", hsf_cuts=(0.3, 0.5), score_cuts=(low, high)).groupby("set")["id"].agg(set)
    assert sets.get("hard_for_humans", set()) == set(pets.frame(f"hsf <= 0.3 AND confidence >= {high}")["id"])
    assert sets.get("hard_for_network", set()) == set(pets.frame(f"hsf >= 0.5 AND confidence <= {low}")["id"])
    assert len(sets) > 0
    with refused("hsf_cuts", "low", "high", 1):
        pets.disagree(hsf_cuts=[0.5])
    assert pets.select("confidence", 0.5, out=tmp_path / "pseudo.csv")["selected"].all()
    assert (tmp_path / "pseudo.csv.manifest.json").exists()
    hard = pets.frame("hsf < 0.5")
    assert pets.export(tmp_path / "few.jsonl", samples=hard) == len(hard) > 0
    job = Jobs(pets.workspace.root).newest()
    assert job.argv[:4] == ["score", "pets", "--model=tiny_nets:tiny", "--weights=random"]
    assert set(job.argv[4:]) == {"--crop=16"}
    sys.modules.pop("tiny_nets", None)


def test_a_job_goes_on_by_the_open_run(pets, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {"features": rng.normal(size=(12, 5)), "class_weights": rng.normal(size=(2, 5))}
    for name in ("older", "newer"):
        pets.attach(**arrays, name=name)
    older = avhcurate.open(pets.workspace.root, "pets", "older")
    older.suspects(sources="angular")
    run = older.opened.run.name
    assert Jobs(pets.workspace.root).newest().argv[:3] == ["suspects", "pets", f"--model={run}"]
    with pytest.raises(CurateError):
        older.predict()
    assert Jobs(pets.workspace.root).newest().argv[:2] == ["predict", "pets"]


@pytest.mark.parametrize(
    "samples",
    [
        [1, 3],
        np.array([1, 3]),
        pd.Series([1, 3]),
        pd.DataFrame({"id": [3, 1]}),
        "id IN (1, 3)",
        np.isin(np.arange(12), [1, 3]),
        pd.Series(np.isin(np.arange(12), [1, 3])),
    ],
    ids=["list", "array", "column", "frame", "condition", "mask", "mask column"],
)
def test_samples_are_taken_in_every_form(pets, samples):
    assert pets.tag(samples, "odd") == 2
    assert avhcurate.open(pets.workspace.root, "pets").frame("list_contains(tags, 'odd')")["id"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([0.5], "whole numbers"),
        (np.array([True, False]), "mask has shape (2,)"),
        (pd.DataFrame({"path": ["a"]}), "no column id"),
        ([99], "No image has id 99. Ids run from 0 to 11"),
        ("colour = 3", "colour"),
        ([], "No images are chosen"),
    ],
)
def test_samples_that_are_none_are_refused(pets, samples, message):
    with pytest.raises(CurateError, match=re.escape(message)):
        pets.exclude(samples)


def test_it_follows_what_another_object_or_the_app_does(pets):
    other = avhcurate.open(pets.workspace.root, "pets")
    other.relabel(0, "dog")
    other.votes(np.ones((12, 2), int))
    assert pets.table.loc[0, ["curated_label_name", "hsf"]].tolist() == ["dog", 0.5]
    assert other.undo() == "relabel dog"
    assert pets.table.loc[0, "curated_label_name"] == "cat"


def test_outputs_in_memory_or_in_files_are_a_run(pets, tmp_path):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    features, class_weights = rng.normal(size=(12, 5)).astype("float32"), rng.normal(size=(2, 5)).astype("float32")
    pets.attach(torch.tensor(features, requires_grad=True), class_weights=class_weights, name="mine")
    assert Jobs(pets.workspace.root).newest().argv == []  # its files are gone with the call
    expected = scores.avh(features, class_weights, pets.table["label"].to_numpy(int))
    assert np.allclose(pets.table["avh"].to_numpy(float), expected, atol=1e-6)
    np.save(tmp_path / "features.npy", features[::-1])
    rows = pd.DataFrame({"path": pets.table["path"][::-1]})
    pets.attach(tmp_path / "features.npy", class_weights=class_weights, by="path", rows=rows, name="turned")
    assert np.allclose(pets.table["avh"].to_numpy(float), expected, atol=1e-6)
    assert repr(pets).endswith("scored by attached:turned")
    np.save(tmp_path / "weights.npy", class_weights)
    pets.attach(tmp_path / "features.npy", class_weights=tmp_path / "weights.npy", name="of-files")
    assert f"--features={tmp_path / 'features.npy'}" in Jobs(pets.workspace.root).newest().argv
    assert [path.name for path in pets.workspace.root.glob(".given-*")] == []
    with pytest.raises(CurateError, match="nothing to attach"):
        pets.attach()
    with refused("logits", "<U1"):
        pets.attach(logits=np.array([["a", "b"]]))


def test_a_dataset_is_read_as_python_expects(pets, tmp_path):
    shown = pets._repr_html_()
    assert shown.startswith("<p>Dataset pets: 12 images of 2 classes, no votes, not scored yet</p>")
    assert shown.count('<img src="data:image/jpeg;base64,') == 12
    assert [record["path"] for record in pets] == [f"{id:02d}.png" for id in range(12)]
    assert pets[3] == {**pets[3], "id": 3, "label_name": "dog"}
    assert pets[[3, 1]]["id"].tolist() == [1, 3]
    assert pets[-2:]["id"].tolist() == pets[pets["id"] > 9]["id"].tolist() == [10, 11]
    assert pets["label"].tolist() == [0, 1] * 6
    given = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    assert (np.asarray(pets.image(5)) == given[5]).all()
    again = pickle.loads(pickle.dumps(pets))
    assert repr(again) == repr(copy.deepcopy(pets)) == repr(pets)
    assert (again.tag([3], "odd"), pets[3]["tags"]) == (1, ["odd"])  # both are of the same workspace


def test_a_hugging_face_dataset_goes_out_with_curated_labels_and_comes_back(pets, tmp_path):
    pytest.importorskip("datasets")
    pets.relabel([0], "dog")
    out = pets.to_hf()
    assert {name: len(part) for name, part in out.items()} == {"train": 12}
    back = avhcurate.from_hf("back", out, workspace=tmp_path / "back")
    assert back.table["label_name"].tolist() == pets.table["curated_label_name"].tolist()
    assert (np.asarray(back.image(7)) == np.asarray(pets.image(7))).all()


def test_the_figures_are_those_of_the_pages(own_demo_root, trained_root, plant_map):
    digits = avhcurate.open(own_demo_root, "digits")
    (dots, *_) = digits.plot.correlation(where="id < 900").data
    table = digits.correlate(where="id < 900").query("bin == 'all'").set_index("score")
    assert dict(zip(dots.y, np.abs(dots.x), strict=True))["AVH"] == pytest.approx(abs(table.loc["avh", "spearman"]))
    sets = digits.disagree("loss")["set"].value_counts()
    drawn = {trace.name: len(trace.x) for trace in digits.plot.disagreement("loss").data}
    assert drawn[f"Hard for the network, easy for people: {sets['hard_for_network']}"] == sets["hard_for_network"] > 0
    plant_map(own_demo_root)
    by_class = digits.plot.map(where="label < 3")
    assert [trace.name for trace in by_class.data] == ["0", "1", "2"]
    assert sum(len(trace.x) for trace in by_class.data) == len(digits.frame("label < 3"))
    assert len(digits.plot.map("avh").data[0].marker.color) == len(digits)
    figure = avhcurate.open(trained_root, "digits").plot.training()
    assert {"all", "training data"} <= {trace.name for trace in figure.data}


def test_a_method_takes_the_options_of_its_verb_with_their_defaults():
    verbs = {
        "score": (ScoreSettings, {"engine"}),
        "project": (ProjectSettings, {"model"}),
        "neighbours": (NeighboursSettings, {"model", "like_text"}),
        "suspects": (SuspectsSettings, {"model"}),
        "predict": (PredictSettings, set()),
        "quality": (QualitySettings, {"model", "engine", "tiny", "black", "blank", "blurred"}),
    }
    for verb, (settings, without) in verbs.items():
        taken = inspect.signature(getattr(Dataset, verb)).parameters.values()
        offered = {each.name: each.default for each in settings.options() if each.name not in without | {"dataset"}}
        assert {each.name: each.default for each in taken if each.name != "self"} == offered | (
            {"model": inspect.Parameter.empty} if verb == "score" else {}
        )


def test_the_types_of_options_are_those_of_the_settings():
    told = verb_options.FILE.read_text(encoding="utf-8")
    assert told == verb_options.generated(), "run: python -m tests.fakes.verb_options"


def test_help_and_completion_show_the_options_and_a_misspelt_one_is_refused(pets):
    names = [*inspect.signature(pets.attach).parameters]
    assert names[:2] == ["features", "class_weights"]
    assert names[-3:] == ["by", "classes", "name"]
    assert "options" not in inspect.signature(pets.predict).parameters
    assert "level: float = 0.9" in pydoc.render_doc(Dataset.predict)
    with pytest.raises(TypeError, match=r"score\(\) got an unexpected keyword argument 'hed'. Did you mean 'head'\?"):
        pets.score("avhcurate:digits", hed="fit")
    with pytest.raises(TypeError, match="argument 'engine'"):
        pets.score("avhcurate:digits", engine="ray")
    pets.attach(probs=np.full((12, 2), 0.5), classes=np.array(["dog", "cat"]), name="turned")
    assert pets.opened.run.name == "turned"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda pets: pets.score("avhcurate:digits", folds=3), 'Add head="fit".'),
        (lambda pets: pets.score("avhcurate:digits", batch_size=0), "The value 0 of batch_size is not valid"),
        (lambda pets: pets.export("x.csv", where="hsf < 0.5"), "Run `pets.votes(FILE)`"),
        (lambda pets: pets.disagree(), "Run `pets.score(model=MODEL)`"),
        (lambda pets: pets.plot.map(), "Run `pets.project()`"),
        (lambda pets: pets.plot.training(), "Run `pets.train(model=MODEL)`"),
        (lambda pets: pets.frame("label = 'dgo'"), "No class is called 'dgo'. Did you mean dog?"),
        (lambda pets: pets[-13], "Ids run from 0 to 11"),
        (lambda pets: pets.export(pets.workspace.root), "by format"),
        (
            lambda pets: avhcurate.dataset("pets", np.zeros((1, 4, 4), np.uint8), workspace=pets.workspace.root),
            "force=True",
        ),
        (lambda pets: pets[99], "Ids run from 0 to 11"),
        (lambda pets: pets["hsf < 0.5"], "hsf < 0.5"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_python(pets, call, said):
    with pytest.raises(CurateError) as caught:
        call(pets)
    assert said in str(caught.value)
    assert " --" not in str(caught.value)


def test_long_work_has_a_bar_in_a_notebook_and_is_silent_on_request(pets, monkeypatch, capsys):
    monkeypatch.setattr(terminal, "in_jupyter", lambda: True)
    pets.quality()
    assert "measuring, 12 of 12" in capsys.readouterr().err
    terminal.LOG.setLevel("ERROR")
    pets.quality(upright=True)
    terminal.LOG.setLevel("NOTSET")
    assert capsys.readouterr().err == ""


def test_what_people_guess_is_there_or_names_what_is(pets):
    assert pets.head(2)["id"].tolist() == [0, 1]
    assert pets.shape == pets.to_pandas().shape == (12, len(pets.columns))
    assert pets[-1]["id"] == 11
    assert pets[[-12, -1]]["id"].tolist() == [0, 11]
    tried = [(name, text) for text, names in guesses._OF_A_DATASET.items() for name in names.split()]
    for name, text in tried:
        with pytest.raises(AttributeError, match=re.escape(f"Dataset has no `{name}`: `")) as caught:
            getattr(pets, name)
        call = str(caught.value).partition("`: `")[2].removesuffix("`")
        for method in re.findall(r"pets\.(\w+)", call):
            assert hasattr(Dataset, method), text
    assert len(tried) > 40
    with pytest.raises(AttributeError, match="Dataset has no `suspect`: `suspects`"):
        pets.suspect  # noqa: B018
    assert not hasattr(pets, "_repr_png_")
    for name in " ".join(guesses._OF_THE_PACKAGE.values()).split():
        with pytest.raises(AttributeError, match=f"avhcurate has no `{name}`: `avhcurate"):
            getattr(avhcurate, name)


def test_importing_the_package_imports_nothing_until_scores_or_dataset_are_asked_for():
    script = (
        "import sys, avhcurate; assert not {'numpy', 'pandas', 'torch'} & {*sys.modules};"
        "avhcurate.scores.avh; from avhcurate import Dataset; assert avhcurate.Dataset is Dataset; print(Dataset)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "avhcurate.notebook.dataset.Dataset" in said.stdout


@pytest.mark.slow
def test_every_verb_about_a_dataset_is_a_method(own_demo_root, tmp_path):
    # What is not about one dataset, or about what is shown and not computed.
    shell = {
        "demo",
        "import",
        "fetch",
        "serve",
        "doctor",
        "plugins",
        "roles",
        "toy",
        "list",
        "check",
        "remove",
        "rename",
    }
    shell |= {"jobs", "review", "default", "classes", "columns", "exclude", "payoff", "diff", "lock", "tag", "relabel"}
    verbs = {verb.replace("-", "_") for verb in typer.main.get_command(cli_app).commands if verb not in shell}
    assert [verb for verb in sorted(verbs) if not hasattr(Dataset, verb)] == []
    digits = avhcurate.open(own_demo_root, "digits")
    assert digits.models()["model"].tolist() == ["avhcurate:digits"]
    nearest = digits.neighbours(count=4)
    assert nearest["neighbour_angle"].is_monotonic_decreasing
    digits.tag([3], "odd")
    assert digits.history(limit=1)[["action", "value"]].values.tolist() == [["tag", "odd"]]
    assert digits.saved("few", "id < 3")[["set", "samples"]].values.tolist() == [["few", 3]]
    assert digits.votes_out(tmp_path / "votes.csv") == len(pd.read_csv(tmp_path / "votes.csv"))
    placed = digits.project(limit=100, seed=0)
    assert (placed.shape, digits.plot.map() is not None) == ((100, 3), True)
    trained = digits.train(model="avhcurate:digits", epochs=1, train_where="id < 300", train_sample=20)
    assert trained["trained_samples"].tolist() == [300]


def test_an_image_folder_and_probabilities_of_cleanlab_are_taken(tmp_path):
    folder = pytest.importorskip("torchvision.datasets.folder")
    for name in ("b/1.png", "b/2.png", "a/1.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (len(name), int(name[2]), 0)).save(tmp_path / "images" / name)
    given = folder.ImageFolder(tmp_path / "images", is_valid_file=lambda path: not path.endswith("2.png"))
    pets = avhcurate.dataset("pets", given, workspace=tmp_path / "workspace")
    assert pets.table[["path", "label_name"]].values.tolist() == [["a/1.png", "a"], ["b/1.png", "b"]]
    pets.attach(pred_probs=np.array([[0.9, 0.1], [0.8, 0.2]]))
    assert pets.table["confidence"].round(1).tolist() == [0.9, 0.2]


def test_suspects_are_those_of_a_condition(own_demo_root):
    digits = avhcurate.open(own_demo_root, "digits")
    everyone = digits.suspects()
    some = digits.suspects(where="label = '9'")
    assert 0 < len(some) < len(everyone)
    assert some["rank"].tolist() == everyone.loc[everyone["label_name"] == "9", "rank"].tolist()

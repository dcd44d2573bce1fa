"""A run of fitted heads on the pages: which head speaks is said, details agree with the scores, and Home offers it."""

import re

import numpy as np
import pytest

from avhcurate.errors import Option, Text
from avhcurate.workspace.data.run_records import FittedHeads
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.workspaces import copied


@pytest.fixture
def fitted_root(own_demo_root):
    """The digits' run as if its head were one of three fitted ones: for what pages say, not for the numbers."""
    run = Workspace(own_demo_root).dataset("digits").run()
    class_weights, bias = run.head()
    for fold in range(3):
        run.write_head(class_weights, bias, fold)
    run.write_folds((np.arange(1797) % 3).astype(np.int16))
    heads = FittedHeads(
        folds=3, seed=0, groups="writer", recipe={}, samples=1797, accuracy=0.985, loss=0.05, agreement=0.97
    )
    run.write_record(run.record.model_copy(update={"fitted": heads}))
    return own_demo_root


def test_home_and_every_frame_say_that_the_head_was_fitted(open_page, fitted_root, words):
    app = open_page("home", fitted_root)
    assert "Out of fold" in words(app)
    assert "scored by the head that saw nothing of its writer, nor its copies" in words(app)
    assert app.dataframe[0].value["Model"][0] == "avhcurate:digits · fitted head"


def test_every_frame_says_whose_the_scores_of_the_epochs_are(open_page, trained_root, tmp_path, add_run):
    root = copied(trained_root, tmp_path / "fitted")
    (training, *_) = Workspace(root).dataset("digits").trainings()
    heads, weights = FittedHeads(folds=2, seed=0, groups=None, recipe={}, samples=9), training.record.weights_sha256
    add_run(root, "zz-fit-1", lambda rows: rows, weights_sha256=weights, fitted=heads)
    app = open_page("gallery", root, run="zz-fit-1")
    (badges,) = (one for one in app.sidebar.markdown if "Out of fold" in one.value)
    assert "Scores of the epochs are those of the network's own training" in badges.proto.help


@pytest.mark.slow
def test_map_and_pseudo_labels_say_that_they_take_the_head_of_all(open_page, fitted_root, words, plant_map):
    plant_map(fitted_root)
    for page in ("map", "pseudo_labels"):
        app = open_page(page, fitted_root)
        assert not app.exception
        assert re.search(r"one head fitted on all labelled images|head was fitted on all labels", words(app))


@pytest.mark.parametrize(
    ("problem", "said", "option"),
    [
        (Text(f"Fit a head by {Option('head', 'fit')}."), "“Last layer: Fit one for these classes”", "--head=fit"),
        (
            Text(f"Take its rows by {Option('classes_from_model', True)}."),
            "“Classes from model”",
            "--classes-from-model",
        ),
    ],
)
def test_a_model_of_other_classes_offers_the_way_on_as_a_button(
    open_page, own_demo_root, no_process, problem, said, option
):
    kept = Jobs(own_demo_root)
    record = kept.create("score", "digits", ["score", "digits", "--model=efficientnet-lite0"])
    kept.write(record.model_copy(update={"state": "failed", "message": str(problem), "problem": problem}))
    app = open_page("home", own_demo_root)
    assert said in app.error[0].value.replace("\\", "")
    assert "--" not in app.error[0].value
    app.button(key=f"jobs.{option}").click().run()
    assert no_process == [([*record.argv, option], "score", "digits")]


def test_the_form_asks_for_a_fitted_head_with_folds_and_groups(open_page, own_demo_root, no_process):
    app = open_page("home", own_demo_root, home__have="classifier")
    app.number_input(key="home.score_folds").set_value(3)
    start = next(button for button in app.button if button.label == "Start scoring")
    start.click().run()
    said = app.error[0].value.replace("\\", "")
    assert said.endswith("“Seed” belong to fitted heads. Add “Last layer: Fit one for these classes”.")
    app.selectbox(key="home.score_head").set_value("fit")
    next(button for button in app.button if button.label == "Start scoring").click().run()
    options = ["--model=avhcurate:digits", "--head=fit", "--folds=3"]
    assert no_process == [(["score", "digits", *options], "score", "digits")]

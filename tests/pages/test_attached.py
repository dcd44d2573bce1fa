"""Pages of runs that were attached: each works, or says in plain words what the run lacks and how to bring it."""

import numpy as np
import pytest
from scipy.special import softmax

from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.sources import attach
from tests.fakes.workspaces import copied


@pytest.fixture(scope="module")
def root(demo_root, once):
    """The digits with three attached runs: features with probabilities, features alone, probabilities alone."""

    def make(folder):
        workspace = Workspace(copied(demo_root, folder / "workspace"))
        run = workspace.dataset("digits").run()
        np.save(folder / "f.npy", run.features())
        np.save(folder / "p.npy", softmax(run.logits_of(run.scored_ids()), axis=1))
        features, probs = str(folder / "f.npy"), str(folder / "p.npy")
        attach(workspace, "digits", features, probs=probs, name="both")
        attach(workspace, "digits", features, name="alone")
        attach(workspace, "digits", probs=probs, name="probs")

    return once("attached", make) / "workspace"


@pytest.mark.parametrize(
    ("page", "run", "said"),
    [
        ("home", "both", "Without class weights it has no AVH;"),
        ("home", "alone", "Without logits, predicted is the nearest prototype."),
        ("home", "probs", "Without embeddings it has no angles, neighbours and map."),
        ("map", "both", "No map of this run yet"),
        ("map", "probs", "A map places images by the angles"),
        ("degradation", "both", "This run has no network"),
        ("pseudo_labels", "both", "there is no AVC to compare with"),
        ("pseudo_labels", "alone", "This run has no logits"),
        ("suspects", "alone", "heads out of fold judge its images"),
        ("suspects", "probs", "No suspects of this run yet"),
        ("models", "alone", "so without AVH"),
        ("annotate", "alone", ""),
        ("quality", "probs", ""),
    ],
)
def test_a_page_works_or_says_what_the_run_lacks(open_page, root, words, page, run, said):
    app = open_page(page, root, dataset="digits", run=run)
    assert [error.value for error in app.error] == []
    assert said in words(app)


@pytest.mark.parametrize(("run", "name"), [("both", "Prototype hardness"), ("probs", "Loss")])
def test_a_run_without_avh_is_sorted_and_compared_by_its_own_measure_called_by_its_name(
    open_page, root, words, run, name
):
    gallery = open_page("gallery", root, dataset="digits", run=run)
    shown = gallery.selectbox(key="gallery.sort")
    assert name in shown.options
    assert "AVH" not in shown.options
    assert shown.value == name.lower().replace(" ", "_")
    assert "Attached, no class weights" in words(gallery)
    gap = open_page("disagreement", root, dataset="digits", run=run)
    assert gap.error == []


def test_details_of_a_run_without_class_weights_show_softmax_and_neighbours_without_avc(open_page, root, words):
    app = open_page("gallery", root, dataset="digits", run="both", sample="5")
    assert app.error == []
    assert "**Nearest by angle**" in words(app)


def test_the_form_attaches_server_paths_and_refuses_what_does_not_go_together(open_page, root, no_process):
    app = open_page("home", root, dataset="digits", run="both")
    app.segmented_control(key="home.have").set_value("outputs").run()
    assert not app.exception
    next(button for button in app.button if button.label == "Attach outputs").click().run()
    assert "nothing to attach" in app.error[0].value
    assert no_process == []

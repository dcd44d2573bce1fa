"""What the form of a training finds out by itself: network, dataset to learn from, dataset held out; its command."""

import pytest

from avhcurate.errors import Option
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.lab.training_dynamics.ui import MODELS, usual_model
from avhcurate.networks.models.own import OWN
from avhcurate.ui.base.job_forms import partners
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import add_dataset
from tests.fakes.refusals import refused


@pytest.fixture
def space(tmp_path):
    """A workspace with datasets of the same two classes, `few` and `many`, and one of other classes."""
    workspace = Workspace(tmp_path / "workspace")
    for name, classes, count in (("few", ("cat", "dog"), 1), ("many", ("cat", "dog"), 3), ("other", ("oak", "fir"), 2)):
        pictures = {f"{label}/{number}.png": b"no image" for label in classes for number in range(count)}
        add_dataset(workspace, tmp_path, pictures, name)
    return workspace


def test_partners_are_the_datasets_of_the_same_classes(space):
    assert partners(space, space.dataset("few")) == ["many"]
    assert partners(space, space.dataset("other")) == []
    (space.dataset("many").root / "dataset.json").write_text("{")  # damaged
    assert partners(space, space.dataset("few")) == []


def test_the_networks_on_offer_exist(demo_root, space):
    own = [name.removeprefix("avhcurate:") for name in MODELS if name.startswith("avhcurate:")]
    assert set(own) <= set(OWN)
    assert usual_model(Workspace(demo_root).dataset("digits")) == "avhcurate:digits"
    assert usual_model(space.dataset("few")) == MODELS[0]


def test_a_missing_network_is_asked_for_and_no_name_becomes_an_option():
    with refused(Option("model"), Option("recipe")):
        TrainSettings(dataset="pets")
    argv = TrainSettings(dataset="pets", model="--force", train_where="--held-out=x").argv
    assert [part for part in argv if part.startswith("--") and "=" not in part] == []
    assert "--model=--force" in argv


def test_the_form_sends_what_it_found_out(space, open_page, start):
    app = open_page("training_dynamics", space.root, dataset="few")
    assert (app.selectbox(key="train.dataset").value, app.selectbox(key="train.held_out").value) == ("few", "few")
    app.selectbox(key="train.dataset").set_value("many")
    assert [(argv[1], argv[-1]) for argv in start(app, "Start training")] == [("many", "--held-out=few")]

"""The Toy page without a browser: what it shows of a result, its settings in the address, the wait for a training."""

import pytest

from avhcurate.errors import CurateError
from avhcurate.lab.toy import service as toy_service
from avhcurate.lab.toy.settings import ToySettings

QUICK = {"toy.epochs": "5"}
SETTINGS = ToySettings(epochs=5)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A workspace without a dataset, with results of the default settings and of quick ones."""
    root = tmp_path_factory.mktemp("toy")
    for settings in (ToySettings(), SETTINGS, ToySettings(classes=7, epochs=5)):
        toy_service.run(root, settings)
    return root


@pytest.fixture
def open_toy(open_page):
    return lambda root, **query: open_page("toy", root, **query)


def test_the_maps_are_those_of_the_last_epoch_and_the_figures_are_printed(open_toy, root, figures):
    app = open_toy(root)
    result = toy_service.read(root, ToySettings())
    assert app.slider(key="toy.epoch").value == 40
    maps = figures(app)[0]
    titles = [note["text"] for note in maps["layout"]["annotations"]]
    assert titles == ["Training data", "AVH", "Norm |x|", "Exact Bayes error"]
    assert sum(trace["type"] == "heatmap" for trace in maps["data"]) == 3
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["AVH with Bayes error"] == f"{result.curves['avh_samples'].iloc[-1]:.2f}"
    assert shown["Norm with Bayes error"] == f"{result.curves['norm_samples'].iloc[-1]:.2f}".replace("-", "−")


def test_the_epoch_slider_changes_figures_and_address(open_toy, root):
    app = open_toy(root)
    last = {metric.label: metric.value for metric in app.metric}
    app.slider(key="toy.epoch").set_value(0).run()
    assert app.query_params["toy.epoch"] == "0"
    first = {metric.label: metric.value for metric in app.metric}
    assert float(first["Mean AVH"]) > float(last["Mean AVH"])
    assert float(first["Mean norm"]) < float(last["Mean norm"])
    app.slider(key="toy.epoch").set_value(40).run()
    assert "toy.epoch" not in app.query_params
    assert {metric.label: metric.value for metric in app.metric} == last


def test_an_address_sets_every_setting(open_toy, root, figures):
    app = open_toy(root, **QUICK, **{"toy.classes": "7", "toy.epoch": "99"})
    assert app.slider(key="toy.classes").value == 7
    assert app.slider(key="toy.epoch").value == 5
    (points,) = [trace for trace in figures(app)[0]["data"] if trace["type"] == "scatter"]
    assert len(set(zip(points["marker"]["color"], points["marker"]["symbol"], strict=True))) == 7


def test_a_failed_training_says_why(open_toy, tmp_path, monkeypatch):
    def fail(workspace, settings):
        raise CurateError("The training of the toy failed: no room")

    monkeypatch.setattr(toy_service, "trained", fail)
    assert "no room" in open_toy(tmp_path).error[0].value

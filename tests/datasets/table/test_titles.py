"""What runs are called: by network, weights file and training, and from how many of the samples they learnt."""

from datetime import UTC, datetime

import pytest

from avhcurate.datasets.table.titles import learnt_here, title_of, titles
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied

#: Runs of one network: name, day and minute of the start.
RUNS = [("half-1a", 28, 0), ("whole-2b", 28, 0), ("whole-3c", 29, 10), ("whole-4d", 29, 20), ("whole-5e", 29, 20)]


@pytest.mark.parametrize(
    ("model", "source", "title"),
    [
        ("torchvision:resnet50", "torchvision ResNet50_Weights.IMAGENET1K_V2", "torchvision:resnet50"),
        ("torchvision:resnet50", "best.pth [state_dict]", "resnet50 · best.pth"),
        ("torchvision:resnet50", "my own.safetensors", "resnet50 · my own.safetensors"),
        ("torchvision:resnet50", "random", "resnet50 · random weights"),
        ("timm:resnet10t", "timm resnet10t", "timm:resnet10t"),
        ("onnx:nets/cats.onnx", "cats.onnx", "onnx:nets/cats.onnx"),
        ("attached:mine", "attached", "attached:mine"),
    ],
)
def test_a_run_is_named_by_the_file_of_its_weights_where_they_are_not_the_networks_own(
    own_demo_root, add_run, model, source, title
):
    add_run(own_demo_root, "one-1a", lambda rows: rows, model=model, weights_source=source, weights_sha256="f")
    called = titles(Workspace(own_demo_root).dataset("digits"))
    assert called["one-1a"] == title
    assert sorted(called.values()) == sorted(["avhcurate:digits", title])


def test_runs_of_a_training_are_named_by_it_say_how_much_they_learnt_and_survive_damaged_ones(trained_root, tmp_path):
    dataset = Workspace(copied(trained_root, tmp_path / "trained")).dataset("digits")
    called, learnt = titles(dataset), learnt_here(dataset)
    scored = {name: called[name] for name in learnt}
    assert sorted(scored.values()) == ["digits · cross-entropy · seed 0", "digits · cross-entropy · seed 1"]
    assert set(learnt.values()) == {"learnt from some of these"}
    assert title_of(dataset, "gone-1") == "gone-1"
    damaged = dataset.root / "training" / "zz-damaged" / "training.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    assert titles(dataset) == called


def test_runs_of_one_network_say_in_what_they_differ_and_no_more(own_demo_root, add_run):
    for name, day, minute in RUNS:
        started = datetime(2026, 11, day, 9, minute, tzinfo=UTC)
        precision = {"half-1a": "bfloat16"}.get(name, "float32")
        add_run(own_demo_root, name, lambda rows: rows, model="net", started=started, precision=precision)
    called = titles(Workspace(own_demo_root).dataset("digits"))
    assert [called[name] for name, _, _ in RUNS] == [
        "net · bfloat16",
        "net · float32 · 28 Nov",
        "net · float32 · 29 Nov · 09:10",
        "net · float32 · 29 Nov · 09:20 · 4d",
        "net · float32 · 29 Nov · 09:20 · 5e",
    ]

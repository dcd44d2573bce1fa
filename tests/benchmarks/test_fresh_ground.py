"""The centred gate on other ground: shifts, both grounds from start to table, and the tests of the table."""

from argparse import Namespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats

from avhcurate.images.decoding import encode_thumbnail
from avhcurate.models.loading import ModelSpec, load_model
from avhcurate.models.own import CifarResNet
from avhcurate.self_training.loop import Schedule
from avhcurate.stats.multiple_testing import holm
from avhcurate.training.checkpoints import save_weights
from avhcurate.training.digits import Trained
from avhcurate.training.images import LabelledImages
from avhcurate.training.probe import ProbeRecipe
from avhcurate.training.recipe import Recipe
from avhcurate.training.trainer import train
from benchmarks import fresh_ground, self_training
from benchmarks.self_training_results import finished


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Steps of a moment, two shifts, and the committed network of the digits under every seed."""
    heads = {"paper": ProbeRecipe(hidden=16, steps=20, learning_rate=0.01)}
    for name, value in {"ROUND_STEPS": 5, "SCHEDULE": Schedule(0.3, 0.2, 0.5), "HEADS": heads}.items():
        monkeypatch.setattr(self_training, name, value)
    known = load_model(ModelSpec(name="avhcurate:digits")).module
    small = {"HEADS": heads, "train_digits": lambda data, seed: Trained(known, 1.0, 1.0)}
    small |= {"DIGITS": {"turn": (30,), "noise": (3,)}, "CIFAR": {"blur": (2,), "jpeg": (5,)}}
    for name, value in small.items():
        monkeypatch.setattr(fresh_ground, name, value)


def test_a_shift_changes_pixels_and_neither_shape_nor_its_own_repeat():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    for kind, levels in {"turn": (45,), "noise": (5,), "blur": (5,), "contrast": (5,), "jpeg": (5,)}.items():
        once, again = (fresh_ground.shifted(images, kind, levels[0], seed=1) for _ in range(2))
        assert once.shape == images.shape
        assert np.array_equal(once, again)
        assert not np.array_equal(once, images)
    assert np.array_equal(fresh_ground.shifted(images, "turn", 180, 0), images[:, ::-1, ::-1])


def test_the_source_is_one_half_of_the_digits_and_every_shift_the_other():
    name, data = fresh_ground.digits(0)
    assert name == "digits"
    assert {domain: int((data.domains == domain).sum()) for domain in np.unique(data.domains)} == {
        "source": 901,
        "turn 30": 896,
        "noise 3": 896,
    }
    assert np.array_equal(data.labels[data.domains == "turn 30"], data.labels[data.domains == "noise 3"])
    assert not np.array_equal(data.features[data.domains == "turn 30"], data.features[data.domains == "noise 3"])


def test_the_digits_go_from_start_to_table_and_stop_between(tmp_path, capsys):
    arguments = [f"--out={tmp_path}", "--seeds=1"]
    assert fresh_ground.main([*arguments, "--minutes=0"]) == 1
    assert "the same command goes on" in capsys.readouterr().out
    assert fresh_ground.main(arguments) == 0
    table = finished(tmp_path / "digits")
    assert len(table) == 2 * len(fresh_ground.METHODS)
    said = capsys.readouterr().out
    mean = table[(table["method"] == "avc") & (table["target"] == "noise 3")]["accuracy"].mean()
    assert f"| avc | {mean:.1f} |" in said
    assert "| digits | centred | all kinds |" in said
    assert fresh_ground.main(arguments) == 0
    assert "seed" not in capsys.readouterr().out.split("digits, 1 seeds")[0]


def written_images(folder):
    """40 images of ten classes in each of two files; those of the second, (N, 32, 32, 3), and their labels."""
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        labels = np.tile(np.arange(10), 4)
        pixels = (25 * labels[:, None, None, None] + rng.integers(0, 20, (40, 32, 32, 3))).astype(np.uint8)
        rows = [
            {"image": {"bytes": encode_thumbnail(one)}, "label": int(k)} for one, k in zip(pixels, labels, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return pixels, labels


def test_networks_of_cifar_are_a_ground_each(tmp_path, capsys):
    pixels, labels = written_images(tmp_path)
    torch.manual_seed(0)
    data = LabelledImages(
        torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels), (0.5,) * 3, (0.25,) * 3
    )
    network = train(CifarResNet(20), data, Recipe(epochs=3, batch_size=8), device="cpu")
    save_weights(network, tmp_path / "net.safetensors")
    files = [f"--{name}={tmp_path / name}.parquet" for name in ("train", "test")]
    networks = ["--networks", f"resnet20={tmp_path / 'net.safetensors'}"]
    arguments = [f"--out={tmp_path / 'out'}", "--ground=cifar", "--seeds=1", *files, *networks]
    assert fresh_ground.main(arguments) == 0
    table = finished(tmp_path / "out" / fresh_ground.called(networks[1]))
    assert set(table["target"]) == {"blur 2", "jpeg 5"}
    assert set(table["samples_per_class"].map(sum)) == {40}
    assert fresh_ground.main([f"--out={tmp_path / 'other'}", "--ground=cifar", *networks]) == 2
    assert "--ground cifar wants --train and --test" in capsys.readouterr().err
    assert fresh_ground.main([*arguments, "--samples=30"]) == 2
    assert "holds results with samples 2000: give those, or another --out" in capsys.readouterr().err
    assert fresh_ground.main([*arguments[:-1], "resnet20=nowhere.safetensors"]) == 2
    assert "nowhere.safetensors does not exist" in capsys.readouterr().err


def test_networks_in_files_of_one_name_are_grounds_apart(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_text(name)
    named = [fresh_ground.called(f"resnet20={tmp_path / name}/weights.safetensors") for name in ("one", "other")]
    assert len(set(named)) == 2
    assert all(name.startswith("CIFAR-10, weights ") for name in named)


def test_a_seed_that_lacks_methods_is_not_reported(tmp_path, capsys, monkeypatch):
    arguments = [f"--out={tmp_path}", "--seeds=1"]
    with monkeypatch.context() as some:
        some.setattr(fresh_ground, "METHODS", ("source", "confidence"))
        assert fresh_ground.run(fresh_ground.parsed(arguments))
    assert fresh_ground.main([*arguments, "--report"]) == 2
    assert "holds no seed with every shift and method yet" in capsys.readouterr().err


def test_holm_is_over_the_grounds_asked_for(tmp_path, capsys):
    assert fresh_ground.main([f"--out={tmp_path}", "--seeds=2"]) == 0
    both = tmp_path / "CIFAR-10, net 12345678"
    both.mkdir()
    for path in (tmp_path / "digits").glob("*.json"):
        shift = {"turn 30": "blur 2", "noise 3": "jpeg 5"}
        name = next(name for name in shift if name in path.name)
        (both / path.name.replace(name, shift[name])).write_text(path.read_text().replace(name, shift[name]))
    capsys.readouterr()
    rows = []
    for only in ([], ["--only=digits"]):
        assert fresh_ground.main([f"--out={tmp_path}", "--report", *only]) == 0
        said = capsys.readouterr().out
        rows.append([line for line in said.splitlines() if line.startswith(("| digits |", "| CIFAR-10, net"))])
    assert [len(each) for each in rows] == [12, 6]
    assert fresh_ground.main([f"--out={tmp_path}", "--report", "--only=dots"]) == 2
    assert "there is no dots in" in capsys.readouterr().err


def test_gates_are_compared_over_seeds_and_over_kinds_with_holm_over_all():
    rng = np.random.default_rng(1)
    rows = [
        {"target": f"{kind} {level}", "method": method, "seed": seed, "accuracy": rng.normal(50, 5)}
        for kind in ("turn", "noise", "blur")
        for level in (1, 2)
        for method in fresh_ground.METHODS
        for seed in range(4)
    ]
    table = pd.DataFrame(rows)
    found = fresh_ground.compare({"digits": table, "other": table}).set_index(["ground", "method", "kind"])
    assert len(found) == 2 * 2 * 4

    def of(method, kind):
        own = table[(table["method"] == method) & table["target"].str.startswith(kind)]
        return own.groupby("seed")["accuracy"].mean()

    for kind in ("turn", "noise", "blur"):
        expected = stats.ttest_rel(of("centred", kind), of("confidence", kind)).pvalue
        assert found.loc[("digits", "centred", kind), "p"] == pytest.approx(expected)
    leads = [(of("avc", kind) - of("confidence", kind)).mean() for kind in ("turn", "noise", "blur")]
    assert found.loc[("other", "avc", "all kinds"), "p"] == pytest.approx(stats.ttest_1samp(leads, 0).pvalue)
    np.testing.assert_allclose(found["holm"], holm(found["p"].to_numpy()))


def test_a_network_may_be_a_factory_and_is_prepared_as_those_of_cifar(tmp_path):
    written_images(tmp_path)
    save_weights(fresh_ground.narrow_resnet18(), tmp_path / "thin.safetensors")
    networks = [f"benchmarks.fresh_ground:narrow_resnet18={tmp_path / 'thin.safetensors'}"]
    files = {name: tmp_path / f"{name}.parquet" for name in ("train", "test")}
    (ground,) = fresh_ground.cifar(0, Namespace(**files, samples=20, networks=networks))
    assert ground.name.startswith("CIFAR-10, thin ")
    assert ground.data.features.shape == (3 * 20, 256)

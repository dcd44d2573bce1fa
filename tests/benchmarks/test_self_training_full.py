"""Self-training of a whole network on PACS in small: from its estimate to its tables, and stopped on the way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avhcurate.lab.self_training.settings import Schedule
from avhcurate.networks.models.loading import ModelSpec, new_model
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from benchmarks import self_training_full as full
from benchmarks import self_training_results as results
from benchmarks.pacs_data import Pacs


@pytest.fixture
def benchmark(monkeypatch):
    """A small network, two rounds and one pair; pictures of which the target's are darker."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 24)
    images = rng.integers(0, 60, (48, 3, 16, 16))
    images[labels == 0, :, :, :8] += 190
    images[labels == 1, :, :, 8:] += 190
    images[24:] = images[24:] * 0.6
    domains = np.repeat(["photo", "sketch"], 24)
    pacs = Pacs(torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels), domains, ["left", "right"])
    small = {
        "network": lambda classes, seed: new_model(
            ModelSpec(name="avhcurate:vgg-small", resize=16, crop=16, seed=seed), classes
        ),
        "read_pacs": lambda data, size: pacs,
        "sha256": lambda data: "0" * 64,
        "PAIRS": (("photo", "sketch"),),
        "SCHEDULE": Schedule(0.3, 0.2, 0.5),
        "RECIPE": replace(full.RECIPE, batch_size=6, crop_padding=1, precision="float32", learning_rate=0.02),
    }
    for name, value in small.items():
        monkeypatch.setattr(full, name, value)
    return full


@pytest.mark.slow
def test_all_methods_go_from_estimate_to_tables_and_stop_between(benchmark, tmp_path, capsys):
    arguments = ["--data", "x", "--out", str(tmp_path), "--seeds", "1", "--device", "cpu"]
    assert benchmark.main([*arguments, "--minutes", "0"]) == 1
    said = capsys.readouterr().out
    # 5 epochs on the source; for four rules two rounds on 24 + 0.3 * 24 and 24 + 0.5 * 24 samples, in batches of 6.
    assert "| sources | 1 | 20 |" in said
    assert "| rules | 4 | 44 |" in said
    assert benchmark.main(arguments) == 0
    said = capsys.readouterr().out
    found = {one.method: one for one in results.results_in(tmp_path)}
    assert set(found) == set(benchmark.METHODS)
    assert {one.start for one in found.values()} == {found["source"].accuracy}
    assert not found["source"].rounds
    for method in benchmark.METHODS[1:]:
        assert [one.portion for one in found[method].rounds] == [0.3, 0.5]
        right = np.dot(found[method].per_class, found[method].samples_per_class) / 24
        assert found[method].accuracy == pytest.approx(right)
        assert f"| {method} | {100 * found[method].accuracy:.1f} |" in said
        assert f"| {method} | {100 * found[method].rounds[0].precision:.1f} |" in said
    assert set(results.read_gate_results(tmp_path)["method"]) >= {"confidence", "avc", "centred"}
    assert not any((tmp_path / "under-way").iterdir())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert benchmark.main(arguments) == 0
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.json")}


@pytest.mark.slow
def test_a_task_stopped_within_a_round_goes_on_to_the_same_result(benchmark, tmp_path):
    task = benchmark.Task(0, "photo", "sketch", "full", "avc")
    found = []
    for name, stop in (("whole", 10**6), ("halved", 25)):
        place = benchmark.Place(full.read_pacs("", 16), "", tmp_path / name, torch.device("cpu"))
        asked = iter(range(10**6))
        progress = Progress(should_stop=lambda asked=asked, stop=stop: next(asked) == stop)
        if name == "halved":
            with pytest.raises(Cancelled):
                benchmark.make(task, place, progress)
            assert list((place.out / "under-way").glob("*/round-01*.pt"))
            (benchmark.under_way(task, place.out) / "seconds").write_text("1000")
        found.append(benchmark.make(task, place, progress))
    one, other = (each.model_dump(exclude={"seconds", "finished"}) for each in found)
    assert one == other
    assert found[0].seconds < 1000 < found[1].seconds  # those of the call that was stopped too

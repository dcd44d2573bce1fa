"""The PACS benchmark: nothing is learnt from the domain left out, what is stopped goes on, the figures are right."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats

from avhcurate.errors import CurateError
from avhcurate.images.decoding import encode_thumbnail
from benchmarks import pacs, pacs_results


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Four domains of twelve pictures, half of them bright on the left, in the layout of the file."""
    rows, rng = [], np.random.default_rng(0)
    for domain in ("art_painting", "cartoon", "photo", "sketch"):
        for number in range(12):
            pixels = rng.integers(0, 60, (24, 20, 3), dtype=np.uint8)
            pixels[:, slice(0, 10) if number % 2 else slice(10, 20)] += 180
            image = {"bytes": encode_thumbnail(pixels), "path": f"{domain}/{number}.png"}
            rows.append({"image": image, "label": number % 2, "domain": domain})
    path = tmp_path_factory.mktemp("planted") / "pacs.parquet"
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"classes": "right,left"})
    pq.write_table(table, path)
    return path


def options(planted, out, *more):
    small = ["--size=16", "--width=2", "--epochs=2", "--seeds=0", "--batch-size=8", "--precision=float32", "--no-full"]
    return pacs.parsed([f"--data={planted}", f"--out={out}", "--device=cpu", *small, *more])


def made_up(target, loss, seed, accuracy):
    return pacs_results.Result(
        target=target,
        loss=loss,
        seed=seed,
        target_accuracy=accuracy,
        inside_accuracy=0.9,
        trained=10,
        held_out=2,
        tested=5,
        seconds=30,
        device="cpu",
        versions={},
        finished=datetime.now(UTC),
    )


def test_the_domain_left_out_is_neither_trained_on_nor_held_out():
    domains = np.random.default_rng(1).permutation(np.repeat(list(pacs_results.DOMAINS), 50))
    for target in pacs_results.DOMAINS:
        parts = pacs.split(domains, target, seed=3)
        assert set(domains[parts.target]) == {target}
        assert target not in {*domains[parts.train], *domains[parts.inside]}
        assert sorted(np.concatenate(parts)) == list(range(200))
        assert [(domains[parts.inside] == source).sum() for source in pacs_results.DOMAINS if source != target] == [
            5,
            5,
            5,
        ]


def test_pictures_are_normalised_by_what_is_trained_on(planted):
    data = pacs.read_pacs(planted, 16)
    assert data.images.shape == (48, 3, 16, 16)
    assert data.classes == ["right", "left"]
    chosen = np.arange(0, 48, 5)
    mean, std = pacs.channel_statistics(data.images, chosen)
    pixels = data.images[chosen].double().numpy() / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-5)


def test_one_command_trains_all_and_the_next_trains_nothing(planted, tmp_path, capsys):
    pacs.run(options(planted, tmp_path))
    found = pacs.finished(tmp_path)
    assert {(r.target, r.loss) for r in found} == {
        (t, loss) for t in pacs_results.DOMAINS for loss in pacs_results.LOSSES
    }
    assert {(r.trained, r.held_out, r.tested) for r in found} == {(33, 3, 12)}
    said = capsys.readouterr().out
    assert "| here: CNN-9 + AVH |" in said
    assert "mean of 4 domains" in said
    assert not list(tmp_path.glob("*/checkpoint.pt"))
    pacs.run(options(planted, tmp_path))
    assert "left out" not in capsys.readouterr().out.split("\n|")[0]
    assert pacs.finished(tmp_path) == found


def test_a_training_that_is_stopped_goes_on_to_the_same_result(planted, tmp_path):
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    more = ("--domains=photo", "--losses=avh", "--epochs=3")
    pacs.run(options(planted, whole, *more))
    steps = iter(range(100))
    with pytest.raises(pacs.Cancelled):
        pacs.run(options(planted, halved, *more), pacs.Progress(should_stop=lambda: next(steps) >= 6))
    assert pacs.finished(halved) == []
    assert (halved / "photo-avh-0" / "checkpoint.pt").exists()
    pacs.run(options(planted, halved, *more))
    changing = {"seconds": 0, "finished": datetime.min}
    one, other = (pacs.finished(folder)[0].model_copy(update=changing) for folder in (whole, halved))
    assert one == other


def test_both_losses_begin_with_the_same_weights():
    first, second, other = (pacs._fresh(7, 4, seed) for seed in (5, 5, 6))
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_a_blind_run_does_not_look_at_the_domain_left_out(planted, tmp_path, capsys):
    pacs.run(options(planted, tmp_path, "--blind", "--domains=sketch", "--epochs=1"))
    assert [r.target_accuracy for r in pacs.finished(tmp_path)] == [None, None]
    assert "not measured right on sketch" in capsys.readouterr().out


def test_a_folder_of_other_settings_is_refused(planted, tmp_path):
    more = ("--domains=photo", "--losses=softmax", "--epochs=1")
    pacs.run(options(planted, tmp_path, *more))
    with pytest.raises(CurateError, match=r"holds trainings with width 2: give those, or another --out"):
        pacs.run(options(planted, tmp_path, *more, "--width=3"))


def test_data_without_domains_is_refused(planted, tmp_path):
    pq.write_table(pq.read_table(planted).drop(["domain"]), tmp_path / "plain.parquet")
    with pytest.raises(CurateError, match="no column domain"):
        pacs.read_pacs(tmp_path / "plain.parquet", 16)
    assert pacs.main([f"--data={tmp_path / 'none'}", f"--out={tmp_path}"]) == 2


def test_the_table_and_the_tests_are_those_of_scipy():
    rng = np.random.default_rng(2)
    shares = {loss: rng.uniform(0.4, 0.6, (3, 4)) for loss in pacs_results.LOSSES}
    results = [
        made_up(target, loss, seed, float(shares[loss][seed, column]))
        for loss in pacs_results.LOSSES
        for seed in range(3)
        for column, target in enumerate(pacs_results.DOMAINS)
    ]
    rows = {row.split("|")[1].strip(): row for row in pacs_results.table(results).splitlines()}
    photo = 100 * shares["avh"][:, 2]
    low, high = stats.t.interval(0.95, 2, loc=photo.mean(), scale=stats.sem(photo))
    assert f" {photo.mean():.2f} ± {photo.std(ddof=1):.2f} ({low:.1f} to {high:.1f}) " in rows["here: CNN-9 + AVH"]
    gain = 100 * (shares["avh"] - shares["softmax"])
    assert f" {gain.mean(1).mean():+.2f} ± " in rows["here: difference"]
    paired = stats.ttest_rel(shares["avh"].mean(0), shares["softmax"].mean(0)).pvalue
    test = pacs_results._test(pacs_results._paired(pacs_results.accuracies(results))[list(pacs_results.DOMAINS)])
    assert f"mean of 4 domains, each the mean of its seeds: {gain.mean():+.2f} points" in test
    assert f"paired t-test p = {paired:.3g}" in test


def test_a_table_in_the_making_leaves_open_what_is_missing():
    results = [made_up("photo", "softmax", 0, 0.0), made_up("photo", "avh", 0, 0.5)]
    rows = {
        row.split("|")[1].strip(): [c.strip() for c in row.split("|")[2:-1]]
        for row in pacs_results.table(results).split("\n")
    }
    assert rows["here: CNN-9"] == ["-", "-", "0.00", "-", "-"]
    assert rows["here: difference"] == ["-", "-", "+50.00", "-", "-"]

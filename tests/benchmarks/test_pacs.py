"""The PACS benchmark: every method from its start to the table, no constant chosen by the domain left out, what is
stopped goes on, the figures are right.
"""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats

from avhcurate.workspace.disk.jobs import Cancelled, Progress
from avhcurate.workspace.images.decoding import encode_thumbnail
from benchmarks import pacs, pacs_data, pacs_results, pacs_training
from tests.fakes.refusals import refused


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


SMALL = ["--size=16", "--width=2", "--epochs=1", "--seeds=0", "--batch-size=8", "--precision=float32", "--no-full"]


def options(planted, out, *more):
    return pacs.parsed([f"--data={planted}", f"--out={out}", "--device=cpu", *SMALL, *more])


def made_up(target, method, seed, accuracy, constant=0.0, inside=0.9):
    return pacs_results.Result(
        target=target,
        method=method,
        constant=constant,
        seed=seed,
        target_accuracy=accuracy,
        inside_accuracy=inside,
        trained=10,
        held_out=2,
        tested=5,
        seconds=30,
        device="cpu",
        versions={},
        finished=datetime.now(UTC),
    )


def rows_of(table):
    """Cells by the first of each row of Markdown tables."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_domain_left_out_is_neither_trained_on_nor_held_out():
    domains = np.random.default_rng(1).permutation(np.repeat(list(pacs_data.DOMAINS), 50))
    for target in pacs_data.DOMAINS:
        parts = pacs_data.split(domains, target, seed=3)
        assert set(domains[parts.target]) == {target}
        assert target not in {*domains[parts.train], *domains[parts.inside]}
        assert sorted(np.concatenate(parts)) == list(range(200))
        assert [(domains[parts.inside] == source).sum() for source in pacs_data.DOMAINS if source != target] == [
            5,
            5,
            5,
        ]


@pytest.mark.slow
def test_one_command_goes_from_start_to_table_with_every_method(planted, tmp_path, capsys, monkeypatch):
    """With two constants of each grid; of the second call, one lost training comes again with the same numbers."""
    methods = pacs_results.METHODS
    for name, method in list(methods.items()):
        monkeypatch.setitem(methods, name, method._replace(grid=method.grid[:2]))
    given = options(planted, tmp_path, "--domains=photo", "--seeds=0,1")
    assert pacs.run(given)
    found, said = pacs.finished(tmp_path), capsys.readouterr().out
    assert [line.split(" | ")[:2] for line in said.splitlines() if line.startswith("| metareg")] == [["| metareg", "3"]]
    assert "| in all | 16 |" in said
    assert len(found) == 2 + 4 * 2 + 6
    choices = pacs_results.chosen(found)
    for result in found:
        assert (result.trained, result.held_out, result.tested) == (33, 3, 12)
        assert result.seed == 0 or result.constant == choices[result.target, result.method]
    rows = rows_of(said)
    for name, method in methods.items():
        own = [r for r in found if (r.target, r.method, r.constant) == ("photo", name, choices["photo", name])]
        share = 100 * np.mean([r.target_accuracy for r in own])
        assert rows[f"here: {method.title}"][2].startswith(f"{share:.2f} ±")
    assert not list(tmp_path.glob("*/*.pt"))
    lost = max(tmp_path.glob("photo-metareg-*/result.json"))
    before = pacs_results.Result.model_validate_json(lost.read_bytes())
    lost.unlink()
    assert pacs.run(given)
    assert capsys.readouterr().out.count("trainings are left") == 1
    changing = {"seconds": 0, "finished": datetime.min}
    again = pacs_results.Result.model_validate_json(lost.read_bytes())
    assert again.model_copy(update=changing) == before.model_copy(update=changing)
    assert pacs.main([f"--out={tmp_path}", "--report"]) == 0
    assert "| here: MLDG |" in capsys.readouterr().out


@pytest.mark.parametrize(("method", "steps"), [("cnn9-avh", 6), ("metareg", 3), ("metareg", 20)])
def test_a_training_that_is_stopped_goes_on_to_the_same_result(planted, tmp_path, method, steps):
    """MetaReg's within its first part and within its second."""
    data, settings = pacs_data.read_pacs(planted, 16), pacs._settings(options(planted, tmp_path, "--epochs=3"))
    task = pacs_training.Task("photo", method, 1.0, 0)
    results = []
    for name in ("whole", "halved"):
        folder, asked = tmp_path / name, iter(range(1000))
        folder.mkdir()
        given = (task, data, settings, folder, torch.device("cpu"))
        if name == "halved":
            with pytest.raises(Cancelled):
                pacs_training.train_one(*given, Progress(should_stop=lambda asked=asked: next(asked) >= steps))
            assert not (folder / "result.json").exists()
            assert len(list(folder.glob("*.pt"))) == (2 if steps == 20 else 1)
        results.append(pacs_training.train_one(*given).model_copy(update={"seconds": 0, "finished": datetime.min}))
    assert results[0] == results[1]


def test_constants_are_chosen_on_held_out_source_images_under_the_first_seed():
    """The domain left out and later seeds would each choose another one."""
    grid = pacs_results.METHODS["mldg"].grid
    inside, target = (0.7, 0.9, 0.8), (0.9, 0.1, 0.5)
    results = [made_up("photo", "mldg", 0, t, c, i) for c, i, t in zip(grid, inside, target, strict=True)]
    assert ("photo", "mldg") not in pacs_results.chosen(results[:2])
    results.append(made_up("photo", "mldg", 1, 0.3, grid[1], 0.2))
    assert pacs_results.chosen(results) == {("photo", "mldg"): grid[1]}
    assert pacs_results.accuracies(results)["photo"].tolist() == pytest.approx([10, 30])
    row = rows_of(pacs_results.choices_table(results))
    assert row["MLDG, step 0.01"] == ["-", "-", "90.0, chosen", "-"]
    assert row["MLDG, step 0.1"] == ["-", "-", "80.0", "-"]


def test_a_folder_of_other_settings_is_refused(planted, tmp_path):
    more = ("--domains=photo", "--methods=cnn9")
    pacs.run(options(planted, tmp_path, *more))
    with refused("width", 2):
        pacs.run(options(planted, tmp_path, *more, "--width=3"))
    with refused("cnn8", "alexnet", "mldg", "cnn9"):
        pacs.run(options(planted, tmp_path, "--methods=cnn8"))


def test_the_table_and_the_tests_are_those_of_scipy():
    rng = np.random.default_rng(2)
    shares = {name: rng.uniform(0.4, 0.6, (3, 4)) for name in pacs_results.METHODS}
    results = [
        made_up(target, name, seed, float(shares[name][seed, column]), method.grid[0])
        for name, method in pacs_results.METHODS.items()
        for seed in range(3)
        for column, target in enumerate(pacs_data.DOMAINS)
    ]
    # The rest of the grids, all worse within the domains.
    results += [
        made_up(target, name, 0, 0.0, constant, 0.1)
        for name, method in pacs_results.METHODS.items()
        for constant in method.grid[1:]
        for target in pacs_data.DOMAINS
    ]
    photo = 100 * shares["cnn9-avh"][:, 2]
    rows = rows_of(pacs_results.table(results))
    assert rows["here: CNN-9 + AVH"][2] == f"{photo.mean():.2f} ± {photo.std(ddof=1):.2f}"
    assert rows["paper: MetaReg"][-1] == "72.62"
    gains = {
        name: 100 * (shares[name] - shares[method.base]).mean(0)
        for name, method in pacs_results.METHODS.items()
        if method.base
    }
    tests = {name: stats.ttest_1samp(gain, 0).pvalue for name, gain in gains.items()}
    rows, gain = rows_of(pacs_results.leads_table(results)), gains["cnn9-avh"]
    low, high = stats.t.interval(0.95, 3, loc=gain.mean(), scale=stats.sem(gain))
    row = rows["CNN-9 + AVH less CNN-9"]
    assert row[:4] == [f"{value:+.2f}" for value in gain]
    assert row[4] == f"{gain.mean():+.2f} ({low:+.2f} to {high:+.2f})"
    assert row[5] == f"{tests['cnn9-avh']:.3f}"
    assert [rows[f"{pacs_results.METHODS[n].title} less AlexNet"][5] for n in ("mldg", "metareg")] == [
        f"{tests[n]:.3f}" for n in ("mldg", "metareg")
    ]
    smallest = min(tests, key=tests.get)
    method = pacs_results.METHODS[smallest]
    assert (
        rows[f"{method.title} less {pacs_results.METHODS[method.base].title}"][6]
        == f"{min(1, 4 * tests[smallest]):.3f}"
    )

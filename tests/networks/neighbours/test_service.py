"""The neighbour graph: against an exact search, by every method, resumed after a kill, and in what uses it."""

import json

import numpy as np
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import neighbours
from avhcurate.errors import CurateError
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.networks.neighbours import searches
from avhcurate.networks.neighbours.graph import OUTLIER, NeighbourGraph
from avhcurate.networks.neighbours.service import find_neighbours
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from avhcurate.workspace.disk.provenance import SCHEMA_VERSION


@pytest.fixture
def clusters(made_up):
    """A run over 600 samples in 12 overlapping clusters; sample 7 has no direction, 8 is a copy of 9."""
    rng = np.random.default_rng(0)
    features = np.maximum(0, rng.normal(size=(12, 24))[rng.integers(12, size=600)] + 0.5 * rng.normal(size=(600, 24)))
    features[7], features[8] = 0, 3 * features[9]
    return made_up(features.astype(np.float32), np.arange(600) % 3)


@pytest.fixture
def many(monkeypatch):
    """600 samples count as many, and are searched 100 at a time."""
    monkeypatch.setattr(searches, "EXACT_ROWS", 100)
    monkeypatch.setattr(searches.CellSearch, "shard", 100)


def test_the_graph_has_the_nearest_of_every_sample(clusters):
    dataset, run = clusters
    graph = find_neighbours(dataset, run)
    near, angles = nearest_of(run.features(), np.arange(600), count=16)
    np.testing.assert_array_equal(graph.near(), near)
    np.testing.assert_allclose(graph.angles(), angles, atol=1e-6)
    assert (graph.near()[7] == -1).all()
    assert graph.near()[8, 0] == 9
    record = graph.record
    assert (record.method, record.samples, record.recall, record.checked) == ("exact", 599, 1.0, 0)
    assert record.finished is not None
    assert record.schema_version == SCHEMA_VERSION
    assert find_neighbours(dataset, run, count=5).record == record  # it has more than are asked for
    assert find_neighbours(dataset, run, count=20).near().shape == (600, 20)


def test_a_search_that_is_not_exact_is_widened_until_it_reaches_the_recall(clusters, many, monkeypatch):
    monkeypatch.setattr(searches.CellSearch, "_LOOKED", 1)
    monkeypatch.setattr(searches.CellSearch, "_FULL", 1)
    dataset, run = clusters
    graph = find_neighbours(dataset, run)
    truth = nearest_of(run.features(), np.arange(600), count=OUTLIER)[1]
    found = (graph.angles()[:, :OUTLIER] <= truth[:, -1:] + 2e-6)[np.arange(600) != 7].mean()
    assert (graph.record.method, graph.record.checked) == ("faiss", 599)
    assert graph.record.settings["looked_into"] > 1
    assert found == pytest.approx(graph.record.recall, abs=1e-4)
    assert found >= 0.98
    assert not (graph.near() == np.arange(600)[:, None]).any()


@pytest.mark.parametrize("width", [1, 7])
def test_narrow_embeddings_and_copies_of_one_are_searched_too(width, made_up, many):
    """Half of the samples are copies of one."""
    features = np.random.default_rng(width).normal(size=(600, width)).astype(np.float32)
    features[::2] = features[0]
    graph = find_neighbours(*made_up(features, np.arange(600) % 3))
    assert graph.record.method == "faiss"
    assert graph.record.recall is not None
    assert graph.record.recall >= 0.98
    assert np.allclose(graph.angles()[::2, :OUTLIER], 0, atol=1e-3)


def test_a_cancelled_search_resumes_and_gives_the_same(clusters, many):
    dataset, run = clusters
    heard = []

    def report(done, total, message):
        heard.append((done, message))

    def stop():
        return heard[-1] == (200, "nearest neighbours")

    with pytest.raises(Cancelled):
        find_neighbours(dataset, run, progress=Progress(report, stop))
    graph = NeighbourGraph.of_run(run)
    assert not graph.complete
    kept = graph.searched()
    assert len(kept) == 200
    assert graph.record.seed == 0
    find_neighbours(dataset, run, progress=Progress(report))
    assert [done for done, message in heard if message == "nearest neighbours"] == [0, 100, 200, 200, 300, 400, 500]
    once = graph.near().copy()
    graph.scores_path.unlink()
    find_neighbours(dataset, run)
    np.testing.assert_array_equal(graph.near()[kept], once[kept])
    assert not (graph.root / "scores").exists()


def test_outliers_have_a_score_and_the_details_their_neighbours(clusters, workspace):
    dataset, run = clusters
    before = open_dataset(workspace, "dots")
    assert "neighbour_angle" not in before.samples.columns
    stamp, compared = dataset.stamp(), neighbours(before.samples, before.run, before.neighbours, 5, count=8)
    graph = find_neighbours(dataset, run)
    assert dataset.stamp() != stamp
    opened = open_dataset(workspace, "dots")
    assert opened.samples.scores[-1] == "neighbour_angle"
    score = opened.samples.frame(columns=["neighbour_angle"])["neighbour_angle"].to_numpy(float, na_value=np.nan)
    np.testing.assert_allclose(score, graph.angles()[:, :OUTLIER].mean(axis=1), atol=1e-6)
    read = neighbours(opened.samples, opened.run, opened.neighbours, 5, count=8)
    assert read.ids.tolist() == compared.ids.tolist()
    assert read.angles == pytest.approx(compared.angles, abs=1e-6)
    with pytest.raises(CurateError, match="Unknown sample 600"):
        neighbours(opened.samples, opened.run, opened.neighbours, 600)
    with pytest.raises(CurateError, match="zero or not finite"):
        neighbours(opened.samples, opened.run, opened.neighbours, 7)


def test_what_cannot_be_searched_is_refused_in_a_line(clusters):
    dataset, run = clusters
    with pytest.raises(CurateError, match="1 to 200 neighbours"):
        find_neighbours(dataset, run, count=0)
    run.write_record(run.record.model_copy(update={"finished": None}))
    with pytest.raises(CurateError, match="is not finished"):
        find_neighbours(dataset, run)


def test_the_command_line_tells_how_they_were_found_and_names_the_outliers(clusters, workspace, cli):
    ended = cli("neighbours", "dots", "--workspace", workspace.root)
    assert ended.code == 0
    assert "dots, made-up: 16 nearest of 599 samples, all compared" in ended.out
    _, run = clusters
    mean = NeighbourGraph.of_run(run).angles()[:, :OUTLIER].mean(axis=1)
    told = json.loads(cli("neighbours", "dots", "--json", "--workspace", workspace.root).out)
    assert told["record"]["method"] == "exact"
    assert [row["id"] for row in told["outliers"]] == np.argsort(-np.nan_to_num(mean))[:10].tolist()

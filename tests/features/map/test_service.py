"""Maps of a run: what lies where, cut short and resumed, kept and found again, from the command line too."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.features.map import service as map_service
from avhcurate.features.map import umap_process
from avhcurate.features.map.service import directions, project_dataset
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.map.store import maps
from avhcurate.features.map.umap_process import lay_out
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.workspace.data.background import launch
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Cancelled, Progress
from tests.fakes.workspaces import copied

OPTIONS = {"seed": 1, "neighbours": 10, "limit": 400}


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory):
    """The digits with a run, before any map."""
    return copied(demo_root, tmp_path_factory.mktemp("mapped") / "demo")


@pytest.fixture(scope="module")
def run(root):
    return Workspace(root).dataset("digits").run()


def project(root, progress=SILENT, **options):
    settings = ProjectSettings(dataset="digits", **options or OPTIONS)
    return project_dataset(Workspace(root), settings, progress=progress)


@pytest.fixture(scope="module")
def cancelled(root, run):
    """The PCA map that a job leaves which is cancelled as soon as it is there."""
    started = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(umap_process, "launch", lambda *args, **how: started.append(launch(*args, **how)) or started[-1])
        progress = Progress(should_stop=lambda: bool(maps(run)))
        with pytest.raises(Cancelled, match="starts it again"):
            project(root, progress)
    assert [process.poll() for process in started] == [-signal.SIGKILL]
    (folder,) = maps(run)
    return folder


@pytest.fixture(scope="module")
def resumed(root, cancelled):
    """The UMAP map that the same call then makes, and what it reported."""
    said = []
    return project(root, Progress(lambda *report: said.append(report))), said


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_first_map_is_the_principal_plane_of_the_directions(cancelled, run):
    ids, places = cancelled.coordinates()
    assert ids.tolist() == (np.arange(400) * 1797 // 400).tolist()
    rows = unit(np.asarray(run.features()[ids], float))
    _, values, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = (rows - rows.mean(axis=0)) @ axes[:2].T
    signs = np.sign((places * expected).sum(axis=0))
    np.testing.assert_allclose(places, expected * signs, atol=1e-4)
    np.testing.assert_allclose(cancelled.record.shares, (values**2 / (values**2).sum())[:2], rtol=1e-4)
    # Class weights lie in the same plane, as vectors of the same length.
    weights = (unit(run.class_weights().astype(float)) - rows.mean(axis=0)) @ axes[:2].T
    np.testing.assert_allclose(cancelled.class_weights(), weights * signs, atol=1e-4)


@pytest.mark.slow
def test_umap_puts_samples_beside_their_class_and_its_weight(resumed, root):
    folder, _ = resumed
    ids, places = folder.coordinates()
    labels = Workspace(root).dataset("digits").labels()[ids]
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (labels[apart.argmin(axis=1)] == labels).mean() > 0.95
    to_weights = np.linalg.norm(places[:, None] - folder.class_weights()[None], axis=2)
    assert (to_weights.argmin(axis=1) == labels).mean() > 0.9


@pytest.mark.slow
def test_the_resumed_job_reads_nothing_again_and_tells_every_epoch(resumed):
    folder, said = resumed
    assert said[0][:2] == (0, 500)
    epochs = [done for done, _, message in said if message == "UMAP epochs"]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) > 400
    assert said[-1] == (500, 500, "")
    assert not folder.rows_path.exists()
    record = folder.record
    assert (record.neighbours, record.seed, record.threads, record.placed) == (10, 1, 1, 400)


@pytest.mark.slow
def test_the_same_again_does_nothing_from_the_command_line_too(resumed, root, run, monkeypatch, cli):
    folder, _ = resumed
    monkeypatch.setattr(map_service.umap_process, "lay_out", None)  # would fail if it was called
    before = folder.record
    said = []
    again = project(root, Progress(lambda *report: said.append(report)))
    assert (again.name, said) == (folder.name, [(400, 400, "made already")])
    ended = cli("project", "digits", "--seed=1", "--neighbours=10", "--limit=400", "--json", "--workspace", root)
    assert ended.code == 0
    told = json.loads(ended.out)
    assert told["record"]["name"] == folder.name
    assert Path(told["coordinates"]).exists()
    assert folder.record == before
    assert [made.record.layout for made in maps(run)] == ["pca", "umap"]


def test_samples_and_classes_without_a_direction_get_no_place(own_demo_root):
    run = Workspace(own_demo_root).dataset("digits").run()
    features = np.array(run.features())
    features[[3, 5]] = 0
    np.save(run.root / "features.npy", features)
    weights = run.class_weights()
    weights[4] = 0
    np.save(run.root / "class_weights.npy", weights)
    with pytest.raises(Cancelled):
        project(own_demo_root, Progress(should_stop=lambda: bool(maps(run))), neighbours=15)
    (flat,) = maps(run)
    assert set(np.arange(1797)) - set(flat.coordinates()[0].tolist()) == {3, 5}
    assert np.flatnonzero(np.isnan(flat.class_weights()[:, 0])).tolist() == [4]
    assert (flat.record.samples, flat.record.placed) == (1797, 1795)


def test_umap_gets_the_neighbours_of_the_runs_graph_with_class_weights_among_them(own_demo_root, monkeypatch):
    kept = []
    run = Workspace(own_demo_root).dataset("digits").run()
    monkeypatch.setattr(map_service, "LARGE", 1000)
    monkeypatch.setattr(map_service, "PCA_WIDTH", 32)

    def lay_out(rows, *, nearest, options, progress):
        kept.append({name: array.copy() for name, array in np.load(nearest).items()})
        return np.load(rows)[:, :2]

    monkeypatch.setattr(map_service.umap_process, "lay_out", lay_out)
    folder = project(own_demo_root, neighbours=10)
    assert folder.record.pca == 32
    assert 0.9 < folder.record.kept < 1
    assert NeighbourGraph.of_run(run).complete
    assert not folder.nearest_path.exists()
    rows = unit(np.concatenate([run.features(), run.class_weights()]).astype(float))
    distances = 1 - rows @ rows.T
    np.fill_diagonal(distances, -1)
    (found,) = kept
    assert (found["near"][:, 0] == np.arange(len(rows))).all()
    np.testing.assert_allclose(found["distances"][:, 1:], np.sort(distances, axis=1)[:, 1:10], atol=1e-5)
    np.testing.assert_allclose(
        np.take_along_axis(distances, found["near"][:, 1:], 1), found["distances"][:, 1:], atol=1e-5
    )
    assert (found["near"][:1797, 1:] >= 1797).any()  # a class weight lies next to some samples


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"neighbours": 1}, "neighbours"),
        ({"neighbours": 50, "limit": 50}, "too few for 50 neighbours"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(demo_root, options, reason):
    with pytest.raises(CurateError, match=reason):
        project(demo_root, **options)


def test_a_failure_of_umap_is_told_with_its_reason(tmp_path):
    with pytest.raises(RuntimeError, match="UMAP failed: FileNotFoundError"):
        lay_out(tmp_path / "rows.npy", nearest=tmp_path / "none.npz", options={}, progress=SILENT)


@given(st.floats(1e-30, 1e30), st.integers(0, 20))
def test_length_does_not_move_a_sample(factor, seed):
    rows = np.random.default_rng(seed).random((5, 4))
    np.testing.assert_allclose(directions(rows * factor)[0], directions(rows)[0], rtol=1e-5)


def test_rows_without_a_direction_have_no_place():
    rows = np.array([[1.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
    assert directions(rows)[1].tolist() == [True, False, False, False]

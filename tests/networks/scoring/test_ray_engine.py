"""The Ray engine: the local engine's rows to the bit, on two nodes, with processes lost, cancelled and resumed."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.features.degradation.service import degrade_dataset
from avhcurate.features.degradation.settings import DegradeSettings
from avhcurate.features.quality.service import measure_dataset
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from avhcurate.networks.scoring.ray_engine import RayEngine, _Resources, _resources, ray_engine
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.scoring.shards import LOCAL
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import add_dataset
from tests.fakes.shard_work import KillingEngine, SlowWork
from tests.fakes.web import free_port

ray = pytest.importorskip("ray")

SPEC = ModelSpec(name="avhcurate:digits")


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes of one CPU each on this machine."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    head = node | {"include_dashboard": False, "ray_client_server_port": free_port()}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**node)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def engine(nodes):
    """An engine on both nodes."""
    with ray_engine(nodes.address) as connected:
        yield connected


@pytest.fixture
def one_actor(engine):
    """An engine on one of them: half the start-up, where one is enough to show it."""
    return RayEngine(_Resources(cpus=1, actors=1, gpu_cpus=1, gpus=0))


def table(folder):
    return pd.read_parquet(folder.scores_path)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_where_no_cluster_answers_is_told_in_one_line(address):
    with pytest.raises(CurateError, match=f"at the address {address} "), ray_engine(address):
        pass


def test_scores_are_the_local_engines_to_the_bit_though_a_worker_is_killed(engine, demo_root, digits, tmp_path):
    workspace = Workspace(tmp_path / "fresh")
    import_dataset(workspace, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    marker, done = tmp_path / "killed", []
    progress = Progress(lambda *report: done.append(report[0]))
    run = score_dataset(workspace, "digits", SPEC, engine=KillingEngine(engine, marker), progress=progress)
    assert marker.exists()
    pd.testing.assert_frame_equal(table(run), table(digits.run), check_exact=True)
    np.testing.assert_array_equal(run.features(), digits.run.features())
    thumbnails = workspace.dataset("digits").thumbnails
    assert all(thumbnails.get(id) == digits.dataset.thumbnails.get(id) for id in range(1797))
    assert {0, 1797} < set(done)  # a shard at a time
    assert (done, run.record.device) == (sorted(done), "cpu")


def test_broken_images_are_recorded_and_a_cancelled_pass_goes_on_where_it_was(one_actor, workspace, tmp_path):
    rng = np.random.default_rng(0)
    images = {f"cat/{number:03}.png": rng.integers(0, 255, (8, 8, 3), np.uint8) for number in range(600)}
    add_dataset(workspace, tmp_path, images | {"cat/300.png": b"not an image", "cat/599.png": b""})
    done = []
    stopped = Progress(lambda *report: done.append(report[0]), lambda: bool(done) and done[-1] > 0)
    with pytest.raises(Cancelled, match="resumes"):
        measure_dataset(workspace, "pets", engine=one_actor, progress=stopped)
    folder = workspace.dataset("pets").quality
    assert 0 < sum(map(folder.has_shard, range(3))) < 3
    other = Workspace(shutil.copytree(workspace.root, tmp_path / "other"))
    shutil.rmtree(other.dataset("pets").quality.root)
    more = []
    measure_dataset(workspace, "pets", engine=one_actor, progress=Progress(lambda *report: more.append(report[0])))
    assert more[0] >= 256
    assert folder.record.skipped == 2
    expected = measure_dataset(other, "pets")
    pd.testing.assert_frame_equal(table(folder), table(expected), check_exact=True)


def test_a_local_pass_is_finished_on_the_cluster(one_actor, own_demo_root, tmp_path):
    expected = degrade_dataset(
        Workspace(own_demo_root), DegradeSettings(dataset="digits", kinds=["contrast"], limit=140)
    )
    shutil.copytree(expected.root, tmp_path / "local")
    shutil.rmtree(expected.root)
    done = []
    stopped = Progress(lambda *report: done.append(report[0]), lambda: bool(done) and done[-1] >= 64)
    with pytest.raises(Cancelled):
        degrade_dataset(
            Workspace(own_demo_root), DegradeSettings(dataset="digits", kinds=["contrast"], limit=140), progress=stopped
        )
    folder = degrade_dataset(
        Workspace(own_demo_root), DegradeSettings(dataset="digits", kinds=["contrast"], limit=140), engine=one_actor
    )
    local = pd.read_parquet(tmp_path / "local" / "scores.parquet")
    pd.testing.assert_frame_equal(table(folder), local, check_exact=True)


@pytest.mark.slow
def test_heads_are_fitted_on_a_clusters_features_as_on_ones_own(one_actor, workspace, tmp_path):
    """The features of two shards, and the digests of the files by which copies share a fold."""
    rng = np.random.default_rng(0)
    images = {
        f"{'light' if number % 2 else 'dark'}/{number:04}.png": rng.integers(0, 128, (8, 8, 3), np.uint8)
        + np.uint8(127 * (number % 2))
        for number in range(1030)
    }
    images["dark/0002.png"] = images["dark/0000.png"]
    add_dataset(workspace, tmp_path, images | {"light/1029.png": b"not an image"})
    other = Workspace(shutil.copytree(workspace.root, tmp_path / "other"))
    run, expected = (
        score_dataset(where, "pets", SPEC, fit=heads_to_fit(folds=2), engine=engine)
        for where, engine in ((workspace, one_actor), (other, LOCAL))
    )
    assert (run.name, run.record.skipped, run.record.fitted.duplicates["files"]) == (expected.name, 1, 2)
    pd.testing.assert_frame_equal(table(run), table(expected), check_exact=True)
    for fold in (-1, 0, 1):
        for ours, theirs in zip(run.head(fold), expected.head(fold), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(run.folds(), expected.folds())


@pytest.mark.slow
def test_a_machine_that_is_no_part_of_the_cluster_reaches_it_through_rays_client(nodes, own_demo_root, tmp_path):
    expected = table(measure_dataset(Workspace(shutil.copytree(own_demo_root, tmp_path / "other")), "digits"))
    port = nodes.head_node._ray_params.ray_client_server_port
    command = [sys.executable, "-m", "avhcurate", "quality", "digits", "--workspace", str(own_demo_root)]
    command += ["--engine", "ray"]
    environment = {**os.environ, "RAY_ADDRESS": f"ray://127.0.0.1:{port}"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, "1797 images measured" in ended.stdout) == (0, True), ended.stderr
    pd.testing.assert_frame_equal(table(Workspace(own_demo_root).dataset("digits").quality), expected, check_exact=True)


@pytest.mark.slow
def test_a_cluster_of_this_machine_listens_to_this_machine_only():
    script = (
        "from avhcurate.networks.scoring.ray_engine import ray_engine\n"
        "with ray_engine('local') as engine:\n"
        "    import ray\n"
        "    print(ray.nodes()[0]['NodeManagerAddress'], engine.call(lambda: 7))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout.split() == ["127.0.0.1", "7"]


def test_a_mistake_on_the_cluster_is_told_as_one_here(one_actor):
    work = SlowWork(2, 0.0, problem="give a smaller --batch-size")
    with pytest.raises(CurateError, match="give a smaller"):
        list(one_actor.steps(work, work.shards))
    with pytest.raises(CurateError, match="0 GPUs"):
        one_actor.network(None, device="cuda", precision="float32")


def test_each_gpu_of_a_machine_has_an_actor_of_its_own(nodes, engine):
    """Ray gives out GPUs that are only claimed to be there."""
    node = nodes.add_node(num_cpus=4, num_gpus=2, object_store_memory=80 << 20)
    try:
        on_gpus = RayEngine(_resources(ray.nodes()))
        assert on_gpus._resources.of_actor("cuda") == {"num_cpus": 2, "num_gpus": 1}
        on_gpus._device = "cuda"
        work = SlowWork(8, 0.3)
        steps = on_gpus.steps(work, work.shards)
        tables = [step.result.rows for step in steps if step.result is not None]
    finally:
        nodes.remove_node(node)
    seen = pa.concat_tables(tables)
    assert sorted(seen["id"].to_pylist()) == list(range(80))
    assert set(seen["gpu"].to_pylist()) == {"0", "1"}


def test_a_lost_node_costs_no_shard_and_doubles_none(nodes, engine):
    work, seen = SlowWork(12, 0.2), []
    for step in engine.steps(work, work.shards):
        if step.result is not None:
            seen.append((step.result.shard, step.result.rows["id"].to_pylist()))
            if len(seen) == 2:
                nodes.remove_node(next(iter(nodes.worker_nodes)))
    assert sorted(seen) == [(shard, list(work.ids_of(shard))) for shard in work.shards]

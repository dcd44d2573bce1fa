"""The Ray engine: the local engine's rows to the bit, on two nodes, with processes lost, cancelled and resumed.

The nodes are started as the guide says, once for all tests.
"""

import os
import pickle
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.features.quality.service import measure_dataset
from avhcurate.networks.models.engine import Network, embed
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.scoring import image_pass, ray_pool
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from avhcurate.networks.scoring.image_pass import ImagePass
from avhcurate.networks.scoring.ray_cluster import Resources, resources_of
from avhcurate.networks.scoring.ray_engine import RayEngine, ray_engine
from avhcurate.networks.scoring.ray_pool import ActorPool, _Actor
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import add_dataset
from tests.fakes.documents import code_blocks
from tests.fakes.outside import Outside
from tests.fakes.shard_work import KillingEngine, SlowWork
from tests.fakes.waiting import wait_until
from tests.fakes.web import free_port

pytestmark = [
    pytest.mark.slow,  # the nodes of the cluster
    pytest.mark.skipif(not find_spec("ray"), reason="the extra ray is not installed"),
]

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "cluster.md"
LOCAL_BLOCK, HEAD_BLOCK, OTHER_BLOCK, WORK_BLOCK, _ = code_blocks(GUIDE.read_text(encoding="utf-8"), "console")
SPEC = ModelSpec(name="avhcurate:digits")


class Nodes:
    """Nodes of a cluster on this machine, each started by a block of the guide; they end with the test."""

    def __init__(self, folder, environment):
        self.shared, self.environment = folder, environment
        self.port = free_port()
        self.address, self.scripts, self.started = f"127.0.0.1:{self.port}", [], []
        self.log = folder / "nodes.log"

    def written(self, block):
        """Return a block with the names of this machine in place of the guide's."""
        ours = {"/shared": self.shared, "HEAD": "127.0.0.1", "6379": self.port}
        for theirs, name in ours.items():
            block = block.replace(theirs, str(name))
        return block

    def start(self, block, *options):
        """Start a node of one CPU, or of what the options say, and return its process."""
        options = ("--block", "--object-store-memory", str(80 << 20), *(options or ("--num-cpus", "1")))
        self.scripts.append(
            f"{self.written(block).rstrip()} {' '.join(options)}".replace("ray start", "exec ray start")
        )
        self.started.append(self._run(self.scripts[-1]))
        return self.started[-1]

    def _run(self, script):
        with open(self.log, "ab") as log:
            return subprocess.Popen(["bash", "-ec", script], env=self.environment, stdout=log, stderr=log)

    def revive(self):
        """Start nodes again that have given up: Ray waits half a minute for its own processes, however busy it is."""
        for number, node in enumerate(self.started):
            if node.poll() is not None:
                self.started[number] = self._run(self.scripts[number])

    def end(self):
        for node in reversed(self.started):
            node.terminate()
        for node in self.started:
            node.wait()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster of two nodes of one CPU each, on a machine whose home has the token of another cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "home" / ".ray").mkdir(parents=True)
    (folder / "home" / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    # Short, because the names of sockets are.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as short:
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("RAY_TMPDIR", short)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        made = Nodes(folder, dict(os.environ))
        try:
            made.start(HEAD_BLOCK)
            wait_until(lambda: "will now block forever" in made.log.read_text() or made.revive())
            made.start(OTHER_BLOCK)
            patch.setenv("RAY_AUTH_TOKEN_PATH", str(folder / "ray_token"))
            yield made
        finally:
            made.end()


@pytest.fixture(scope="module")
def connected(nodes):
    """A session with both nodes."""
    with ray_engine(nodes.address):
        import ray  # not before the engine has set what it reads

        wait_until(lambda: (ray.is_initialized() and len(alive()) == 2) or nodes.revive())
        yield
    forget_token()


def forget_token():
    """Ray keeps a token for the life of a process, in which a cluster with another one may follow."""
    from ray._raylet import AuthenticationTokenLoader

    AuthenticationTokenLoader.instance().reset_cache()


def alive():
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def engine_of(resources):
    """Yield an engine that has started, and end its actors."""
    started = Future()
    started.set_result(ActorPool(resources))
    yield RayEngine(started)
    started.result().end()


@pytest.fixture
def engine(connected):
    """An engine on both nodes, which ends with the test."""
    yield from engine_of(resources_of(alive()))


@pytest.fixture
def one_actor(connected):
    """An engine on one of them: half the start-up, where one is enough to show it."""
    yield from engine_of(Resources(cpus=1, actors=1, gpu_cpus=1, gpus=0))


def table(folder):
    return pd.read_parquet(folder.scores_path)


def test_where_no_cluster_answers_or_another_token_is_wanted_is_told_in_one_line(nodes, monkeypatch):
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    monkeypatch.setattr("avhcurate.networks.scoring.ray_cluster._OPEN_S", 1)
    silent = socket.create_server(("127.0.0.1", 0))
    listening = f"127.0.0.1:{silent.getsockname()[1]}"
    addresses = dict.fromkeys(("nowhere", "127.0.0.1:1", listening), "No Ray cluster answers")
    addresses[nodes.address] = "another token .* RAY_AUTH_TOKEN"
    for address, said in addresses.items():
        with pytest.raises(CurateError, match=said) as refused, ray_engine(address):
            pass
        assert f"at the address {address} " in str(refused.value)
    silent.close()
    forget_token()


def test_a_start_that_takes_too_long_is_told_in_one_line(monkeypatch):
    """By an exception of no class, as Ray has it."""
    for name in ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr("ray.init", lambda *_, **__: exec('raise Exception("timed out during startup.\\nThis could")'))
    said = r"^No Ray cluster .* local \(timed out during startup. This could\)"
    with pytest.raises(CurateError, match=said), ray_engine("local"):
        pass


def test_a_network_is_chosen_while_a_cluster_of_this_machine_starts_and_opens_in_another_process():
    model, options = load_model(SPEC), {"device": "auto", "precision": "float32"}
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    chosen = pickle.loads(pickle.dumps(RayEngine(Future(), here=True).network(model, **options)))
    for ours, theirs in zip(chosen.open()(images), Network(model, **options)(images), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    failed = Future()
    failed.set_exception(CurateError("no cluster answers"))
    with pytest.raises(CurateError, match="no cluster answers"):
        RayEngine(failed).network(model, **options)


def test_scores_are_the_local_engines_to_the_bit_though_a_worker_is_killed(engine, demo_root, digits, tmp_path):
    workspace = Workspace(tmp_path / "fresh")
    import_dataset(workspace, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    marker, reports = tmp_path / "killed", []
    progress = Progress(lambda *report: reports.append(report))
    run = score_dataset(workspace, "digits", SPEC, engine=KillingEngine(engine, marker), progress=progress)
    assert marker.exists()
    pd.testing.assert_frame_equal(table(run), table(digits.run), check_exact=True)
    np.testing.assert_array_equal(run.features(), digits.run.features())
    thumbnails = workspace.dataset("digits").thumbnails
    assert all(thumbnails.get(id) == digits.dataset.thumbnails.get(id) for id in range(1797))
    done = [report[0] for report in reports]
    assert (done, run.record.device) == (sorted(done), "cpu")


def test_what_an_actor_has_in_hand_is_one_stream_of_batches(connected, digits, monkeypatch):
    """So that it decodes the next shard while the network is at work on the last; here without a cluster."""
    model = load_model(SPEC)
    network = Network(model, device="cpu", precision="float32", batch_size=16)
    make = partial(_prepared, model.preprocess)
    work = ImagePass(
        digits.dataset, digits.run, np.arange(128), 32, make, model.preprocess, network, partial(replace, seconds=0)
    )
    streams = []
    monkeypatch.setattr(image_pass, "embed", lambda *given: streams.append(1) or embed(*given))
    monkeypatch.setattr("ray.get", lambda reference: reference)
    # Its threads would be those of all later tests here, whose numbers they would round otherwise.
    monkeypatch.setattr(ray_pool, "_use_own_cpus", lambda: None)
    actor = _Actor()
    process = actor.ready("")
    with ThreadPoolExecutor(4) as calls:
        with actor._alone:
            steps = [calls.submit(actor.step, process, [work], shard) for shard in (0, 1, 2)]
            wait_until(lambda: len(actor._shards.asked) == 3)
        results = [step.result().result for step in steps]
        results.append(calls.submit(actor.step, process, [work], 3).result().result)
    assert streams == [1]
    assert [result.shard for result in results] == [0, 1, 2, 3]
    features = np.concatenate([result.features for result in results])
    np.testing.assert_array_equal(features, replace(work, shard_size=128).outputs().features)


def _prepared(preprocess, id, rgb):
    return preprocess.prepare(rgb)


def test_broken_images_are_recorded_and_a_cancelled_pass_goes_on_where_it_was(one_actor, workspace, tmp_path):
    rng = np.random.default_rng(0)
    images = {f"cat/{number:03}.png": rng.integers(0, 255, (8, 8, 3), np.uint8) for number in range(600)}
    add_dataset(workspace, tmp_path, images | {"cat/300.png": b"not an image", "cat/599.png": b""})
    done = []
    stopped = Progress(lambda *report: done.append(report[0]), lambda: bool(done) and done[-1] >= 256)
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


DRIVER = """
import sys
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.ray_engine import ray_engine
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress
from tests.fakes.killing import die
address, root, moment = sys.argv[1:]
with ray_engine(address) as engine:
    progress = Progress(lambda done, *_: die() if done >= int(moment) else None)
    score_dataset(Workspace(root), "digits", ModelSpec(name="avhcurate:digits"), engine=engine, progress=progress)
"""


def test_a_pass_whose_command_was_killed_at_some_moment_is_finished_here(connected, nodes, demo_root, digits, tmp_path):
    workspace = Workspace(tmp_path / "fresh")
    import_dataset(workspace, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    moment = str(random.randrange(1, 1797))
    command = [sys.executable, "-c", DRIVER, nodes.address, str(workspace.root), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not workspace.dataset("digits").runs()[0].complete, moment
    run = score_dataset(workspace, "digits", SPEC)
    pd.testing.assert_frame_equal(table(run), table(digits.run), check_exact=True, obj=f"killed at {moment}")
    np.testing.assert_array_equal(run.features(), digits.run.features())


def test_heads_are_fitted_on_the_cluster_as_here(engine, workspace, tmp_path, monkeypatch):
    """On the features of two shards, and by the digests of the files, by which copies share a fold."""
    rng = np.random.default_rng(0)
    images = {
        f"{'light' if number % 2 else 'dark'}/{number:04}.png": rng.integers(0, 128, (8, 8, 3), np.uint8)
        + np.uint8(127 * (number % 2))
        for number in range(1030)
    }
    images["dark/0002.png"] = images["dark/0000.png"]
    add_dataset(workspace, tmp_path, images | {"light/1029.png": b"not an image"})
    other = Workspace(shutil.copytree(workspace.root, tmp_path / "other"))
    with monkeypatch.context() as patch:
        patch.setattr("avhcurate.networks.scoring.heads.fit_head", None)  # none is fitted in this process
        run = score_dataset(workspace, "pets", SPEC, fit=heads_to_fit(folds=2), engine=engine)
    expected = score_dataset(other, "pets", SPEC, fit=heads_to_fit(folds=2))
    assert (run.name, run.record.skipped, run.record.fitted.duplicates["files"]) == (expected.name, 1, 2)
    pd.testing.assert_frame_equal(table(run), table(expected), check_exact=True)
    for fold in (-1, 0, 1):
        for ours, theirs in zip(run.head(fold), expected.head(fold), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(run.folds(), expected.folds())


def test_the_guides_command_works_on_a_cluster_that_it_started(nodes, home):
    """The last of its commands, which loads no network."""
    workspace = Workspace(home / "workspace")
    import_dataset(workspace, "photos", home / "photos")
    expected = table(measure_dataset(Workspace(shutil.copytree(workspace.root, home / "other")), "photos"))
    environment = {**nodes.environment, "AVHCURATE_WORKSPACE": str(workspace.root)}
    *settings, _, measure = WORK_BLOCK.splitlines()
    command = ["bash", "-ec", nodes.written("\n".join([*settings, measure]))]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, "12 images measured" in ended.stdout) == (0, True), ended.stderr
    pd.testing.assert_frame_equal(table(workspace.dataset("photos").quality), expected, check_exact=True)


def test_a_cluster_of_this_machine_reaches_and_is_reached_by_this_machine_only(home):
    outside = Outside(home / "new")
    outside.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name in ("RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR"):
        outside.environment.pop(name, None)
    command = outside.command("bash", "-ec", LOCAL_BLOCK)
    ended = subprocess.run(command, env=outside.environment, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, "12 images measured" in ended.stdout) == (0, True), ended.stderr
    # Ray asks a cloud whether it is in it, by the address that every cloud has inside its machines.
    elsewhere = [address for address in outside.asked() if not address.startswith("169.254.169.254:")]
    # Its own processes would be asked by the machine's address if others could reach them.
    assert (outside.left(), [address for address in elsewhere if not address.endswith(":53")]) == ([], [])


def test_a_mistake_on_the_cluster_is_told_as_one_here(one_actor):
    work = SlowWork(2, 0.0, problem="give a smaller --batch-size")
    with pytest.raises(CurateError, match="give a smaller"):
        list(one_actor.steps(work, work.shards))
    with pytest.raises(CurateError, match="0 GPUs"):
        one_actor.network(None, device="cuda", precision="float32")


def test_a_shard_that_always_ends_its_process_is_given_up_after_five_times_more(one_actor, tmp_path):
    work = KillingEngine(one_actor, tmp_path / "killed", times=100)
    with pytest.raises(CurateError, match="again and again"):
        list(work.steps(SlowWork(1, 0.0), range(1)))
    assert len((tmp_path / "killed").read_bytes()) == 1 + 5


def test_a_lost_machine_costs_no_shard(nodes, engine):
    """Each of two actors has a machine. The last test: one of them is lost."""
    work, seen = SlowWork(12, 0.2), []
    for step in engine.steps(work, work.shards):
        if step.result is not None:
            seen.append((step.result.shard, step.result.rows["id"].to_pylist()))
            if len(seen) == 2:
                nodes.started[-1].kill()
    assert sorted(seen) == [(shard, list(work.ids_of(shard))) for shard in work.shards]

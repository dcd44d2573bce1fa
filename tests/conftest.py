"""Fixtures that every level of tests shares."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from avhcurate.storage.workspace import Workspace

if TYPE_CHECKING:
    from avhcurate.services.tables import DatasetTable
    from avhcurate.storage.trainings import TrainingFolder

MAIN_SCRIPT = Path(__file__).parents[1] / "avhcurate" / "ui" / "main.py"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of larger datasets, which is no part of the repository; the test is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("AVHCURATE_SHARED_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set AVHCURATE_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the embedded digits, their simulated votes and a run; for reading only."""
    from avhcurate.services.demo import prepare_demo

    root = tmp_path_factory.mktemp("demo")
    prepare_demo(Workspace(root))
    return root


@pytest.fixture
def own_demo_root(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of it that the test may change."""
    return Path(shutil.copytree(demo_root, tmp_path / "demo"))


@pytest.fixture(scope="session")
def digits(demo_root: Path) -> "DatasetTable":
    """The table of the digits; for reading only."""
    from avhcurate.services.tables import open_table

    return open_table(Workspace(demo_root), "digits")


@pytest.fixture
def own_digits(own_demo_root: Path) -> "DatasetTable":
    """The table of a copy of the digits that the test may annotate."""
    from avhcurate.services.tables import open_table

    return open_table(Workspace(own_demo_root), "digits")


@pytest.fixture(scope="session")
def train_digits() -> "Callable[..., TrainingFolder]":
    """Trains on the digits of a demo workspace and records the other half: see `_train_digits`."""
    return _train_digits


@pytest.fixture(scope="session")
def trained_root(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo with two finished trainings, each with its scored run, and one cut short; to read only."""
    root = Path(shutil.copytree(demo_root, tmp_path_factory.mktemp("trained") / "workspace"))
    _train_digits(root, seed=0, epochs=10)
    _train_digits(root, seed=1, epochs=10, images=200)
    _train_digits(root, seed=2, epochs=10, stop_after=3)
    return root


def _train_digits(
    root: Path,
    *,
    seed: int = 0,
    epochs: int = 8,
    images: int = 901,
    stop_after: int | None = None,
    split: str | None = "test",
) -> "TrainingFolder":
    """A real training of some seconds on so many `images`, with a look at the samples of `split` (None: all).

    Finished, its weights have a scored run; `stop_after` that many epochs it is left unfinished. One thread: for
    networks as small as this, several that share busy cores are ten times slower.
    """
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from avhcurate import scores
    from avhcurate.models.digits import MEAN, STD, DigitsNet
    from avhcurate.models.loading import ModelSpec
    from avhcurate.services.scoring import score_dataset
    from avhcurate.storage.files import sha256
    from avhcurate.storage.trainings import SAMPLE_COLUMNS, Observation, TrainingFolder, TrainingRecord
    from avhcurate.training.digits import read_digits

    workspace, digits = Workspace(root), read_digits()
    dataset = workspace.dataset("digits")
    pictures = torch.from_numpy((digits.images / 255 - MEAN[0]) / STD[0]).float()[:, None]
    labels = torch.from_numpy(digits.labels)
    on = torch.from_numpy(np.flatnonzero(digits.split == "train")[:images])
    ids = np.flatnonzero((digits.split == split) | (split is None))
    record = TrainingRecord(
        name=f"avhcurate-digits-cross-entropy-{seed}-{seed:08x}", model="avhcurate:digits", loss="cross-entropy",
        recipe={"learning_rate": 0.05, "batch_size": 64}, seed=seed, epochs=epochs, drops=[epochs * 0.6],
        dataset="digits", dataset_fingerprint=dataset.record.fingerprint, trained_where="split = 'train'",
        trained_samples=len(on), recorded="digits", recorded_fingerprint=dataset.record.fingerprint,
        recorded_where=f"split = '{split}'" if split else "", recorded_samples=len(ids), classes=list("0123456789"),
        num_classes=10, parameters=0, device="cpu", precision="float32", versions={},
        started=datetime(2026, 1, 1, 0, seed, tzinfo=UTC),
    )  # fmt: skip
    folder = TrainingFolder(dataset.root / "training" / record.name)
    folder.create(record, ids)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = DigitsNet()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [round(epochs * 0.6)], 0.1)

        def look(epoch: int, loss: float | None) -> None:
            module.eval()
            seen: list[torch.Tensor] = []
            hook = module.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
            with torch.inference_mode():
                logits = module(pictures[ids]).numpy()
                weights = module.head.weight.numpy()
            hook.remove()
            found = scores.per_sample(seen[0].numpy(), weights, logits, digits.labels[ids])
            found["correct"] = found["predicted"] == digits.labels[ids]
            rate, columns = optimizer.param_groups[0]["lr"], {name: found[name] for name in SAMPLE_COLUMNS}
            step = epoch * -(-len(on) // 64)
            folder.append(Observation(float(epoch), step, epoch * 0.5, rate, loss, None, columns))
            module.train()

        look(0, None)
        for epoch in range(1, (stop_after or epochs) + 1):
            losses = []
            for batch in on[torch.randperm(len(on))].split(64):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(module(pictures[batch]), labels[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            schedule.step()
            look(epoch, sum(losses) / len(losses))
    if stop_after is None:
        save_file(module.state_dict(), folder.weights_path)
        folder.finish(sha256(folder.weights_path))
        score_dataset(workspace, "digits", ModelSpec(name=record.model, weights=folder.weights_path))
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def open_page(monkeypatch):
    """Opens a page of the app, without a browser, at an address, and checks that no run of the script raised."""
    from streamlit.testing.v1 import AppTest

    def run(page, root, /, **query):
        monkeypatch.setenv("AVHCURATE_WORKSPACE", str(root))
        app = AppTest.from_file(str(MAIN_SCRIPT), default_timeout=60)
        if page != "home":
            app.run()
            app.switch_page(f"../../pages/{page}.py")
        for key, value in query.items():
            app.query_params[key.replace("__", ".")] = value
        app.run()
        assert not app.exception
        return app

    return run


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL server that lives as long as the tests; they are skipped where there is none to start."""
    bin = next((path.parent for path in _places_of_initdb() if path.exists()), None)
    if bin is None:
        pytest.skip("no PostgreSQL here: install it (apt-get install postgresql), and this runs too")
    as_somebody = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else "/tmp", prefix="pg") as folder:
        if as_somebody:
            try:
                shutil.chown(folder, "postgres")
            except LookupError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it as")

        def run(*command: str) -> None:
            subprocess.run([*as_somebody, *command], cwd="/", check=True, stdout=subprocess.DEVNULL)

        run(str(bin / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        control = [str(bin / "pg_ctl"), "-D", f"{folder}/data", "-w"]
        run(*control, "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            run(*control, "-m", "immediate", "stop")


def _places_of_initdb() -> list[Path]:
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return [*([Path(found).resolve()] if found else []), *debian]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'annotations.db'}"
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is missing: install avhcurate[postgres]")
    import sqlalchemy as sa

    server, name = request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(server)
    with engine.begin() as connection:  # a schema of its own is as empty as a database, and made in no time
        connection.execute(sa.text(f"CREATE SCHEMA {name}"))
    engine.dispose()
    return f"{server}&options=-csearch_path%3D{name}"

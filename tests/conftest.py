"""Fixtures that every level of tests shares."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from avhcurate.storage.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.services.tables import DatasetTable
    from avhcurate.storage.maps import MapFolder
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
def add_run() -> "Callable[..., str]":
    """Plants a run of another network beside the one of a demo workspace: see `_add_run`."""
    return _add_run


def _add_run(root: Path, name: str, change: "Callable[[pd.DataFrame], pd.DataFrame]", **record: object) -> str:
    """A copy of the run of the digits' own network as another's: `change` rewrites its rows of scores, `record` its
    record.
    """
    import pyarrow.parquet as pq

    runs = Workspace(root).dataset("digits").root / "runs"
    source = Workspace(root).dataset("digits").run("avhcurate:digits")
    folder = Path(shutil.copytree(source.root, runs / name))
    rows = change(pq.read_table(source.scores_path).to_pandas())
    rows.to_parquet(folder / "scores.parquet", index=False)
    other = {"name": name, "model": f"planted:{name}", "weights_sha256": f"{len(list(runs.iterdir())):064d}"}
    kept = source.record.model_copy(update=other | {"samples": len(rows)} | record)
    (folder / "run.json").write_text(kept.model_dump_json())
    return name


@pytest.fixture(scope="session")
def suspects_root(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits with 30 labels planted wrong, their simulated votes, a run, and its suspects out of fold; to read."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from avhcurate.models.loading import ModelSpec
    from avhcurate.services.importing import import_dataset
    from avhcurate.services.scoring import score_dataset
    from avhcurate.services.suspecting import find_suspects
    from avhcurate.services.tables import open_table
    from avhcurate.services.voting import attach_votes

    root = tmp_path_factory.mktemp("suspects")
    rows = pq.read_table(demo_root / "downloads" / "digits" / "digits.parquet")
    labels, rng = rows["label"].to_numpy().copy(), np.random.default_rng(3)
    wrong = rng.choice(len(labels), 30, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, 30)) % 10
    pq.write_table(rows.set_column(rows.column_names.index("label"), "label", pa.array(labels)), root / "wrong.parquet")
    workspace = Workspace(root / "workspace")
    import_dataset(workspace, "digits", root / "wrong.parquet")
    attach_votes(workspace, "digits", demo_root / "downloads" / "digits" / "simulated_votes.npy", simulated=True)
    score_dataset(workspace, "digits", ModelSpec(name="avhcurate:digits"))
    find_suspects(open_table(workspace, "digits"), honest=True)
    return workspace.root


@pytest.fixture(scope="session")
def self_trained_root(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo whose network learnt from 60 digits and adapted to the rest: confidence and AVC with two seeds
    in three rounds, MRKLD with one seed in one; to read only.
    """
    from dataclasses import replace

    from avhcurate.services.self_training import Settings, self_train_all
    from avhcurate.training.probe import ProbeRecipe
    from avhcurate.training.self_training import Schedule

    root = Path(shutil.copytree(demo_root, tmp_path_factory.mktemp("self-trained") / "workspace"))
    recipe = ProbeRecipe(hidden=16, epochs=12, batch_size=64, learning_rate=0.01)
    settings = Settings("digits", "digits", schedule=Schedule(0.2, 0.1, 0.4), how=recipe, source_where="id < 60")
    self_train_all(Workspace(root), settings, ["avc", "confidence"], [0, 1])
    self_train_all(Workspace(root), replace(settings, rounds=1), ["mrkld"], [0])
    return root


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


@pytest.fixture(scope="session")
def plant_map() -> "Callable[..., MapFolder]":
    """Puts a map into the newest run of the digits on which every class fills a block of its own: see `_plant_map`."""
    return _plant_map


def _plant_map(root: Path, *, name: str = "pca-planted", layout: str = "pca") -> "MapFolder":
    """Class k lies in column k % 5 and row k // 5 of blocks, sample i at (i % 7, i % 6) in it; the weights below."""
    import numpy as np

    from avhcurate.storage.maps import FOLDER, MapFolder, MapRecord

    dataset = Workspace(root).dataset("digits")
    run, labels = dataset.run(), dataset.labels()
    ids = np.arange(len(labels))
    places = np.stack([10 * (labels % 5) + ids % 7, 12 * (labels // 5) + ids % 6], axis=1)
    classes = np.arange(10)
    moment, umap = datetime(2026, 1, 1, tzinfo=UTC), layout == "umap"
    record = MapRecord(
        name=name, layout=layout, metric="cosine", run=run.name, model=run.record.model,
        weights_sha256=run.record.weights_sha256, dataset_fingerprint=dataset.record.fingerprint, width=64,
        num_classes=10, samples=len(ids), limit=None, threads=1, versions={}, started=moment, finished=moment,
        seconds=1, placed=len(ids), shares=None if umap else (0.5, 0.25), neighbours=15 if umap else None,
        min_dist=0.1 if umap else None, epochs=500 if umap else None,
    )  # fmt: skip
    folder = MapFolder(run.root / FOLDER / name)
    folder.finish(record, ids, places, np.stack([10.0 * (classes % 5) + 3, 12.0 * (classes // 5) - 3], axis=1))
    return folder


@pytest.fixture(scope="session")
def planted_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of 24 measured pictures with planted copies and odd files: `pets`; for reading only."""
    import io

    import numpy as np
    import pandas as pd
    from PIL import Image, ImageEnhance

    from avhcurate.services.importing import import_dataset
    from avhcurate.services.quality import measure_dataset

    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(7)
    coarse = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(24)]
    pictures = [image.resize((64, 64), Image.Resampling.BICUBIC) for image in coarse]
    rows = []

    def put(name: str, data: bytes, label: str, split: str) -> None:
        (folder / name).write_bytes(data)
        rows.append({"path": name, "label": label, "split": split, "note": "seen"})

    def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    files = [encoded(image, quality=90) for image in pictures]
    for number, data in enumerate(files):
        put(f"a{number:02}.jpg", data, "cat" if number % 2 else "dog", "train")
    put("exact.jpg", files[0], "cat", "test")  # a leak with another label
    put("again.jpg", encoded(pictures[1], quality=60), "cat", "test")
    put("small.png", encoded(pictures[1].resize((48, 48)), "PNG"), "cat", "train")
    put("bright.jpg", encoded(ImageEnhance.Brightness(pictures[2]).enhance(1.1), quality=90), "dog", "train")
    put("wrong.png", encoded(Image.fromarray(255 - np.asarray(pictures[3])), quality=90), "cat", "train")
    put("cut.jpg", files[4][:400], "dog", "train")
    put("page.jpg", b"<html>not found</html>", "dog", "train")
    frames = [Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)) for _ in range(2)]
    put("moving.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "cat", "train")
    pd.DataFrame(rows).to_csv(folder / "pets.csv", index=False)
    import_dataset(Workspace(folder / "workspace"), "pets", folder / "pets.csv")
    measure_dataset(Workspace(folder / "workspace"), "pets")
    return folder / "workspace"


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


class Web:
    """A web server over a folder: it sends parts of files, notes what it is asked, and fails as told.

    `faults` by path: what to do at the next requests instead, a status, `("cut", BYTES)`, `("redirect", ADDRESS)` or
    `"no parts"`. `routes` by path and query: what to answer without a file, with headers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.asked: list[tuple[str, str, str]] = []
        self.faults: dict[str, list[object]] = {}
        self.routes: dict[str, tuple[bytes, dict[str, str]]] = {}

    def ranges(self, name: str) -> list[str]:
        """The Range header of each request for a file, "" where there was none."""
        return [part for path, part, _ in self.asked if path == f"/{name}"]


class _WebHandler(BaseHTTPRequestHandler):
    web: Web

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.web.asked.append((path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        waiting = self.web.faults.get(path, [])
        fault = waiting.pop(0) if waiting else None
        file = self.web.folder / path.lstrip("/")
        if isinstance(fault, int):
            self._answer(fault, b"", {"Retry-After": "0"})
        elif isinstance(fault, tuple) and fault[0] == "redirect":
            self._answer(302, b"", {"Location": fault[1]})
        elif self.path in self.web.routes:
            self._answer(200, *self.web.routes[self.path])
        elif not file.is_file():
            self._answer(404, b"", {})
        else:
            self._send(file.read_bytes(), fault)

    def _send(self, data: bytes, fault: object) -> None:
        tag = f'"{zlib.crc32(data):x}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or fault == "no parts" or self.headers.get("If-Range", tag) != tag:
            self._answer(200, data, {"ETag": tag}, cut=fault)
            return
        start, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if start >= len(data):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        span = {"Content-Range": f"bytes {start}-{end}/{len(data)}", "ETag": tag}
        self._answer(206, data[start : end + 1], span, cut=fault)

    def _answer(self, status: int, data: bytes, headers: dict[str, str], *, cut: object = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: cut[1]] if isinstance(cut, tuple) else data)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server over the folder `web` of tmp_path; nobody waits between two tries."""
    monkeypatch.setattr("avhcurate.storage.remote._WAITS_S", (0.0, 0.0))
    served = Web(tmp_path / "web")
    served.folder.mkdir()
    handler = type("Handler", (_WebHandler,), {"web": served})
    listening = type("Server", (ThreadingHTTPServer,), {"request_queue_size": 128})
    with listening(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
        thread.join()

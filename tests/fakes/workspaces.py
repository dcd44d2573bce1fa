"""Workspaces that tests share: each is made once in a test run, by the first process that needs it."""

import io
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from PIL import Image, ImageEnhance

from avhcurate.datasets.curate.locked import lock
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.workspace.data import people
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.killing import CHANGES, is_change

if TYPE_CHECKING:
    from avhcurate.features.map.store import MapFolder
    from avhcurate.workspace.data.trainings import TrainingFolder

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(NAME, MAKE)`: a folder that MAKE has filled, the same one for all processes of a test run.

    A test that then changes a file of a dataset in it fails: others read it. The database, and what another program
    changes, are not seen.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    shared, making = base / "shared", 0  # how many are being made: one may need another
    shared.mkdir(exist_ok=True)

    def refuse_change(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or making:  # most of some thousand events a test end here
            return
        if is_change(event, arguments, shared) and "/datasets/" in str(arguments[0]):
            test = os.environ.get("PYTEST_CURRENT_TEST")
            raise AssertionError(f"{test} changes {arguments[0]}, which tests share. Take own_demo_root or own_digits.")

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        nonlocal making
        root, made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not made.exists():
                making += 1
                shutil.rmtree(root, ignore_errors=True)
                root.mkdir()
                make(root)
                made.touch()
                making -= 1
        return root

    sys.addaudithook(refuse_change)
    return folder


def copied(root: Path, place: Path) -> Path:
    """A copy of a workspace, whose database may be open elsewhere: files of its log come and go."""
    shutil.copytree(root, place, ignore=shutil.ignore_patterns("annotations.db*"))
    if (root / "annotations.db").exists():
        with (
            closing(sqlite3.connect(root / "annotations.db")) as old,
            closing(sqlite3.connect(place / "annotations.db")) as new,
        ):
            old.backup(new)
    return place


def lock_before_scoring(opened: OpenDataset, **how: Any) -> OpenDataset:
    """Lock a part of a dataset as if its run had been made after that; return the table opened anew."""
    assert opened.run is not None
    event = lock(opened.decisions, opened.run, **how)
    opened.run.write_record(opened.run.record.model_copy(update={"locked": event.id}))
    return open_dataset(opened.workspace, opened.samples.name)


# --- the digits ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def demo_root(once: Once) -> Path:
    """A workspace with the embedded digits, their simulated votes and a run; for reading only."""
    from avhcurate.datasets.sources.demo import prepare_demo

    def make(root: Path) -> None:
        prepare_demo(Workspace(root))
        open_dataset(Workspace(root), "digits")  # makes the database of annotations

    return once("demo", make)


@pytest.fixture
def own_demo_root(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of it that the test may change."""
    return copied(demo_root, tmp_path / "demo")


@pytest.fixture(scope="session")
def digits(demo_root: Path) -> OpenDataset:
    """The table of the digits; for reading only."""
    return open_dataset(Workspace(demo_root), "digits")


@pytest.fixture
def own_digits(own_demo_root: Path) -> OpenDataset:
    """The table of a copy of the digits that the test may annotate."""
    return open_dataset(Workspace(own_demo_root), "digits")


#: A column name that breaks whatever puts names together carelessly: Markdown, HTML, SQL, an address, an emoji.
HOSTILE_COLUMN = """**b** <i onclick=alert(1)> `c`, "d": it's ~0 [x](y) $z$ 🐕"""


@pytest.fixture(scope="session")
def columns_root(demo_root: Path, once: Once) -> Path:
    """The digits with columns of the user's own: numbers, one of a hostile name, texts, truths and days; to read only.

    `my_score` falls as HSF rises, so that its high end is the harder one, which nobody has said yet.
    """

    def make(root: Path) -> None:
        copied(demo_root, root / "workspace")
        folder = Workspace(root / "workspace").dataset("digits")
        table, rng = pq.read_table(folder.samples_path), np.random.default_rng(0)
        size, ids = len(table), np.arange(len(table))
        counts = np.stack(folder.votes()["counts"].to_numpy())
        hsf = counts[ids, folder.labels()] / counts.sum(axis=1)
        own = {
            "my_score": pa.array(1 - hsf + rng.normal(0, 0.1, size), mask=ids % 50 == 0),
            HOSTILE_COLUMN: pa.array(rng.integers(0, 9, size)),
            "place": pa.array(np.array(["zoo", "park, old", None], object)[ids % 3]),
            "camera": pa.array([f"camera {i}" for i in ids]),
            "seen": pa.array(ids % 4 == 0, mask=ids % 5 == 0),
            "taken": pa.array(np.datetime64("2024-01-01") + ids % 366),
        }
        for name, column in own.items():
            table = table.append_column(name, column)
        pq.write_table(table, folder.samples_path)

    return once("columns", make) / "workspace"


# --- what has been computed on them ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def add_run() -> Callable[..., str]:
    """Copies the run of the digits' own network: `change` rewrites its rows of scores, `record` its record."""

    def add(root: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], **record: object) -> str:
        dataset = Workspace(root).dataset("digits")
        runs, source = dataset.root / "runs", dataset.run("avhcurate:digits")
        folder = Path(shutil.copytree(source.root, runs / name))
        rows = change(pq.read_table(source.scores_path).to_pandas())
        rows.to_parquet(folder / "scores.parquet", index=False)
        other = {"name": name, "model": f"planted:{name}", "weights_sha256": f"{len(list(runs.iterdir())):064d}"}
        other_record = source.record.model_copy(update=other | {"samples": len(rows)} | record)
        (folder / "run.json").write_text(other_record.model_dump_json())
        return name

    return add


@pytest.fixture(scope="session")
def predicted_root(demo_root: Path, once: Once) -> Path:
    """The digits with votes on 250 of them and HSF of all predicted from these; for reading only."""
    from avhcurate.features.predicted_hsf.service import predict_hsf
    from avhcurate.people.attach import attach

    def make(root: Path) -> None:
        copied(demo_root, root / "workspace")
        space = Workspace(root / "workspace")
        folder = space.dataset("digits")
        votes = pa.Table.from_pandas(folder.votes())
        some = np.sort(np.random.default_rng(0).permutation(len(votes))[:250])
        attach(folder, votes.take(some), source="250 of the digits", messages=[], simulated=True)
        predict_hsf(
            open_dataset(space, "digits").samples,
            open_dataset(space, "digits").run,
            open_dataset(space, "digits").votes,
        )

    return once("predicted", make) / "workspace"


@pytest.fixture
def own_predicted(predicted_root: Path, tmp_path: Path) -> OpenDataset:
    """The table of a copy of it that the test may change."""
    return open_dataset(Workspace(copied(predicted_root, tmp_path / "predicted")), "digits")


@pytest.fixture(scope="session")
def suspects_root(demo_root: Path, once: Once) -> Path:
    """The digits with 30 labels planted wrong, their simulated votes, a run, and its suspects out of fold; to read."""
    from avhcurate.features.suspects.service import find_suspects
    from avhcurate.features.suspects.settings import SuspectsSettings
    from avhcurate.networks.models.loading import ModelSpec
    from avhcurate.networks.scoring import heads
    from avhcurate.networks.scoring.service import score_dataset
    from avhcurate.people.attach import attach_votes

    def make(root: Path) -> None:
        rows = pq.read_table(demo_root / "downloads" / "digits" / "digits.parquet")
        labels, rng = rows["label"].to_numpy().copy(), np.random.default_rng(3)
        wrong = rng.choice(len(labels), 30, replace=False)
        labels[wrong] = (labels[wrong] + rng.integers(1, 10, 30)) % 10
        changed = rows.set_column(rows.column_names.index("label"), "label", pa.array(labels))
        pq.write_table(changed, root / "wrong.parquet")
        workspace = Workspace(root / "workspace")
        import_dataset(workspace, "digits", root / "wrong.parquet")
        attach_votes(workspace, "digits", demo_root / "downloads" / "digits" / "simulated_votes.npy", simulated=True)
        score_dataset(workspace, "digits", ModelSpec(name="avhcurate:digits"))
        with mock.patch.object(heads, "STRENGTHS", (1.0,)):  # it takes a tenth of the time of all
            opened = open_dataset(workspace, "digits")
            find_suspects(opened.run, opened.votes, SuspectsSettings(dataset="digits", out_of_fold=True))

    return once("suspects", make) / "workspace"


@pytest.fixture(scope="session")
def self_trained_root(demo_root: Path, once: Once) -> Path:
    """A copy of the demo whose network learnt from 60 digits and adapted to the rest; to read only.

    MRKLD has one seed in one round; then confidence and AVC have two seeds in three rounds.
    """
    from avhcurate.lab.self_training.probe import ProbeRecipe
    from avhcurate.lab.self_training.service import self_train_dataset
    from avhcurate.lab.self_training.settings import SelfTrainSettings

    def make(root: Path) -> None:
        workspace = Workspace(copied(demo_root, root / "workspace"))
        recipe = ProbeRecipe(hidden=16, epochs=12, batch_size=64, learning_rate=0.01)
        settings = SelfTrainSettings(
            source="digits", target="digits", portion="0.2:0.4:0.1", source_where="id < 60", rule="mrkld", rounds=1
        )
        self_train_dataset(workspace, settings, recipe=recipe)
        for seed in (0, 1):
            for rule in ("avc", "confidence"):
                one = settings.with_(rule=rule, seed=seed, rounds=None)
                self_train_dataset(workspace, one, recipe=recipe)

    return once("self-trained", make) / "workspace"


@pytest.fixture(scope="session")
def train_digits() -> "Callable[..., TrainingFolder]":
    """Trains on the digits of a demo workspace and records the other half: see `record_training`."""
    from tests.fakes.training import record_training

    return record_training


@pytest.fixture(scope="session")
def trained_root(demo_root: Path, once: Once, train_digits: "Callable[..., TrainingFolder]") -> Path:
    """A copy of the demo with two finished trainings, each with its scored run, and one cut short; to read only."""

    def make(root: Path) -> None:
        workspace = copied(demo_root, root / "workspace")
        train_digits(workspace, seed=0, epochs=10)
        train_digits(workspace, seed=1, epochs=10, images=200)
        train_digits(workspace, seed=2, epochs=10, stop_after=3)

    return once("trained", make) / "workspace"


@pytest.fixture(scope="session")
def filled_root(trained_root: Path, once: Once) -> Path:
    """The digits with three runs, two trainings, degraded images, measures, and the votes of three annotators.

    To read only.
    """
    from avhcurate.features.annotate.setup import CollectionSettings, configure
    from avhcurate.features.quality.service import measure_dataset
    from avhcurate.lab.degradation.service import degrade_dataset
    from avhcurate.lab.degradation.settings import DegradeSettings
    from tests.fakes.votes import answer_all, truth

    def make(root: Path) -> None:
        space = Workspace(copied(trained_root, root / "workspace"))
        degrade_dataset(space, DegradeSettings(dataset="digits", kinds=["jpeg", "noise"], limit=60))
        measure_dataset(space, "digits")
        opened = open_dataset(space, "digits")
        configure(
            opened.votes,
            opened.run,
            opened.prediction,
            CollectionSettings(design="classify", queue="hardest", target=3),
            who="lead",
        )
        right = truth(opened)
        for name in ("ann", "bob"):
            answer_all(opened, name, right, 12)
        answer_all(opened, "mal", lambda id: (right(id) + 1) % 10, 7)

    return once("filled", make) / "workspace"


@pytest.fixture(scope="session")
def plant_map() -> "Callable[..., MapFolder]":
    """Puts a map into the newest run of the digits on which every class fills a block of its own.

    Class k lies in column k % 5 and row k // 5 of blocks, sample i at (i % 7, i % 6) in it; the weights below.
    """
    from avhcurate.features.map.store import MapFolder, MapRecord

    def plant(root: Path, *, name: str = "pca-planted", layout: str = "pca") -> "MapFolder":
        dataset = Workspace(root).dataset("digits")
        run, labels = dataset.run(), dataset.labels()
        ids = np.arange(len(labels))
        places = np.stack([10 * (labels % 5) + ids % 7, 12 * (labels // 5) + ids % 6], axis=1)
        classes, moment, how = np.arange(10), datetime(2026, 1, 1, tzinfo=UTC), {"shares": (0.5, 0.25), "epochs": 0}
        if layout == "umap":
            how = {"neighbours": 15, "epochs": 500}
        record = MapRecord(
            name=name,
            layout=layout,
            run=run.name,
            weights_sha256=run.record.weights_sha256,
            dataset_fingerprint=dataset.record.fingerprint,
            width=64,
            samples=len(ids),
            placed=len(ids),
            limit=None,
            threads=1,
            versions={},
            started=moment,
            finished=moment,
            seconds=1,
            **how,
        )
        folder = MapFolder.of(run, name)
        folder.finish(record, ids, places, np.stack([10.0 * (classes % 5) + 3, 12.0 * (classes // 5) - 3], axis=1))
        return folder

    return plant


# --- photographs -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def planted_root(once: Once) -> Path:
    """A workspace of 24 measured pictures with planted copies and odd files: `pets`; for reading only."""
    return once("planted", _plant_pets) / "workspace"


def _plant_pets(folder: Path) -> None:
    from avhcurate.features.quality.service import measure_dataset

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


def by(name: str, write: Callable[..., Any], *args: object, **options: object) -> Any:
    """Call a function that writes in the name of who acts, as the server does for a person of that name."""
    with people.acting_as(people.Person(name, people.Role.OWNER)):
        return write(*args, **options)

"""A small workspace as an earlier version left it: `python -m tests.fakes.old_workspace OUT.zip` packs one of today's.

`tests/data/workspace-unversioned.zip` was packed by the last version whose records and database had no schema version.
Before the format changes again, pack another one beside it, and let `tests/data/test_old_workspace.py` open both.
"""

import io
import sqlite3
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

UNVERSIONED = Path(__file__).parents[1] / "data" / "workspace-unversioned.zip"

#: What `fill` writes and a version that opens it must find.
SAMPLES, TAG, RELABELLED, EXCLUDED, SET, VIEW = 60, "blurred", 3, 7, "odd ones", "hard ones"
ANSWERS = {"ann": [1, 4, None], "bob": [2]}
#: Neither is read by a page or a verb that shows results, and both are large.
_LEFT_OUT = ("weights.safetensors", "checkpoint.pt", "lock", "annotations.db-wal", "annotations.db-shm")


def fill(root: Path) -> None:
    """Sixty digits with votes, answers of two annotators, decisions, a set, a view, and a result of every kind."""
    from dataclasses import replace

    from avhcurate.annotate import answers, queue, setup
    from avhcurate.curate.annotations import annotate, undo
    from avhcurate.curate.saved import save_set, save_view
    from avhcurate.data.workspace import Workspace
    from avhcurate.degradation.service import degrade_dataset
    from avhcurate.degradation.settings import DegradeSettings
    from avhcurate.disk.jobs import Jobs
    from avhcurate.map.service import project_dataset
    from avhcurate.map.settings import ProjectSettings
    from avhcurate.models.loading import ModelSpec
    from avhcurate.quality.service import measure_dataset
    from avhcurate.scoring.service import score_dataset
    from avhcurate.self_training.loop import Schedule
    from avhcurate.self_training.service import self_train_all
    from avhcurate.self_training.settings import Settings
    from avhcurate.sources.demo import _digits_table
    from avhcurate.sources.service import import_dataset
    from avhcurate.suspects.service import find_suspects
    from avhcurate.table.dataset_table import open_table
    from avhcurate.training.probe import ProbeRecipe
    from avhcurate.training_dynamics.train import train_model
    from avhcurate.training_dynamics.train_settings import USUAL, TrainSettings
    from avhcurate.votes.attach import attach_votes

    workspace, source = Workspace(root), root / "downloads" / "digits.parquet"
    source.parent.mkdir(parents=True)
    table = _digits_table()[:SAMPLES]
    pq.write_table(table, source, compression="zstd")
    import_dataset(workspace, "digits", source)
    labels = table["label"].to_numpy()
    counts = np.eye(10, dtype=np.int32)[labels] * 8 + np.eye(10, dtype=np.int32)[(labels + 1) % 10] * 2
    np.save(root / "downloads" / "votes.npy", counts)
    attach_votes(workspace, "digits", root / "downloads" / "votes.npy", simulated=True, note="made up for a test")

    run = score_dataset(workspace, "digits", ModelSpec(name="avhcurate:digits")).name
    measure_dataset(workspace, "digits")
    project_dataset(workspace, ProjectSettings(dataset="digits", neighbours=5, seed=0))
    find_suspects(open_table(workspace, "digits"), honest=True, folds=2)
    degrade_dataset(workspace, DegradeSettings(dataset="digits", kinds=["contrast"], limit=4))
    recipe = replace(USUAL, epochs=2, batch_size=16)
    train_model(workspace, "digits", TrainSettings("avhcurate:digits", recipe))
    probe = ProbeRecipe(hidden=4, epochs=2, batch_size=32)
    schedule = Schedule(0.2, 0.2, 0.4)
    settings = Settings("digits", "digits", run, schedule=schedule, how=probe, source_where="id < 30")
    self_train_all(workspace, settings, ["avc"], [0])

    job = Jobs(root).create("score", "digits", ["score", "digits", "--model=avhcurate:digits"], cwd=str(root))
    Jobs(root).write(job.model_copy(update={"state": "done"}))

    opened = open_table(workspace, "digits")
    annotate(opened, [1, 2, 5], "tag", TAG, who="ann")
    annotate(opened, [RELABELLED], "relabel", 8, who="ann")
    annotate(opened, [EXCLUDED], "exclude", who="bob")
    annotate(opened, [9], "tag", "undone", who="ann")
    undo(opened, who="ann")
    save_set(workspace, "digits", SET, [1, 2], who="ann")
    save_view(workspace, "digits", VIEW, {"sort": "avh"}, "gallery", who="ann")
    setup.configure(opened, setup.CollectionSettings("classify"), who="owner")
    for annotator, given in ANSWERS.items():
        for number, label in enumerate(given):
            question = queue.next_questions(opened, annotator, ahead=1)[0]
            nonce = f"{annotator}-{number}"
            answers.answer(opened, annotator, question.task, question.id, label or 0, nonce=nonce, reaction_ms=700)
            if label is None:
                answers.take_back(opened, annotator)


def pack(root: Path, out: Path) -> None:
    """Zips a workspace; where its images lie is kept relative to it."""
    with sqlite3.connect(root / "annotations.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            name = path.relative_to(root).as_posix()
            if path.name in _LEFT_OUT or name.startswith(("cache/", "datasets/.")):
                continue
            content = path.read_bytes()
            if path.name == "samples.parquet":
                content = _moved(content, f"{root}/", "")
            if path.suffix == ".json":
                content = content.replace(str(root).encode(), b"/workspace")
            archive.writestr(name, content)


def unpack(packed: Path, root: Path) -> Path:
    """The workspace that was packed, with its images at the new place; returns its folder."""
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(root)
    for samples in root.glob("datasets/*/samples.parquet"):
        samples.write_bytes(_moved(samples.read_bytes(), "", f"{root}/"))
    return root


def _moved(content: bytes, old: str, new: str) -> bytes:
    """A table of samples whose files lie below another folder."""
    table, out = pq.read_table(io.BytesIO(content)), io.BytesIO()
    files = pa.array([new + file.removeprefix(old) for file in table["_file"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("_file"), "_file", files), out, compression="zstd")
    return out.getvalue()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        pack(Path(folder), Path(sys.argv[1]))

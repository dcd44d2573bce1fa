"""A workspace of a time before versions opens with all that is in it; what a newer version wrote is refused."""

import json
import sqlite3

import numpy as np
import pyarrow.parquet as pq
import pytest

from avhcurate.annotate import annotators
from avhcurate.curate import saved
from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Jobs
from avhcurate.disk.migration import DATABASE_VERSION, VERSION_TABLE
from avhcurate.disk.schema import SCHEMA_VERSION, NewerVersion
from avhcurate.map.store import MapFolder
from avhcurate.suspects.store import suspects_of
from avhcurate.table.dataset_table import open_table
from avhcurate.table.filters import Filters
from avhcurate.votes.files import read_votes
from tests.fakes.old_workspace import ANSWERS, EXCLUDED, RELABELLED, SAMPLES, SET, TAG, UNVERSIONED, VIEW, unpack


@pytest.fixture
def old(tmp_path):
    return Workspace(unpack(UNVERSIONED, tmp_path / "old"))


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_an_unversioned_workspace_opens_with_all_votes_decisions_and_results(old):
    assert all("schema_version" not in path.read_text() for path in old.root.rglob("*.json"))
    dataset, table = old.dataset("digits"), open_table(old, "digits")
    assert (dataset.record.schema_version, dataset.record.samples) == (SCHEMA_VERSION, SAMPLES)
    assert int(np.stack(dataset.votes()["counts"]).sum()) == dataset.record.votes.total == 10 * SAMPLES
    assert table.count(Filters(tags=(TAG,))) == 3
    assert table.sample(RELABELLED)["curated_label"] == 8
    assert table.count(Filters(excluded=True, ids=(EXCLUDED,))) == 1
    assert saved.members(old, "digits", SET) == sorted(table.paths_of([1, 2]))
    assert [(view.name, view.query) for view in saved.views(old, "digits")] == [(VIEW, {"sort": "avh"})]
    given = annotators.responses(table, controls=True)
    assert given.groupby("annotator").size().to_dict() == {
        name: sum(label is not None for label in labels) for name, labels in ANSWERS.items()
    }
    runs = dataset.runs()
    assert [run.complete for run in runs] == [True, True]
    assert sum(len(MapFolder.all_of(run)) for run in runs) == 2
    assert [len(suspects.suspects()) > 0 for run in runs for suspects in suspects_of(run)] == [True]
    assert len(dataset.trainings()[0].evaluations()) == 4
    (rounds,) = SelfTrainingFolder.all_of(dataset)
    assert [rounds.report(number).round for number in rounds.rounds()] == [0, 1, 2]
    assert [job.state for job in Jobs(old.root).all()] == ["done"]
    assert next(dataset.images().read([0])).startswith(b"\x89PNG")


@pytest.mark.parametrize("page", ["suspects", "map", "degradation", "self_training"])
def test_its_results_are_shown(old, open_page, page):
    app = open_page(page, old.root)
    assert [error.value for error in app.error] == []


def test_what_is_written_to_it_says_its_version(old, cli):
    assert cli("rename", "digits", "numbers", "--workspace", old.root).code == 0
    record = json.loads((old.datasets / "numbers" / "dataset.json").read_text())
    assert (record["schema_version"], record["name"]) == (SCHEMA_VERSION, "numbers")
    with sqlite3.connect(old.annotations_path) as database:
        assert database.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(DATABASE_VERSION,)]


def test_a_newer_record_is_refused_and_says_what_to_do(old, cli):
    dataset = old.dataset("digits")
    run = dataset.runs()[0]
    change(run.root / "run.json", schema_version=SCHEMA_VERSION + 1, unknown=1)
    ended = cli("correlate", "digits", "--workspace", old.root)
    assert ended.code == 2
    assert f"the record of run '{run.name}' has schema version {SCHEMA_VERSION + 1}, of a newer avhcurate" in ended.err
    assert "use the version that wrote it or a newer one" in ended.err
    change(run.root / "run.json", schema_version=SCHEMA_VERSION)
    change(dataset.root / "dataset.json", schema_version=SCHEMA_VERSION + 1)
    assert "the record of dataset 'digits'" in cli("columns", "digits", "--workspace", old.root).err


def test_newer_measures_are_refused_and_not_taken_for_none(old, cli):
    change(old.dataset("digits").quality.root / "quality.json", schema_version=99)
    assert (
        "the record of image quality 'quality' has schema version 99"
        in cli("columns", "digits", "--workspace", old.root).err
    )


def test_a_newer_database_is_refused_and_says_what_to_do(old, cli):
    open_table(old, "digits")
    with sqlite3.connect(old.annotations_path) as database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0099'")
    ended = cli("history", "digits", "--workspace", old.root)
    assert ended.code == 2
    assert "annotations.db has schema version 0099, of a newer avhcurate" in ended.err


def test_newer_shards_evaluations_and_manifests_are_refused_and_newer_jobs_left_out(old, tmp_path):
    run = old.dataset("digits").runs()[0]
    rows = pq.read_table(run.scores_path)
    run.write_shard(0, rows, seconds=1.0)
    assert run.shard(0).equals(rows.replace_schema_metadata(None))
    path = run.root / "scores" / "shard-00000.parquet"
    kept = pq.read_schema(path).metadata
    assert kept[b"schema_version"] == str(SCHEMA_VERSION).encode()
    pq.write_table(rows.replace_schema_metadata(kept | {b"schema_version": b"99"}), path)
    with pytest.raises(NewerVersion, match="shard 0 of run"):
        run.shard(0)
    training = old.dataset("digits").trainings()[0]
    change(max((training.root / "dynamics").glob("*.json")), schema_version=99)
    for read in (training.evaluations, training.dynamics):
        with pytest.raises(NewerVersion, match="an evaluation of training"):
            read()
    (rounds,) = SelfTrainingFolder.all_of(old.dataset("digits"))
    change(rounds.round(1) / "report.json", schema_version=99)
    with pytest.raises(NewerVersion, match="round 1 of self-training"):
        rounds.report(1)
    np.save(tmp_path / "votes.npy", np.ones((3, 2), np.int64))
    (tmp_path / "votes.npy.manifest.json").write_text(json.dumps({"schema_version": 99, "simulated": True}))
    with pytest.raises(NewerVersion, match=r"the manifest of votes\.npy"):
        read_votes(tmp_path / "votes.npy")
    change(next(old.root.glob("jobs/*/progress.json")), schema_version=99)
    assert list(Jobs(old.root).all()) == []

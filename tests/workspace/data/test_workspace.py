"""The workspace and its datasets: found, named, whole or absent."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from avhcurate.errors import CurateError, Run, Unavailable
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace, find_workspace
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from tests.fakes.datasets import bare_dataset
from tests.fakes.refusals import refused
from tests.workspace.data.test_runs import record


def add(workspace: Workspace, name: str, labels: list[int | None]) -> DatasetFolder:
    return bare_dataset(workspace, [f"{id}.jpg" for id in range(len(labels))], labels, ["a", "b"], name)


def test_option_goes_before_environment_before_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AVHCURATE_WORKSPACE", raising=False)
    assert find_workspace().root == tmp_path / "workspace"
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path / "other"))
    assert find_workspace().root == tmp_path / "other"
    assert find_workspace(tmp_path / "given").root == tmp_path / "given"
    assert not any(tmp_path.iterdir())


def test_unknown_dataset_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(CurateError, match="avhcurate demo"):
        workspace.dataset("digits")
    add(workspace, "pets", [0])
    add(workspace, "birds", [0])
    with pytest.raises(CurateError, match="birds, pets"):
        workspace.dataset("digits")


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", ".hidden", "a b", "x" * 65, "a\n", "ä", "pets.", "con", "aux.v2"]
)
def test_a_name_that_is_not_valid_for_a_folder_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(CurateError, match="not a valid name"):
        workspace.create(name)
    with pytest.raises(CurateError):
        workspace.dataset(name)


def test_a_name_that_differs_only_by_case_is_refused(workspace: Workspace) -> None:
    add(workspace, "Pets", [0])
    with pytest.raises(CurateError, match="too similar"):
        workspace.create("pets")
    assert workspace.names() == ["Pets"]


def test_staged_dataset_is_not_there_until_adopted(workspace: Workspace) -> None:
    add(workspace, "pets", [0, 1])
    with workspace.lock("pets"):
        staged = workspace.create("pets")
        assert workspace.names() == ["pets"]
        assert workspace.dataset("pets").record.samples == 2
        assert staged.root.exists()
    assert not staged.root.exists()  # as where an import fails


def test_what_a_killed_process_left_is_removed_whenever_the_workspace_is_opened(workspace: Workspace) -> None:
    add(workspace, "pets", [0])
    removed, living = workspace.staged("removed.before"), workspace.staged("cats")
    for folder in (removed, living):
        folder.mkdir()
        (folder / "votes.parquet").write_text("x")
    with workspace.lock("cats"):  # clears its own first, as a process that begins
        living.mkdir()
        assert workspace.names() == ["pets"]
        assert living.exists()
        assert not removed.exists()


def test_damaged_record_says_what_to_do(workspace: Workspace) -> None:
    folder = add(workspace, "pets", [0])
    (folder.root / "dataset.json").write_text("{")
    with pytest.raises(CurateError, match="--force"):
        _ = workspace.dataset("pets").record


def add_run(folder: DatasetFolder, name: str, model: str, *, day: int, complete: bool) -> None:
    started = datetime(2026, 1, day, tzinfo=UTC)
    run = RunFolder.of(folder, name)
    run.write_record(record(name=name, model=model, started=started, finished=started if complete else None))
    if complete:
        write_parquet(run.scores_path, pa.table({"id": [0]}))


def test_run_is_found_by_its_name_its_model_or_as_the_default_which_a_later_one_never_replaces(
    workspace: Workspace,
) -> None:
    folder = add(workspace, "pets", [0])
    add_run(folder, "z-old", "torchvision:resnet50", day=1, complete=True)
    add_run(folder, "a-new", "torchvision:resnet50", day=2, complete=True)
    add_run(folder, "other", "avhcurate:digits", day=3, complete=False)
    assert [run.name for run in folder.runs()] == ["z-old", "a-new", "other"]
    assert folder.run().name == "z-old"
    assert workspace.choose_default("pets", "a-new") == "a-new" == folder.run().name
    with pytest.raises(CurateError, match="not finished"):
        workspace.choose_default("pets", "other")
    assert folder.run("z-old").name == "z-old"
    assert folder.run("torchvision:resnet50").name == "a-new"
    assert folder.run("avhcurate:digits").name == "other"
    with refused("'x'", "z-old, a-new, other", Run("score", "pets", model="MODEL")):
        folder.run("x")


def test_second_writer_waits_and_then_says_so(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avhcurate.workspace.data.workspace._PATIENCE_S", 0.1)
    with workspace.lock("pets"), pytest.raises(Unavailable, match="Another process"), workspace.lock("pets"):
        pass
    with workspace.lock("pets"):
        pass


@pytest.mark.parametrize(
    "other",
    [
        {"a": ["x", "yz"], "n": [1, 2]},
        {"a": ["xy", "z"], "n": [1, 3]},
        {"a": ["xy", None], "n": [1, 2]},
        {"a": ["xy", "z"], "n": [1, None]},
        {"b": ["xy", "z"], "n": [1, 2]},
        {"a": ["xy"], "n": [1]},
    ],
)
def test_fingerprint_tells_tables_apart(other: dict[str, list[object]]) -> None:
    assert fingerprint_table(pa.table({"a": ["xy", "z"], "n": [1, 2]})) != fingerprint_table(pa.table(other))


def test_fingerprint_is_blind_to_how_a_table_is_stored() -> None:
    table = pa.table(
        {"a": ["xy", "", None], "n": pa.array([1, 2, None], pa.int64()), "f": [0.5, None, 1], "t": [1, 0, 1]}
    )
    table = table.set_column(3, "t", table["t"].cast(pa.bool_()))
    stored = pa.concat_tables([table[:1], table[1:]])
    stored = stored.set_column(0, "a", stored["a"].cast(pa.large_string()).dictionary_encode())
    stored = stored.set_column(1, "n", stored["n"].cast(pa.int16()))
    assert fingerprint_table(table) == fingerprint_table(stored)
    assert fingerprint_table(table) != fingerprint_table(table, "evidence")

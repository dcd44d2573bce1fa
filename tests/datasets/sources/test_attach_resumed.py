"""An attach that was cut short goes on where it was: nothing is copied or scored twice, and the run is the same."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from avhcurate.datasets.sources import outputs
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import bare_dataset
from tests.fakes.sources import attach

#: Three shards; 500 rows of features and 750 of probabilities in a block.
N, K, D, BLOCK, SHARDS = 2500, 4, 6, 3000, 3
RNG = np.random.default_rng(1)
LABELS = np.arange(N) % K
FEATURES = (RNG.normal(size=(N, D)) + 2 * np.eye(D)[LABELS]).astype(np.float32)
WEIGHTS, BIAS = (np.eye(K, D) + RNG.normal(size=(K, D)) / 9).astype(np.float32), RNG.normal(size=K).astype(np.float32)
PROBS = softmax(FEATURES @ WEIGHTS.T + BIAS, axis=1)
PATHS = [f"pets/{number}.jpg" for number in range(N)]


@pytest.fixture
def pets(workspace, monkeypatch):
    monkeypatch.setattr(outputs, "_BLOCK", BLOCK)
    return bare_dataset(workspace, PATHS, LABELS.tolist(), ["cat", "dog", "emu", "fox"], "pets")


@pytest.fixture
def given(tmp_path):
    """The options of an attach with every kind of array."""
    for name, array in {"features": FEATURES, "class_weights": WEIGHTS, "bias": BIAS, "probs": PROBS}.items():
        np.save(tmp_path / f"{name}.npy", array)
    return {name: str(tmp_path / f"{name}.npy") for name in ("features", "class_weights", "bias", "probs")}


@pytest.fixture
def written(monkeypatch):
    """Counts of what is written: rows of each file, and shards."""
    counts = Counter()
    write_rows, write_shard = RunFolder.write_rows, RunFolder.write_shard

    def rows(run, file, ids, values):
        counts[file] += len(ids)
        write_rows(run, file, ids, values)

    def shard(run, *arguments, **options):
        counts["shards"] += 1
        write_shard(run, *arguments, **options)

    monkeypatch.setattr(RunFolder, "write_rows", rows)
    monkeypatch.setattr(RunFolder, "write_shard", shard)
    return counts


def stop_after(asked: int) -> Progress:
    """A progress that asks to stop once it was asked so often whether it should."""
    answers = iter([False] * asked)
    return Progress(should_stop=lambda: next(answers, True))


def content(run):
    """The bytes of every file of a finished run but its record, which tells the time."""
    files = (path for path in run.root.rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in files if path.name not in ("run.json", "lock")}


#: Kills before or after a rename: the record; bias and class weights; features, of which the record says in turn that
#: 0, 500, ... rows are there; probabilities in the same way; the shards; the table; the record. And how many rows of
#: features and probabilities and how many shards are done by then.
MOMENTS = {
    "3 before": (0, 0, 0),
    "9 before": (1500, 0, 0),
    "14 after": (2500, 1500, 0),
    "18 after": (2500, 2500, 2),
    "21 before": (2500, 2500, 3),
}
KILLED = f"""
    import json, os, sys
    from avhcurate.datasets.sources import outputs
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.killing import die_at_rename
    from tests.fakes.sources import attach

    outputs._BLOCK = {BLOCK}
    given = json.loads(sys.argv[1])
    for argument in sys.argv[2:]:
        root, number, when = argument.split("|")
        child = os.fork()
        if child == 0:
            die_at_rename(int(number), when == "before")
            attach(Workspace(root), "pets", **given)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_does_the_rest_alone_and_gives_the_same_bytes(
    workspace, pets, given, written, tmp_path
):
    roots = {moment: Path(shutil.copytree(workspace.root, tmp_path / moment)) for moment in MOMENTS}
    whole = attach(workspace, "pets", **given)
    assert written == {"features.npy": N, "logits.npy": N, "shards": SHARDS}
    options = pd.Series(given).to_json()
    arguments = [f"{root}|{moment.replace(' ', '|')}" for moment, root in roots.items()]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), options, *arguments]
    codes = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert [int(code) for code in codes] == [-signal.SIGKILL] * len(MOMENTS)
    for moment, root in roots.items():
        written.clear()
        run = attach(Workspace(root), "pets", **given)
        left = (written["features.npy"], written["logits.npy"], written["shards"])
        assert left == tuple(np.subtract((N, N, SHARDS), MOMENTS[moment])), moment
        assert content(run) == content(whole), moment
        times = {"started", "finished", "seconds", "dataset_fingerprint", "weights_source"}
        assert run.record.model_dump(exclude=times) == whole.record.model_dump(exclude=times)


@pytest.mark.parametrize("form", ["npy", "npz", "parquet"])
def test_cancelled_it_goes_on_also_where_rows_are_in_another_order_and_some_samples_have_none(
    workspace, pets, written, tmp_path, form
):
    order = np.random.default_rng(2).permutation(N)[:-7]
    table = pd.DataFrame({"path": np.array(PATHS)[order], "e": list(FEATURES[order])})
    given = {"by": "path", "rows": str(tmp_path / "rows.parquet"), "features": str(tmp_path / f"features.{form}")}
    table[["path"]].to_parquet(given["rows"])
    if form == "npy":
        np.save(given["features"], FEATURES[order])
    elif form == "npz":
        np.savez_compressed(given["features"], FEATURES[order])
    else:
        table.to_parquet(given["features"])
        given["features"] += ":e"
    whole = attach(workspace, "pets", **given, name="whole")
    written.clear()
    for asked in (4, 3, 3):  # while it is copied, again, and while it is scored
        with pytest.raises(Cancelled, match="resumes"):
            attach(workspace, "pets", **given, name="cut", progress=stop_after(asked))
    run = attach(workspace, "pets", **given, name="cut")
    assert written == {"features.npy": N - 7, "shards": SHARDS}
    assert content(run) == content(whole)
    assert run.record.skipped == 7
    assert run.record.attached.notes == whole.record.attached.notes


@pytest.mark.parametrize("name", ["mine", None])
def test_a_changed_file_begins_anew_and_says_so_and_one_that_was_only_touched_does_not(
    workspace, pets, given, written, name
):
    options = given | {"name": name}
    with pytest.raises(Cancelled):
        attach(workspace, "pets", **options, progress=stop_after(9))
    assert written == {"features.npy": N, "logits.npy": 2250}
    os.utime(given["features"], (0, 0))
    with pytest.raises(Cancelled):
        attach(workspace, "pets", **options, progress=stop_after(5))
    assert written == {"features.npy": N, "logits.npy": N, "shards": 2}
    np.save(given["features"], FEATURES[::-1])
    written.clear()
    run = attach(workspace, "pets", **options)
    assert written == {"features.npy": N, "logits.npy": N, "shards": SHARDS}
    assert run.record.attached.notes[0] == "features.npy changed since an attach was cut short, which began anew"
    assert [folder.name for folder in pets.runs()] == [run.name]
    np.testing.assert_array_equal(run.features(), FEATURES[::-1])
    whole = attach(workspace, "pets", **given, name="whole")
    assert content(run) == content(whole)
    assert not any("anew" in note for note in whole.record.attached.notes)


def test_what_was_cut_short_of_other_files_keeps_its_name_and_can_go_on(workspace, pets, given, written, tmp_path):
    other = {"features": str(tmp_path / "other.npy"), "name": "mine"}
    np.save(other["features"], FEATURES[::-1])
    with pytest.raises(Cancelled):
        attach(workspace, "pets", **other, progress=stop_after(4))
    copied = written["features.npy"]
    with pytest.raises(CurateError, match=r"The run mine is not finished\. Run `avhcurate attach pets \.\.\.` again"):
        open_dataset(workspace, "pets", "mine")
    with pytest.raises(CurateError, match=r"has a run 'mine' of other arrays\. Choose another --name"):
        attach(workspace, "pets", **given, name="mine")
    attach(workspace, "pets", **other)
    assert 0 < copied < written["features.npy"] == N

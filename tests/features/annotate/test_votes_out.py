"""Votes out and in again: every format gives the same HSF, controls stay apart, and simulated stays marked."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.table.dataset_table import DatasetTable, open_table
from avhcurate.errors import CurateError
from avhcurate.features.annotate.votes_out import FORMATS, write_votes
from avhcurate.people.attach import attach_votes
from avhcurate.people.files import read_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import bare_dataset

CLASSES = ["cat", "dog", "owl"]
PATHS = ["a/0.png", "a/1.png", "b/2.png", "b/-1.png"]

#: Names of files that each format is written to.
FILES = [
    ("long-csv", "v.csv"),
    ("long-parquet", "v.parquet"),
    ("counts", "v.npy"),
    ("counts", "v.parquet"),
    ("label-studio", "v.json"),
    ("imagenetv2", "v.json"),
]


def make_dataset(workspace: Workspace) -> DatasetFolder:
    """Four samples of three classes, the last without a label, and without images."""
    return bare_dataset(workspace, PATHS, [0, 1, 2, None], CLASSES)


def votes_of(kind: str) -> pd.DataFrame:
    """Answers of three annotators and some without a name, to labelled samples; one annotator changes their mind."""
    rng = np.random.default_rng(5)
    rows = [
        (path, who, CLASSES[label], CLASSES[rng.integers(3)], bool(rng.integers(2)))
        for path, label in zip(PATHS[:3], range(3), strict=True)
        for who in ("ann", "bob", "=cyd", None, None)
    ]
    frame = pd.DataFrame([*rows, rows[0]], columns=["path", "annotator", "class", "label", "selected"])
    return frame.drop(columns="label" if kind == "tick" else ["class", "selected"])


def with_votes(root: Path, kind: str, *, simulated: bool = False) -> DatasetTable:
    workspace = Workspace(root / "from")
    make_dataset(workspace)
    votes_of(kind).to_csv(root / "in.csv", index=False)
    attach_votes(workspace, "d", root / "in.csv", simulated=simulated)
    return open_table(workspace, "d")


def hsf(table: DatasetTable) -> dict[str, tuple[float, int]]:
    known = table.frame().dropna(subset="hsf")
    return {row["path"]: (row["hsf"], row["votes"]) for row in known.to_dict("records")}


@pytest.mark.parametrize(("kind", "simulated"), [("k-way", True), ("tick", False)])
def test_out_and_in_gives_the_same_hsf(tmp_path: Path, kind: str, simulated: bool) -> None:
    table = with_votes(tmp_path, kind, simulated=simulated)
    workspace = Workspace(tmp_path / "to")
    make_dataset(workspace)
    assert len(hsf(table)) == 3
    for format, name in FILES:
        out = tmp_path / f"{format}-{name}"
        if (kind, format) == ("k-way", "imagenetv2") or (kind, name) == ("tick", "v.npy"):
            with pytest.raises(CurateError):
                write_votes(table, format, out)
            assert list(tmp_path.glob(f"*{format}-{name}*")) == []
            continue
        assert write_votes(table, format, out) == table.votes.total
        record = attach_votes(workspace, "d", out)
        assert (record.kind, record.simulated, record.total) == (kind, simulated, table.votes.total), format
        assert hsf(open_table(workspace, "d")) == hsf(table), format
        assert json.loads(Path(f"{out}.manifest.json").read_text())["simulated"] == simulated


def test_every_format_is_tested() -> None:
    assert {format for format, _ in FILES} == set(FORMATS)


def test_a_file_is_not_replaced_without_force(tmp_path: Path) -> None:
    table = with_votes(tmp_path, "tick")
    out = tmp_path / "v.csv"
    out.write_text("mine")
    with pytest.raises(CurateError, match="--force"):
        write_votes(table, "long-csv", out)
    assert out.read_text() == "mine"
    write_votes(table, "long-csv", out, force=True)
    assert out.read_text() != "mine"


def test_missing_votes_say_what_to_do(tmp_path: Path) -> None:
    make_dataset(Workspace(tmp_path / "none"))
    with pytest.raises(CurateError, match="Import or collect"):
        write_votes(open_table(Workspace(tmp_path / "none"), "d"), "long-csv", tmp_path / "v.csv")


def test_the_verb_writes_and_says_that_votes_are_simulated(tmp_path: Path, cli) -> None:
    with_votes(tmp_path, "k-way", simulated=True)
    arguments = ["votes-out", "d", "--format", "long-csv", "--out", tmp_path / "v.csv"]
    ended = cli(*arguments, "--workspace", tmp_path / "from")
    assert ended.code == 0, ended.err
    assert "simulated" in ended.out
    assert read_votes(tmp_path / "v.csv").simulated

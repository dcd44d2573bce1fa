"""Pushing an export to the hub, against a server that speaks as much of its language as is needed."""

import base64
import io
import json

import pandas as pd
import pytest

from avhcurate.datasets.export.service import export, format_named
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from tests.fakes.refusals import refused

FEW = Filters(where="id < 3")
REPOSITORY = "/api/datasets/org/pets"


@pytest.fixture
def hub(web, monkeypatch):
    """A hub without the repository, that takes every file as it is."""
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    commit = f"{web.url}/datasets/org/pets/commit/c0ffee"
    answers = {
        "/api/validate-yaml": {"errors": [], "warnings": []},
        "/api/repos/create": {"url": f"{web.url}/datasets/org/pets"},
        f"{REPOSITORY}/preupload/main": {
            "files": [
                {"path": path, "uploadMode": "regular", "shouldIgnore": False}
                for path in (
                    *("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", "README.md"),
                    *("manifest.json", "2026/labels.csv", "2026/labels.csv.manifest.json"),
                )
            ]
        },
        f"{REPOSITORY}/commit/main": {"commitOid": "c0ffee", "commitUrl": commit, "success": True},
        f"{REPOSITORY}/tree/main?recursive=true&expand=false": [
            {"type": "file", "path": "data/train-00000-of-00002.parquet", "oid": "beef", "size": 3},
            {"type": "file", "path": "LICENSE", "oid": "cafe", "size": 3},
        ],
    }
    web.routes = {path: (json.dumps(answer).encode(), {}) for path, answer in answers.items()}
    return web


def committed(hub):
    """What the last commit did: content by path, and the paths that it removed."""
    _, *lines = map(json.loads, hub.posted[f"{REPOSITORY}/commit/main"].splitlines())
    values = [line["value"] for line in lines if line["key"] == "file"]
    files = {value["path"]: base64.b64decode(value["content"]) for value in values}
    return files, [line["value"]["path"] for line in lines if line["key"] == "deletedFile"]


def test_a_repository_and_a_label_file_are_pushed_and_nothing_is_replaced_unasked(digits, hub, tmp_path, monkeypatch):
    place = type(tmp_path)("hf:org/pets")
    assert export(digits, FEW, format_named(place), place) == 3
    files, removed = committed(hub)
    assert {"README.md", "manifest.json", "data/train-00000-of-00001.parquet"} <= set(files)
    assert removed == ["data/train-00000-of-00002.parquet"]
    assert b"private" in hub.posted["/api/repos/create"]  # as "private" or "visibility", by the version of the library
    assert {said for _, _, said in hub.asked} == {"Bearer secret"}

    place /= "2026/labels.csv"
    export(digits, FEW, format_named(place), place)
    files, removed = committed(hub)
    assert pd.read_csv(io.BytesIO(files["2026/labels.csv"]))["id"].tolist() == [0, 1, 2]
    assert (set(files), removed) == ({"2026/labels.csv", "2026/labels.csv.manifest.json"}, [])

    hub.routes[REPOSITORY] = (json.dumps({"id": "org/pets"}).encode(), {})
    with pytest.raises(CurateError, match=r"hf:org/pets exists.*--force"):
        export(digits, FEW, "hf", place.parents[1])
    assert export(digits, FEW, "hf", place.parents[1], force=True) == 3
    asked = len(hub.asked)
    for nowhere in ("hf:pets", "hf:org/pets/../../labels.csv", "hf:../pets", "hf:org/pets/\x1b[31m.csv"):
        with pytest.raises(CurateError, match="Write hf:OWNER/NAME"):
            export(digits, FEW, "csv", type(tmp_path)(nowhere))
    assert len(hub.asked) == asked
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with refused("hf:org/pets", "http://127.0.0.1:9"):
        export(digits, FEW, "hf", place.parents[1])

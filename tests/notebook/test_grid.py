"""The grid in a notebook, without a notebook: what its script asks for by messages, and what it hears."""

import io
import json
import sys
import types

import numpy as np
import pytest
from PIL import Image

import avhcurate
from avhcurate.errors import CurateError
from tests.fakes import messages
from tests.fakes.decisions import decision

pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'avhcurate[notebook]'")


@pytest.fixture
def grey(tmp_path, monkeypatch):
    """Two hundred images of two classes, as a kernel of Jupyter sees them."""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    images = np.arange(200, dtype=np.uint8)[:, None, None] * np.ones((16, 16), np.uint8)
    return avhcurate.dataset("grey", images, ["dark", "light"] * 100, workspace=tmp_path / "space")


@pytest.fixture
def ask(monkeypatch):
    """Sends a grid what its script sends, and returns the answers to it."""

    def sent(grid, **content):
        answers = []
        monkeypatch.setattr(grid, "send", lambda answer, buffers=None: answers.append((answer, buffers)))
        grid._handle_custom_msg(content, [])
        return answers

    return sent


def act(ask, grid, kind, value=None, *ids):
    """What came of a decision of the grid, which then shows it."""
    version = grid.data["actions"]["version"]
    one = decision(kind, *ids, dataset="grey", version=version, value=value)
    ((answer, _),) = ask(grid, ask=9, address="decisions/new", body=json.dumps([one]))
    messages.check("grid", json.dumps(grid.data))
    (outcome,) = answer["json"]["outcomes"]
    assert grid.data["actions"]["entry"] == outcome["entry"]
    return outcome["text"] or outcome["why"]


def test_a_grid_is_its_messages(grey, ask):
    grid = grey.gallery("id >= 10", sort="id")
    messages.check("grid", json.dumps(grid.data))
    assert (grid.data["count"], grid.data["tiles"][0]["id"], grid.ids) == (190, 10, [])
    ((answer, _),) = ask(grid, ask=1, address=f"{grid.data['source']}/rows?start=180&stop=300", body="")
    assert [answer["answer"], answer["status"], json.dumps(answer)] == [1, 200, json.dumps(answer)]
    tiles = answer["json"]["tiles"]
    assert [tile["id"] for tile in tiles] == list(range(190, 200))
    ((answer, (first, none)),) = ask(grid, ask=2, pictures=[tiles[0]["src"], tiles[0]["src"].replace("190", "999")])
    assert (answer, none) == ({"answer": 2}, b"")
    assert abs(int(np.asarray(Image.open(io.BytesIO(first))).mean()) - 190) <= 2
    ((answer, _),) = ask(grid, ask=3, address="/grid/closed/rows?start=0&stop=1", body="")
    assert answer["status"] == 404

    grid.selection = {"view": grid.data["view"], "ranges": [[0, 2], [189, 190]]}
    assert grid.ids == [10, 11, 199]
    assert act(ask, grid, "exclude", None, 11, 12) == "2 images excluded"
    assert (grid.data["count"], grid.ids) == (188, [10, 199])  # made in the view of before
    now = grid.data["source"]
    ((answer, _),) = ask(grid, ask=4, address=f"{now}/ranges", body=json.dumps(grid.selection))
    assert answer["json"] == {"ranges": [[0, 1], [187, 188]]}
    ((answer, _),) = ask(grid, ask=5, address=f"{now}/ids", body=json.dumps({"view": "", "ranges": [[0, 2]]}))
    assert answer["json"] == {"ranges": [[10, 11], [13, 14]]}
    assert act(ask, grid, "tag", "odd", 10) == "1 image tagged odd"
    assert act(ask, grid, "relabel", 1, 10, 13) == "1 image labelled light"
    assert act(ask, grid, "undo") == "Undid relabel on 1 image"
    assert act(ask, grid, "set", "two", 10, 13) == "2 images saved as “two”"
    assert act(ask, grid, "tag", "", 10).startswith("A tag has 1 to 60")
    assert grey.frame("list_contains(tags, 'odd')")["id"].tolist() == [10]


def test_what_is_decided_in_python_shows_at_once_and_what_another_process_decides_when_rows_are_asked_for(grey, ask):
    grid, other = grey.gallery(sort="id"), avhcurate.open(grey.workspace.root, "grey")
    grey.tag([0], "odd")
    assert grid.data["tiles"][0]["badges"] == ["odd"]
    other.exclude([0])
    assert grid.data["count"] == 200
    ask(grid, ask=1, address=f"{grid.data['source']}/rows?start=60&stop=70", body="")
    assert (grid.data["count"], grid.data["tiles"][0]["id"]) == (199, 1)


def test_no_image_an_unknown_column_and_a_missing_package_are_told(grey, monkeypatch):
    with pytest.raises(CurateError, match="No image satisfies"):
        grey.gallery("id < 0")
    with pytest.raises(CurateError, match="Unknown column zoom"):
        grey.gallery(sort="zoom")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.setattr(type(grey), "show", lambda self, page, where, height: (page, where, height))
    assert grey.gallery("id < 3") == ("gallery", "id < 3", None)

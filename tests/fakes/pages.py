"""Fixtures of the page tests: any page opened at an address, and workspaces in the states that pages must handle."""

import json

import pytest

from avhcurate.ui.grid.grid_routes import answer_at
from avhcurate.workspace.data import background
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace, find_workspace
from tests.fakes.datasets import add_dataset
from tests.fakes.decisions import decide, decision


def sent(part):
    """What the browser would be sent for the components on a page or in its sidebar."""
    return [json.loads(node.proto.json) for node in part.get("bidi_component")]


@pytest.fixture
def grids():
    """The grids on a page by their label."""
    return lambda app: {data.get("label"): data for data in sent(app)}


@pytest.fixture
def facets():
    """The facets of a page's sidebar by their key."""
    return lambda app: {panel["key"]: panel for data in sent(app.sidebar) for panel in data.get("panels", [])}


@pytest.fixture
def act(grids):
    """Does what the browser does when an action is pressed with the tiles at places `start` to `stop` selected.

    Returns their ids. With an `id` it is pressed in the details of that image.
    """

    def press(app, action, start=0, stop=0, *, value=None, id=None):
        if id is not None:
            _decide(app, grids(app)["Image viewer"]["actions"], action, [[id, id + 1]], value)
            return [id]
        data = grids(app)["Images"]
        selected = {"view": data["view"], "ranges": [[start, stop]] if stop > start else []}
        buttons = {button["name"]: button for button in data["actions"]["bar"]}
        button = buttons.get(action, {"decides": True, "of": ""})
        if button["decides"]:
            answer, _ = answer_at(f"{data['source']}/ids", json.dumps(selected).encode())
            _decide(app, data["actions"], action, [list(span) for span in answer["ranges"]], value, of=button["of"])
        else:
            _ask(app, selected | {"at": data["actions"]["handled"] + 1, "action": action, "value": value})
        return [tile["id"] for tile in data["tiles"][start:stop]]

    return press


def _decide(app, about, kind, ids, value, of=""):
    """Sends a decision of the page's window, and runs the page as the browser then asks."""
    details = {"ids": ids, "value": value, "of": of, "window": app.session_state["signin.session"]}
    decide(find_workspace().root, decision(kind, dataset=about["dataset"], version=about["version"]) | details)
    app.run()


def _ask(app, asked):
    """Lets the grid ask the page for something."""
    (node,) = (node for node in app.get("bidi_component") if json.loads(node.proto.json).get("label") == "Images")
    states = app._tree.get_widget_states()
    event = json.dumps([{"event": "act", "value": [asked]}])
    states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{node.proto.id}__events", json_trigger_value=event)
    app._run(states)


@pytest.fixture
def bar(grids):
    """The buttons of the bar below a page's grid, by name."""
    return lambda app: {button["name"]: button for button in grids(app)["Images"]["actions"]["bar"]}


@pytest.fixture
def words():
    """Everything that a page says in text."""

    def read(app):
        kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.error, app.warning, app.code)
        texts = [element.value for kind in kinds for element in kind]
        texts += [node.proto.body for node in app.get("html")]
        return "\n".join(texts)

    return read


@pytest.fixture
def asked():
    """A parameter of the address, "" where it is absent."""

    def read(app, name):
        value = app.query_params.get(name, "")
        return value if isinstance(value, str) else value[-1]

    return read


@pytest.fixture
def unscored_root(tmp_path):
    """A workspace with two classes of files that are no images; neither votes nor a run."""
    own = Workspace(tmp_path / "unscored")
    add_dataset(own, tmp_path, {"cat/a.png": b"no image", "oil filter/a.png": b"no image"})
    return own.root


def _votes_become(root, change):
    folder = DatasetFolder(root / "datasets" / "digits")
    record = folder.record
    folder.write_record(record.model_copy(update={"votes": change(record.votes)}))
    return root


@pytest.fixture
def voteless_root(own_demo_root):
    """The scored digits without votes."""
    return _votes_become(own_demo_root, lambda _: None)


@pytest.fixture
def human_root(own_demo_root):
    """The digits as if their votes came from people."""
    return _votes_become(own_demo_root, lambda votes: votes.model_copy(update={"simulated": False, "note": ""}))


@pytest.fixture
def no_process(monkeypatch):
    """Keeps what would have been started, and starts nothing."""
    started = []

    def start(root, argv, *, verb, dataset="", **_):
        started.append((argv, verb, dataset))

    monkeypatch.setattr(background, "start", start)
    return started

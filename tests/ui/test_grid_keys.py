"""What the grid's keys ask for reaches the annotations of what was chosen, and is said with the number of images."""

import json

from streamlit.testing.v1 import AppTest

from avhcurate.datasets.curate.keys import keys_of
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.workspace.data import people
from avhcurate.workspace.data.people import Person, Role
from avhcurate.workspace.data.workspace import Workspace


def _script():
    import os
    from pathlib import Path

    import streamlit as st

    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.ui.frame import Opened, show_messages
    from avhcurate.ui.grid_keys import act_by_key, key_data
    from avhcurate.ui.grid_views import table_view
    from avhcurate.ui.selection import GRID, selectable_grid
    from avhcurate.ui.url_state import View
    from avhcurate.workspace.data.workspace import Workspace

    root = Workspace(Path(os.environ["AVHCURATE_WORKSPACE"]))
    table = open_table(root, "digits")
    if sent := st.session_state.get("press"):  # as in the callback of the component, before the page
        view = st.session_state["selection.views"][0].key
        st.session_state[GRID] = {
            "act": [{"view": view, **asked} if isinstance(asked, dict) else asked for asked in sent]
        }
        act_by_key(table)
        st.json(st.session_state.get("samples.done") or {})
    show_messages()
    page = Opened(root, View("digits"), table, table.count(View().filters))
    selectable_grid(table_view(page), tile_size=96, actions=key_data(table) | {"bar": [], "sets": []})


def press(root, monkeypatch, action, *ranges, value=None):
    """What is said after the grid has sent an action, and the errors shown."""
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(root))
    monkeypatch.setattr(people, "_who", lambda: Person("ann", Role.OWNER))  # each AppTest is a window of its own
    app = AppTest.from_function(_script).run(timeout=20)
    app.session_state["press"] = [{"action": action, "ranges": ranges, "value": value, "at": 1}]
    app.run(timeout=20)
    return [node.value for node in app.json]


def test_an_action_is_about_the_places_that_it_names_and_can_be_undone(own_demo_root, monkeypatch):
    (said,) = press(own_demo_root, monkeypatch, "tag", (0, 2), (5, 6), value="blurred")
    assert '"3 images tagged blurred"' in said
    table = open_table(Workspace(own_demo_root), "digits")
    first = table.page(sort="avh", descending=True, limit=6)
    assert first["tags"].map(list).tolist() == [["blurred"], ["blurred"], [], [], [], ["blurred"]]
    (said,) = press(own_demo_root, monkeypatch, "undo")
    assert '"Undid tag blurred on 3 images"' in said
    table.refresh()
    assert table.count(Filters(tags=("blurred",))) == 0


def test_each_act_of_a_list_is_done_once_in_order_however_often_it_is_handed_on(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    app = AppTest.from_function(_script).run(timeout=20)
    table = open_table(Workspace(own_demo_root), "digits")

    def send(*asked):
        """Entries of the log after a message of the browser, and the newest act that it may forget."""
        app.session_state["press"] = list(asked)
        app.run(timeout=20)
        grid = next(json.loads(node.proto.json) for node in app.get("bidi_component"))
        return table.log.version("digits"), grid["actions"]["handled"]

    tag, wrong = ({"action": "tag", "ranges": [(0, 2)], "value": value} for value in ("blurred", ""))
    away = {"action": "untag", "ranges": [(0, 1)], "value": "blurred"}
    assert send(tag | {"at": 5}) == (1, 5)
    assert send(
        tag | {"at": 5}, wrong | {"at": 6}, 7, {"at": "8"}, {"at": 8, "action": ["drop"]}, away | {"at": 9}
    ) == (2, 9)
    assert send(wrong | {"at": 6}, away | {"at": 9}) == (2, 9)
    table.refresh()
    first = table.page(sort="avh", descending=True, limit=2)
    assert first["tags"].map(list).tolist() == [[], ["blurred"]]


def test_what_cannot_be_done_is_a_message_and_changes_nothing(own_demo_root, monkeypatch):
    for action, value in (("relabel", 99), ("tag", ""), ("tag", [1]), ("undo", 7)):
        (said,) = press(own_demo_root, monkeypatch, action, (0, 2), value=value)
        assert "Not done: " in said
    assert press(own_demo_root, monkeypatch, "drop", (0, 2)) == ["{}"]
    assert open_table(Workspace(own_demo_root), "digits").log.version("digits") == 0


def _bar():
    import os
    from pathlib import Path

    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.ui.frame import Opened
    from avhcurate.ui.grid_bar import actions_grid
    from avhcurate.ui.grid_views import table_view
    from avhcurate.ui.url_state import View
    from avhcurate.workspace.data.workspace import Workspace

    root = Workspace(Path(os.environ["AVHCURATE_WORKSPACE"]))
    table = open_table(root, "digits")
    page = Opened(root, View("digits"), table, table.count(View().filters))
    actions_grid(page, table_view(page), tile_size=96)


def test_viewers_have_the_buttons_that_change_nothing(demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(demo_root))
    monkeypatch.setattr(people, "_who", lambda: Person("ann", Role.VIEWER))
    app = AppTest.from_function(_bar).run(timeout=20)
    buttons = json.loads(app.get("bidi_component")[0].proto.json)["actions"]["bar"]
    assert [button["name"] for button in buttons if not button["disabled"]] == ["compare", "export", "keys"]


def _form():
    import os
    from pathlib import Path

    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.ui.grid_keys import keys_form
    from avhcurate.workspace.data.workspace import Workspace

    keys_form(open_table(Workspace(Path(os.environ["AVHCURATE_WORKSPACE"])), "digits"))


def test_the_form_of_the_keys_keeps_what_is_wrong_and_says_so(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    app = AppTest.from_function(_form).run(timeout=20)
    for text, errors in (("1 label nobody", 1), ("q tag blurred", 0)):
        app.text_area(key="gallery.keys_text").set_value(text)
        app.button(key="gallery.save_keys").click().run(timeout=20)
        assert (len(app.error), app.text_area(key="gallery.keys_text").value) == (errors, text)
    assert keys_of(open_table(Workspace(own_demo_root), "digits")) == {"q": "tag blurred"}

"""What keys of the grid decide reaches the annotations of what was chosen, and is said with the number of images."""

import json

from streamlit.testing.v1 import AppTest

from avhcurate.datasets.curate.keys import keys_of
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.data import people
from avhcurate.workspace.data.people import Person, Role
from avhcurate.workspace.data.workspace import Workspace
from tests.conftest import SCRIPT_TIMEOUT_S
from tests.fakes.decisions import decide, decision


def said(outcomes):
    return [one.text or one.why for one in outcomes]


def test_a_decision_is_about_the_images_that_it_names_and_can_be_undone(own_demo_root):
    outcomes = decide(own_demo_root, decision("tag", 0, 1, 5, value="blurred"))
    assert said(outcomes) == ["3 images tagged blurred"]
    opened = open_dataset(Workspace(own_demo_root), "digits")
    assert opened.samples.frame(Filters(tags=("blurred",)), columns=["id"])["id"].tolist() == [0, 1, 5]
    assert (outcomes[0].undo, outcomes[0].entry) == (True, opened.samples.entry)
    assert said(decide(own_demo_root, decision("undo"))) == ["Undid tag blurred on 3 images"]
    opened.refresh()
    assert opened.samples.count(Filters(tags=("blurred",))) == 0


def test_an_undo_is_of_ones_own_window_and_asks_before_it_is_of_anothers(own_demo_root):
    decide(own_demo_root, decision("exclude", 7, window="one"))
    (asks,) = decide(own_demo_root, decision("undo", window="two"))
    assert asks.text == "Nothing of yours is left. Undo what another window did: exclude on 1 image?"
    assert said(decide(own_demo_root, decision("undo", value=asks.undo, window="two"))) == ["Undid exclude on 1 image"]
    assert said(decide(own_demo_root, decision("undo", window="one"))) == ["Nothing is left to undo"]


def test_what_cannot_be_done_says_why_and_changes_nothing(own_demo_root):
    for kind, value in (("relabel", 99), ("tag", ""), ("tag", 1.5), ("undo", 7), ("drop", None), ("accept", None)):
        (outcome,) = decide(own_demo_root, decision(kind, 0, 1, value=value))
        assert outcome.why, kind
    assert decide(own_demo_root, decision("tag", 1797, value="odd"))[0].why
    assert open_dataset(Workspace(own_demo_root), "digits").decisions.log.version("digits") == 0


def _bar():
    import os
    from pathlib import Path

    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.ui.base.frame import Opened
    from avhcurate.ui.base.url_state import View
    from avhcurate.ui.grid.grid_bar import actions_grid
    from avhcurate.ui.grid.grid_views import table_view
    from avhcurate.workspace.data.workspace import Workspace

    root = Workspace(Path(os.environ["AVHCURATE_WORKSPACE"]))
    opened = open_dataset(root, "digits")
    page = Opened(root, View("digits"), opened, opened.samples.count(View().filters))
    actions_grid(page, table_view(page), tile_size=96)


def test_viewers_have_the_buttons_that_change_nothing(demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(demo_root))
    monkeypatch.setattr(people, "_who", lambda: Person("ann", Role.VIEWER))
    app = AppTest.from_function(_bar, default_timeout=SCRIPT_TIMEOUT_S).run()
    buttons = json.loads(app.get("bidi_component")[0].proto.json)["actions"]["bar"]
    assert [button["name"] for button in buttons if not button["disabled"]] == ["compare", "export", "keys"]


def _form():
    import os
    from pathlib import Path

    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.ui.grid.grid_bar import keys_form
    from avhcurate.workspace.data.workspace import Workspace

    keys_form(open_dataset(Workspace(Path(os.environ["AVHCURATE_WORKSPACE"])), "digits").decisions)


def test_the_form_of_the_keys_keeps_what_is_wrong_and_says_so(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    app = AppTest.from_function(_form, default_timeout=SCRIPT_TIMEOUT_S).run()
    for text, errors in (("1 label nobody", 1), ("q tag blurred", 0)):
        app.text_area(key="gallery.keys_text").set_value(text)
        app.button(key="gallery.save_keys").click().run()
        assert (len(app.error), app.text_area(key="gallery.keys_text").value) == (errors, text)
    assert keys_of(open_dataset(Workspace(own_demo_root), "digits").decisions) == {"q": "tag blurred"}

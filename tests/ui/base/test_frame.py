"""The frame in the sidebar: what it offers, how it keeps the address, and what it says when there is nothing."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from avhcurate.datasets.table.removal import remove_dataset
from avhcurate.ui.base import signin, url_state
from avhcurate.ui.base.navigation import ANALYSES, TABS
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.roles import grant, role_history
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import PAGES, added_pages
from tests.conftest import SCRIPT_TIMEOUT_S

MAIN = Path(__file__).parents[3] / "avhcurate" / "ui" / "shell" / "main.py"


@pytest.fixture
def demo(demo_root):
    return Workspace(demo_root)


@pytest.fixture
def open_app(open_page):
    return lambda workspace, **query: open_page("gallery", workspace.root, **query)


def matching(app):
    return next(caption.value for caption in app.sidebar.caption if "images match" in caption.value)


@pytest.mark.slow
def test_places_do_not_move_between_pages_links_keep_the_filters_and_filters_stand_where_they_act(open_page, demo):
    titles = [title for entries in (TABS, *ANALYSES.values()) for _, title, *_ in entries]
    for name in ("gallery", "correlation", "toy"):
        app = open_page(name, demo.root, **{"class": "3"})
        links = [link.proto for link in app.main.get("page_link")][: len(titles)]
        assert [link.label for link in links] == titles
        (query,) = {link.query_string for link in links}
        assert {"class=3", "dataset=digits"} <= set(query.split("&"))
        assert app.main.get("popover")[0].proto.popover.label == "Analysis"
        questions = {question for entries in ANALYSES.values() for *_, question in entries}
        assert questions <= {caption.value for caption in app.caption}
        assert any(button.key == "frame.clear" for button in app.button) == (name != "toy")


def test_every_page_file_has_a_place_in_the_navigation():
    files = sorted(file for entries in (TABS, *ANALYSES.values()) for file, *_ in entries)
    scripts = [*PAGES.glob("*.py"), *(page.file for page in added_pages().values())]
    assert files == sorted(path.stem for path in scripts)
    assert all(path.is_file() for path in scripts)


def test_a_filter_goes_into_the_address_and_changes_the_count(open_app, demo):
    app = open_app(demo)
    assert "1,797 of 1,797" in matching(app)
    app.multiselect(key="filter.columns").set_value(["loss"]).run()
    assert app.query_params["range"] == '["loss",null,null]'
    app.toggle(key="filter.mistakes").set_value(True).run()
    assert app.query_params["mistakes"] == "true"
    app = open_app(demo, **{"class": "3"})
    assert "183 of 1,797" in matching(app)


@pytest.mark.parametrize(("number", "backs"), [(10**9, 0), (0, 1)])  # it has heard of it, or goes back before that
def test_what_comes_with_an_address_that_was_just_replaced_does_not_undo_it(open_app, demo, number, backs):
    app = open_app(demo)
    before = dict(app.query_params)
    app.toggle(key="filter.mistakes").set_value(True).run()

    app.query_params = before  # sent before the browser heard of the new address
    assert app.run().query_params["mistakes"] == "true"

    url_state.heard(app.session_state[signin._SESSION], number, backs)
    app.query_params = before  # now it is meant
    assert "mistakes" not in app.run().query_params


def test_a_question_from_before_back_that_comes_late_does_not_count(open_app, demo):
    app = open_app(demo)
    session = app.session_state[signin._SESSION]
    url_state.heard(session, 0, 1)
    before = dict(app.query_params)
    app.toggle(key="filter.mistakes").set_value(True).run()

    url_state.heard(session, 0, 0)
    app.query_params = before
    assert app.run().query_params["mistakes"] == "true"


def test_an_address_sets_every_widget(open_app, demo, facets):
    app = open_app(
        demo, **{"bin": "0,1", "class": "3,8", "excluded": "null", "range": '["avh",0.05,null]', "mistakes": "true"}
    )
    panels = facets(app)
    assert panels["hsf_bins"]["chosen"] == [0, 1]
    assert [bar["text"] for bar in panels["hsf_bins"]["bars"]][:2] == ["0–0.2", "0.2–0.4"]
    assert panels["classes"]["chosen"] == [3, 8]
    assert app.multiselect(key="filter.columns").value == ["avh"]
    assert panels["ranges:avh"]["chosen"] == [0.05, None]
    assert app.toggle(key="filter.mistakes").value is True
    assert app.get_by_key("filter.excluded").value == "Show"
    assert any("Simulated votes" in text.value for text in app.sidebar.markdown)
    assert panels["hsf_bins"]["title"] == "HSF (simulated votes) bin"
    app.button(key="frame.clear").click().run()
    assert not {"bin", "class", "range", "mistakes", "excluded"} & set(app.query_params)
    assert "1,797 of 1,797" in matching(app)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"run": "gone"}, "has no finished run gone"),
        ({"bin": "77", "class": "eleven", "row": "1e9", "edges": "1,0"}, "no bin 77"),
    ],
)
def test_an_address_that_does_not_fit_is_ignored_with_a_notice(open_app, demo, query, said):
    app = open_app(demo, **query)
    assert said in app.warning[0].value.replace("\\", "")
    assert "1,797 of 1,797" in matching(app)


@pytest.mark.parametrize("page", ["home", "gallery", "classes", "annotate", "toy"])
def test_where_the_dataset_of_an_address_is_not_there_nothing_of_another_is_shown(open_page, demo, asked, page):
    app = open_page(page, demo.root, dataset="[gone](x)", bin="0")
    assert [header.value for header in app.header] == [r"There is no dataset \[gone\](x)"]
    assert app.sidebar.selectbox(key="frame.dataset").value is None
    assert not app.title
    (way,) = [link.proto for link in app.main.get("page_link") if link.proto.query_string == "dataset=digits"]
    assert way.label == "digits"
    app.sidebar.selectbox(key="frame.dataset").select("digits").run()
    assert asked(app, "dataset") == "digits"
    assert not any("no dataset" in header.value for header in app.header)


def test_a_dataset_that_was_renamed_is_followed_and_one_that_was_removed_is_not_replaced(open_app, own_digits, asked):
    workspace = own_digits.workspace
    app = open_app(workspace, mistakes="true")
    workspace.rename("digits", "numbers")
    app.run()
    assert app.warning[0].value == "The dataset digits is called numbers now."
    assert (asked(app, "dataset"), asked(app, "mistakes")) == ("numbers", "true")
    app.run()
    assert not app.warning
    remove_dataset(workspace, "numbers")
    app.run()
    assert [header.value for header in app.header] == ["The dataset numbers was removed"]


def test_an_address_with_a_column_twice_or_a_value_that_no_column_has_opens_the_page(open_page, columns_root, facets):
    app = open_page("gallery", columns_root, value='["seen","maybe"]', range='["avh",0,1],["avh",0,0.3]')
    panels = facets(app)
    assert panels["ranges:avh"]["chosen"] == [0, 0.3]
    assert panels["values:seen"]["chosen"] == ["maybe"]


@pytest.mark.parametrize("where", ["avh >", "id IN (SELECT 1)"])
def test_a_condition_that_does_not_fit_shows_no_sample_and_keeps_its_text(open_page, demo, where):
    app = open_page("gallery", demo.root, where=where)
    assert "so no image is shown" in app.error[0].value
    assert matching(app) == "0 of 1,797 images match"
    assert app.text_input(key="filter.where").value == where
    more = next(expander for expander in app.sidebar.expander if "More filters" in expander.label)
    assert more.proto.expanded
    ready = [button.key for button in app.get("download_button") if not button.proto.disabled]
    assert ready == ["strip.labels"], "which is of all images, whatever matches"
    assert [link.proto.query_string for link in app.get("page_link") if "where=" not in link.proto.query_string] == []


@pytest.mark.parametrize(
    ("column", "place", "page"),
    [
        ("hsf_predicted", "“Predicted HSF” on Correlation", "correlation"),
        ("train_aum", "the page Training dynamics", "training_dynamics"),  # of a plugin
    ],
)
def test_an_error_leads_to_the_place_that_does_what_it_advises(open_page, own_demo_root, column, place, page):
    app = open_page("gallery", own_demo_root, where=f"{column} > 0.5", sample="3")
    assert f"is not computed yet. Use {place}." in app.error[0].value.replace("\\", "")
    (way,) = (link.proto for link in app.main.get("page_link") if link.proto.label.startswith("Go to "))
    assert (way.label, way.page) == (f"Go to {place}", page)
    assert f"where={column}" in way.query_string
    assert "sample" not in way.query_string


def test_edited_bin_edges_are_the_bins_of_the_filter(open_app, demo, facets):
    app = open_app(demo)
    app.text_input(key="filter.edges").set_value("0, 0.5, 1").run()
    assert app.query_params["edges"] == "0.0,0.5,1.0"
    assert [bar["text"] for bar in facets(app)["hsf_bins"]["bars"]] == ["0–0.5", "0.5–1"]
    app.text_input(key="filter.edges").set_value("nonsense").run()
    assert app.error
    assert app.query_params["edges"] == "0.0,0.5,1.0"


def test_a_dataset_without_run_and_votes_has_no_filters_for_them(open_app, workspace, make_dataset, facets):
    make_dataset({"cat/a.png": b"", "dog/a.png": b""})
    app = open_app(workspace)
    assert any("Not scored yet" in text.value for text in app.sidebar.markdown)
    assert list(facets(app)) == ["classes"]
    with pytest.raises(KeyError):
        app.multiselect(key="filter.columns")


def test_a_dataset_whose_record_is_damaged_is_a_message_and_the_others_stay_within_reach(open_app, own_demo_root):
    workspace = Workspace(own_demo_root)
    (workspace.datasets / "broken").mkdir()
    (workspace.datasets / "broken" / "dataset.json").write_text("{")
    app = open_app(workspace, dataset="broken")
    assert "cannot be read" in app.error[0].value
    assert app.page_link
    app.selectbox(key="frame.dataset").select("digits").run()
    assert not app.error
    assert "1,797 of 1,797" in matching(app)


@pytest.fixture
def open_signed_in(monkeypatch, own_demo_root):
    """Opens Home where a login is configured, as Ada with a role or as a stranger."""

    def run(role, *, signed_in=True):
        if role:
            grant(open_events(own_demo_root), "ada@example.org", role)
        app.user = {"is_logged_in": signed_in, "email": "ada@example.org", "email_verified": True}
        return app.run()

    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    monkeypatch.setattr(signin, "_user_with", lambda cookies: signin._user())
    app = AppTest.from_file(str(MAIN), default_timeout=SCRIPT_TIMEOUT_S)
    app.secrets["auth"] = {"redirect_uri": "http://localhost:8501/oauth2callback", "cookie_secret": "s" * 40}
    app.query_params["home.have"] = "classifier"
    return run


def test_with_sign_in_configured_nothing_is_shown_before_it_or_without_a_role(open_signed_in):
    for signed_in, button in ((False, "Sign in"), (True, "Sign out")):
        app = open_signed_in(None, signed_in=signed_in)
        assert not app.exception
        assert not app.sidebar.selectbox
        assert [one.label for one in app.button] == [button]


def test_what_a_role_does_not_allow_is_closed_with_the_reason(open_signed_in):
    for role, allowed in (("annotator", False), ("curator", True)):
        app = open_signed_in(role)
        assert not app.exception
        assert f", {role}" in app.sidebar.caption[-1].value
        start = next(one for one in app.button if one.label == "Start scoring")
        assert start.disabled is not allowed
        assert ("needs the role curator" in start.help) is not allowed


def test_owners_give_roles_in_the_app_and_others_do_not_see_the_form(open_signed_in, own_demo_root):
    assert "frame.give_who" not in [box.key for box in open_signed_in("curator").text_input]
    app = open_signed_in("owner")
    app.text_input(key="frame.give_who").input("bob@example.org")
    app.selectbox(key="frame.give_role").select("annotator")
    next(button for button in app.button if button.label == "Give role").click().run()
    newest = role_history(open_events(own_demo_root))[0]
    assert (newest.name, newest.details, newest.who) == ("bob@example.org", "annotator", "ada@example.org")


def test_toasts_are_shown_by_the_frame_alone():
    # In a callback of a dialog a toast takes the dialog's own place, and the browser shows a white page.
    package = MAIN.parents[2]
    found = {file.relative_to(package) for file in package.rglob("*.py") if "st.toast(" in file.read_text("utf-8")}
    assert found == {Path("ui/base/frame.py")}

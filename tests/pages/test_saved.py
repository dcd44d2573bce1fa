"""The page Saved without a browser: sets, views, history and splits, and saving from the frame."""

from urllib.parse import parse_qsl

import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.history import undo_entry
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.ui.base.navigation import ANALYSES, TABS
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import by


@pytest.fixture
def own(own_demo_root):
    saved = Saved(Workspace(own_demo_root), "digits")
    by("ann", saved.save_set, "a_b", [1, 2, 3])
    by("bob", saved.save_set, "few", [3, 4])
    by("ann", saved.save_view, "ones", {"dataset": "digits", "class": "1"}, "gallery")
    return Workspace(own_demo_root)


def press(app, key):
    next(button for button in app.button if button.key == key).click().run()
    assert not app.exception


def links(app):
    """The query of each link of the page by its label, without the navigation's."""
    titles = {title for entries in (TABS, *ANALYSES.values()) for _, title, *_ in entries}
    protos = [node.proto for node in app.main.get("page_link")]
    return {proto.label: proto.query_string for proto in protos if proto.label not in titles}


def test_nothing_saved_says_what_to_do(open_page, demo_root, words):
    for part, text in (("sets", "No set yet"), ("views", "No view yet"), ("history", "No entry here")):
        assert text in words(open_page("saved", demo_root, saved__part=part))


def test_sets_are_listed_with_size_and_author_and_link_to_their_samples(open_page, own, words):
    app = open_page("saved", own.root)
    assert "**3** images · ann" in words(app)
    assert links(app)["few"].endswith("set=%22few%22&excluded=null")
    assert set(links(app)) >= {"a\\_b", "few"}
    app.menu_button(key="saved.set.few.more").click("export").run()
    assert [one.label for one in app.get("download_button")] == ["Download 2 images as CSV"]
    app.menu_button(key="saved.set.few.more").click("rename").run()
    app.text_input(key="saved.new_name").set_value("fewer").run()
    press(app, "saved.rename")
    assert "fewer" in {one.name for one in Saved(own, "digits").sets()}


def test_a_view_links_to_its_page_and_parameters(open_page, own, words):
    app = open_page("saved", own.root, saved__part="views")
    assert links(app)["ones"] == "dataset=digits&class=1"
    assert "gallery, filters: 1 · ann" in words(app)
    app.menu_button(key="saved.view.ones.more").click("export").run()
    assert [one.label for one in app.get("download_button")] == ["Download 182 images as CSV"]
    assert links(open_page("gallery", own.root))["ones"] == "dataset=digits&class=1"


def test_a_set_in_the_address_filters_and_an_unknown_one_is_left_out_with_a_notice(open_page, own, words):
    text = words(open_page("gallery", own.root, set='"few","gone"'))
    assert "2 of 1,797" in text
    assert "This dataset has no set gone" in text


def test_the_frame_saves_the_view_with_its_filters(open_page, own, asked):
    app = open_page("gallery", own.root, **{"class": "1,8"}, mistakes="true")
    app.text_input(key="frame.view_name").set_value("mixed up")
    press(app, "frame.save_view")
    view = next(one for one in Saved(own, "digits").views() if one.name == "mixed up")
    assert Filters.from_query(view.query) == Filters(classes=(1, 8), mistakes=True)
    assert view.query["dataset"] == "digits"


def test_sets_are_combined_on_the_page(open_page, own):
    app = open_page("saved", own.root)
    app.multiselect(key="saved.combined").set_value(["a_b", "few"])
    app.text_input(key="saved.combine_name").set_value("all")
    press(app, "saved.combine_now")
    assert {one.name: one.samples for one in Saved(own, "digits").sets()} == {"a_b": 3, "all": 4, "few": 2}


def test_a_removal_is_said_and_the_history_undoes_it(open_page, own, words):
    app = open_page("saved", own.root)
    app.menu_button(key="saved.set.few.more").click("remove").run()
    assert "Removed the set “few”" in app.toast[0].value
    assert app.toast[0].proto.duration == 8  # seconds
    assert "few" not in links(app)
    undo_entry(open_dataset(own, "digits").decisions, "4")
    assert "few" in links(open_page("saved", own.root))


def test_an_older_entry_is_undone_from_the_history(open_page, own, words):
    opened = open_dataset(own, "digits")
    by("ann", annotate, opened.decisions, [7], "tag", "first")
    by("bob", annotate, opened.decisions, [7], "tag", "second")
    app = open_page("saved", own.root, saved__part="history")
    assert "**bob** tagged second" in words(app)
    assert words(app).count('<img src="/images/digits/7?v=') == 2
    assert "image 7" in [link.proto.label for link in app.get("page_link")]
    press(app, "saved.undo.4")
    opened.refresh()
    assert opened.samples.sample(7)["tags"] == ["second"]
    assert "undone by" in words(app)


@pytest.mark.slow
def test_history_is_narrowed_by_the_address_and_narrowing_begins_at_its_first_page(open_page, own, words, asked):
    opened = open_dataset(own, "digits")
    for number in range(26):
        by("bob", annotate, opened.decisions, [number], "tag", f"n{number}")
    by("ann@example.org", annotate, opened.decisions, [7], "exclude")
    app = open_page("saved", own.root, saved__part="history", saved__page="999")
    assert "**bob** tagged n0" in words(app)
    assert "26–30 of 30" in words(app)
    app.selectbox(key="saved.action").set_value("exclude").run()
    assert "ann@\u2060example.org** excluded" in words(app), "an e-mail address is not a link"
    assert asked(app, "saved.page") == ""
    text = words(open_page("saved", own.root, saved__part="history", saved__who="bob", saved__sample="7"))
    assert "Entries: **1**" in text
    assert "**bob** tagged n7" in text


def test_the_details_of_a_sample_tell_its_history_and_sets(open_page, own, words):
    by("zoe", annotate, open_dataset(own, "digits").decisions, [3], "tag", "odd")
    text = words(open_page("gallery", own.root, sample="3"))
    assert "tagged odd · zoe" in text
    assert "In the sets a\\_b, few" in text


def test_a_split_shows_its_counts_and_becomes_sets(open_page, own, words):
    app = open_page("saved", own.root, saved__part="split", saved__shares="0.5,0.5", saved__by="class")
    assert {metric.label: metric.value for metric in app.metric} == {"Train": "899", "Test": "898"}
    assert list(app.dataframe[0].value) == ["Class", "Images", "train", "test"]
    press(app, "saved.save_split")
    sizes = {one.name: one.samples for one in Saved(own, "digits").sets()}
    assert sizes["split train"] + sizes["split test"] == 1797
    app.pills(key="saved.by").set_value([]).run()
    assert app.query_params["saved.by"] in ("neither", ["neither"])
    assert "**Strata: 1**" in words(app)
    app.text_input(key="saved.shares").set_value("0.5,0.6").run()
    assert "sum to 1" in app.error[0].value


@pytest.mark.slow
def test_changes_are_counted_with_who_and_a_gallery_of_each_and_the_first_state_is_had_back(open_page, own, words):
    opened = open_dataset(own, "digits")
    by("ann", annotate, opened.decisions, [5, 7], "relabel", 3)
    app = open_page("saved", own.root, saved__part="changes")
    assert "**2 changes** from the import to now." in words(app)
    query = dict(parse_qsl(links(app)["Label changed: 2"]))
    assert query["gallery.back"].startswith("saved?")
    assert set(opened.samples.frame(Filters.from_query(query), columns=["id"])["id"]) == {5, 7}
    assert "· ann** 2 relabelled" in words(app)
    assert app.dataframe[-1].value["Class"].tolist() == ["3", "5", "7"]  # no class that stays as it was
    press(app, "saved.restore")
    assert "**2 changes**" in words(app)  # until the question is answered
    press(app, "saved.restore_now")
    assert "**0 changes**" in words(app)
    app = open_page("saved", own.root, saved__part="changes", saved__before="/etc/passwd", saved__after="1")
    assert "from the import to after 1" in words(app)

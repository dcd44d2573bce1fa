"""The Annotate page without a browser: who annotates, what is asked, what becomes of an answer; and it is blind."""

import json
import re

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators, answers, queue, setup
from avhcurate.networks.neighbours.service import find_neighbours
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.decisions import decide, decision
from tests.fakes.votes import collect


@pytest.fixture
def collection(own_demo_root):
    """Sets up a collection on a copy of the digits; returns its workspace and table."""

    def make(**settings):
        opened = open_dataset(Workspace(own_demo_root), "digits")
        collect(opened, **{"control_share": 0.0} | settings)
        return own_demo_root, opened

    return make


@pytest.fixture
def started(open_page, collection):
    """Sets up a collection in which Ada annotates; returns the page, its workspace and the table."""

    def make(**settings):
        root, table = collection(**settings)
        return open_page("annotate", root, annotate__name="ada"), root, table

    return make


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def sent(app):
    """What the browser is told by the page's component."""
    (card,) = cards(app)
    return card


def cards(app):
    told = [json.loads(node.proto.json) for node in app.get("bidi_component")]
    return [data for data in told if "scope" in data]


def say(app, root, *decisions):
    """Lets the browser send decisions and ask for what comes next; why each was refused, and what the card is told."""
    outcomes = decide(root, *decisions)
    app.run()
    assert not app.exception
    return [one.why for one in outcomes], sent(app)


def answer(item, choice, *, ms=900, **more):
    return decision("answer", item["id"], who="ada", task=item["task"], choice=choice, ms=ms, **more)


def back(of, **more):
    return decision("back", who="ada", of=of, **more)


def votes(opened, **more):
    opened.refresh()
    return annotators.responses(opened.votes, controls=True, **more)


def test_without_a_collection_it_offers_to_set_one_up(open_page, own_demo_root, words):
    app = open_page("annotate", own_demo_root)
    assert "Set up the collection" in words(app)
    assert "annotate.setup.digits.score" not in {widget.key for widget in app.selectbox}
    offered = app.selectbox(key="annotate.setup.digits.queue").options
    assert "Varied and uncertain ones" not in offered  # the neighbours are not known
    opened = open_dataset(Workspace(own_demo_root), "digits")
    find_neighbours(opened.dataset, opened.run)
    app.run()
    app.selectbox(key="annotate.setup.digits.queue").set_value("diverse").run()
    assert re.search(r"450 images cover \d+% of 1,797 in view; as many at random cover \d+%", words(app))
    assert [node.proto.id.split("-")[-1] for node in app.get("plotly_chart")] == ["annotators.coverage"]
    app.selectbox(key="annotate.setup.digits.queue").set_value("hardest").run()
    app.selectbox(key="annotate.setup.digits.score").set_value("confidence")
    app.number_input(key="annotate.setup.digits.target").set_value(3)
    press(app, "Start the collection")
    found = setup.settings_of(open_dataset(Workspace(own_demo_root), "digits").votes)
    assert (found.design, found.target, found.queue, found.score) == ("classify", 3, "hardest", "confidence")
    assert "Who are you?" in words(app)


def test_a_grid_is_set_up_with_its_rule_and_its_numbers(open_page, own_demo_root):
    app = open_page("annotate", own_demo_root)
    app.segmented_control(key="annotate.setup.digits.design").set_value("select").run()
    app.number_input(key="annotate.setup.digits.candidates").set_value(12)
    app.multiselect(key="annotate.setup.digits.classes").set_value([1, 7])
    app.text_area(key="annotate.setup.digits.rule").set_value("Tick the sevens.")
    press(app, "Start the collection")
    found = setup.settings_of(open_dataset(Workspace(own_demo_root), "digits").votes)
    assert (found.design, found.candidates, found.classes) == ("select", 12, (1, 7))
    assert found.rule == "Tick the sevens."


def test_a_name_is_asked_for_and_kept_in_the_address(open_page, collection, asked, words):
    root, _ = collection()
    app = open_page("annotate", root)
    assert not cards(app)
    app.text_input(key="annotate.typed").set_value("  ")
    press(app, "Start")
    assert "1 to 254 printable characters" in words(app)
    app.text_input(key="annotate.typed").set_value("ada")
    press(app, "Start")
    assert asked(app, "annotate.name") == "ada"
    assert sent(app)["items"]
    app.button(key="annotate.leave").click().run()
    assert asked(app, "annotate.name") == ""
    assert "Who are you?" in words(app)


def test_the_frame_shows_no_filter_no_run_and_nothing_of_the_votes(open_page, collection, words):
    root, _ = collection()
    app = open_page("annotate", root, annotate__name="ada", bin="0", sort="avh")
    keys = {widget.key for kind in ("selectbox", "multiselect", "pills", "toggle") for widget in app.get(kind)}
    assert not [key for key in keys if key and key.startswith("filter.")]
    assert "frame.run" not in keys
    text = words(app)
    assert not any(word in text for word in ("HSF", "AVH", "Simulated", "match", "predicted"))
    assert "bin=0" in str([link.proto.query_string for link in app.get("page_link")]), "filters wait for other pages"


def test_nothing_of_the_model_or_the_label_is_in_what_the_browser_gets(started):
    app, _, _ = started(control_share=0.5, queue="hardest")
    data = sent(app)
    assert {frozenset(item) for item in data["items"]} == {frozenset({"id", "task", "src"})}
    assert all(item["src"].startswith("/images/digits/") for item in data["items"])
    work = {"items", "classes", "keys", "about", "done", "goal", "apart", "finished", "least_ms", "skip"}
    assert set(data) == work | {"subject", "scope", "echo", "who", "dataset", "version", "entry"}


def test_a_grid_does_not_tell_which_tiles_are_controls(started):
    app, _, _ = started(design="select", candidates=6, controls=2)
    tiles = sent(app)["tiles"]
    assert len(tiles) == 10
    assert {frozenset(tile) for tile in tiles} == {frozenset({"id", "src", "large"})}


def test_answers_are_in_the_log_and_the_browser_is_told_so(started):
    app, root, table = started()
    first, second = sent(app)["items"][:2]
    why, data = say(app, root, answer(first, 4), answer(second, 7, ms=412))
    found = votes(table)
    assert found[["id", "label", "reaction_ms", "annotator"]].values.tolist() == [
        [first["id"], 4, 900, "ada"],
        [second["id"], 7, 412, "ada"],
    ]
    assert why == ["", ""]
    assert data["done"] == 2
    assert not {first["id"], second["id"]} & {item["id"] for item in data["items"]}


def test_backspace_takes_the_last_answer_back_and_another_is_given(started):
    app, root, table = started()
    first, second = sent(app)["items"][:2]
    say(app, root, answer(first, 4), answer(second, 7, nonce="second"))
    again = back("second")
    say(app, root, again)
    _, data = say(app, root, again)  # once more, as after a lost connection
    assert votes(table)["id"].tolist() == [first["id"]]
    item = data["items"][0]
    assert item["id"] == second["id"]
    assert data["done"] == 1
    say(app, root, answer(item, 2))
    assert votes(table)[["id", "label"]].values.tolist() == [[first["id"], 4], [second["id"], 2]]


def test_backspace_and_a_new_answer_may_come_before_the_browser_knows_the_new_task(started):
    app, root, table = started()
    item = sent(app)["items"][0]
    why, _ = say(app, root, answer(item, 4, nonce="first"), back("first"), answer(item, 9))
    assert why == ["", "", ""]
    assert votes(table)["label"].tolist() == [9]


def test_a_broken_image_is_not_asked_about_again(started):
    app, _, table = started()
    item = sent(app)["items"][0]
    app.session_state["annotate.card"] = {"seen": {"scope": sent(app)["scope"], "turn": 3, "broken": [item["task"]]}}
    app.run()
    data = sent(app)
    assert data["echo"] == 3
    assert item["id"] not in {other["id"] for other in data["items"]}
    assert data["items"]
    assert votes(table).empty


def test_a_grid_is_submitted_whole_and_can_be_had_back(started):
    app, root, table = started(design="select", candidates=6, controls=2, classes=(3,))
    before = sent(app)
    ids = [tile["id"] for tile in before["tiles"]]
    sheet = decision("grid", *ids, who="ada", task=before["task"], ticked=ids[:4], ms=9000)
    _, data = say(app, root, sheet)
    found = votes(table)
    assert found["id"].tolist() == ids
    assert found["selected"].tolist() == [True] * 4 + [False] * 6
    assert data["task"] != before["task"]
    assert data["can_go_back"]
    newest = back("", task=data["task"])
    say(app, root, newest)
    _, data = say(app, root, newest)  # once more: not another grid
    assert [tile["id"] for tile in data["tiles"]] == ids
    assert sorted(data["ticked"]) == sorted(ids[:4])
    assert votes(table).empty


def test_when_nothing_is_left_it_says_so_and_how_far_the_collection_is(open_page, collection, words):
    root, table = collection(design="select", candidates=200, controls=0, target=1, classes=(3,))
    grid = queue.next_grid(table.decisions, table.votes, table.run, "ada")
    answers.submit_grid(
        table.decisions, table.votes, table.run, "ada", grid.task, grid.ids, [], nonce="n", reaction_ms=60_000
    )
    text = words(open_page("annotate", root, annotate__name="ada"))
    assert "You're done" in text
    assert "have all the votes that are wanted" in text


def test_an_annotator_can_have_the_own_answers_removed_for_good(started):
    app, root, table = started()
    say(app, root, answer(sent(app)["items"][0], 4))
    assert app.button(key="annotate.withdraw").disabled
    app.checkbox(key="annotate.sure").check().run()
    app.button(key="annotate.withdraw").click().run()
    assert not app.exception
    assert votes(table).empty
    assert sent(app)["done"] == 0

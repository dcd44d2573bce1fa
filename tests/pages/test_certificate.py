"""The Certificate page: a plan, the card that asks about drawn images, the bound, and when one can stop."""

import json

import numpy as np
import pytest

from avhcurate.datasets.curate.certificate import certificate
from avhcurate.datasets.curate.certificate_plan import newest_certificate
from avhcurate.features.certificate import service
from tests.fakes.decisions import decide, decision


def sent(app):
    """What the browser is told by the card of the images to look at."""
    told = [json.loads(node.proto.json) for node in app.get("bidi_component")]
    return next((data for data in told if data.get("subject") == "look "), None)


@pytest.fixture
def planned(own_digits):
    folder = service.plan(own_digits.decisions, own_digits.votes, at_most=0.02, seed=3)
    service.draw(own_digits.decisions, folder, 25)
    return folder


def right(opened, folder, paths):
    """The label of each image, as somebody who never errs would name it."""
    ids = service.ids_of(opened.decisions, paths)
    return {path: opened.samples.classes[opened.dataset.labels()[id]] for path, id in ids.items()}


def test_without_a_plan_it_offers_one_and_draws(open_page, own_demo_root, own_digits):
    app = open_page("certificate", own_demo_root)
    assert app.header[0].value == "Are the labels good enough?"
    app.number_input(key="certificate.at_most").set_value(3.0)
    app.button[0].click().run()
    record = newest_certificate(own_digits.dataset).record
    assert (record.at_most, record.confidence, record.drawn) == (0.03, 0.95, 25)
    assert len(sent(app)["items"]) == 8


def test_the_card_tells_no_label_and_its_answers_are_looks(open_page, own_demo_root, own_digits, planned):
    card = sent(open_page("certificate", own_demo_root))
    assert {frozenset(item) for item in card["items"]} == {frozenset({"id", "task", "src"})}
    assert card["classes"][-1] == "None of these"
    assert sorted(card["classes"][:-1]) == sorted(own_digits.samples.classes)
    assert card["classes"][:-1] != list(own_digits.samples.classes), "the order tells nothing of the label"
    assert card["skip"]
    first, second, third, fourth = card["items"][:4]
    looks = [
        decision("look answer", first["id"], choice=card["classes"].index("7"), task=first["task"]),
        decision("look answer", second["id"], choice=10, task=second["task"]),
        decision("look skip", third["id"], task=third["task"]),
        decision("look answer", fourth["id"], choice=0, task=f"2 {fourth['id']}"),
    ]
    outcomes = decide(own_demo_root, *looks, looks[0])
    assert [bool(outcome.why) for outcome in outcomes] == [False, False, False, True, False]
    assert "Another certificate" in outcomes[3].why
    own_digits.refresh()
    rows = own_digits.decisions.log.looks(own_digits.dataset.id, "1")
    assert rows["label"].tolist() == ["7", "", None]
    decide(own_demo_root, decision("look back", third["id"], of=looks[2]["nonce"]))
    own_digits.refresh()
    assert certificate(own_digits.decisions, planned).looks == 2
    (lost,) = decide(own_demo_root, decision("look back", 3, of="never sent"))
    assert lost.why == "There is no look to take back."


def test_answers_draw_ahead_so_that_the_card_never_waits(own_demo_root, own_digits, planned):
    for path in planned.plan(12)["path"].to_pylist():
        (id,) = service.ids_of(own_digits.decisions, (path,)).values()
        decide(own_demo_root, decision("look answer", id, choice=0, task=f"1 {id}"))
    own_digits.refresh()
    assert planned.record.drawn == 12 + 16
    assert len(certificate(own_digits.decisions, planned).open) == 16


def test_it_says_when_one_can_stop_and_goes_on_where_one_wants_to(open_page, own_demo_root, own_digits, planned):
    paths = service.draw(own_digits.decisions, planned, 210)
    service.look(own_digits.decisions, planned, right(own_digits, planned, paths[:200]))
    app = open_page("certificate", own_demo_root)
    assert any("At most" in one.value and "by 200 looks" in one.value for one in app.markdown)
    assert "You can stop" in app.success[0].value
    assert sent(app) is None
    app.button(key="certificate.go_on").click().run()
    assert len(sent(app)["items"]) == 8
    card = sent(open_page("certificate", own_demo_root, certificate__twice="1"))
    asked = {item["id"] for item in card["items"]}
    assert asked <= {*service.ids_of(own_digits.decisions, paths[:200]).values()}, "second looks are at what has one"


def test_it_says_when_it_can_no_longer_be_reached(open_page, own_demo_root, own_digits, planned):
    paths = planned.plan(25)["path"].to_pylist()
    answers = right(own_digits, planned, tuple(paths))
    service.look(own_digits.decisions, planned, {path: "0" if said == "1" else "1" for path, said in answers.items()})
    app = open_page("certificate", own_demo_root)
    assert "Cannot be reached" in app.error[0].value
    assert np.isfinite(certificate(own_digits.decisions, planned).low)

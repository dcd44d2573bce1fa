"""The Payoff page: an offer to lock a part, what decisions were worth, and checks of locked images by their keys."""

import json

import numpy as np
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.features.payoff import service
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from tests.fakes.decisions import decide, decision
from tests.fakes.workspaces import lock_before_scoring


@pytest.fixture
def spoilt(own_digits):
    """The digits with a locked fifth, and 100 labels outside it that were made wrong."""
    opened = lock_before_scoring(own_digits)
    threes = np.flatnonzero((opened.dataset.labels() == 3) & ~locked_mask(opened.dataset))
    annotate(opened.decisions, threes[:100].tolist(), "relabel", 8)
    return opened


def sent(app):
    """What the browser is told by the card of the images to check."""
    told = [json.loads(node.proto.json) for node in app.get("bidi_component")]
    (card,) = [data for data in told if data.get("subject") == "check "]
    return card


def test_without_a_locked_part_there_is_no_number_but_an_offer(open_page, own_demo_root, own_digits):
    app = open_page("payoff", own_demo_root)
    assert "No part is locked yet" in app.header[0].value
    app.button(key="payoff.lock").click().run()
    own_digits.refresh()
    assert 0.15 < locked_mask(own_digits.dataset).mean() < 0.25
    assert not app.error, "features of a network that was there before know no label"
    assert any("Nothing was decided" in one.value for one in app.markdown)


def test_a_lock_after_a_fitted_head_starts_the_job_that_fits_it_again(open_page, own_demo_root, own_digits, no_process):
    run = own_digits.run
    fitted = heads_to_fit().model_copy(update={"duplicates": {}})
    run.write_record(run.record.model_copy(update={"fitted": fitted}))
    app = open_page("payoff", own_demo_root)
    app.button(key="payoff.lock").click().run()
    argv = ["payoff", "digits", f"--model={run.name}"]
    assert no_process == [(argv, "payoff", "digits")]
    assert not app.error
    assert "The head knows the locked labels" in app.header[0].value
    app.button(key="payoff.fit").click().run()
    assert no_process[1] == (argv, "payoff", "digits")


def test_the_sentence_comes_first_with_its_interval(open_page, spoilt):
    app = open_page("payoff", spoilt.workspace.root)
    said = service.payoff(spoilt.decisions, spoilt.run)
    first = next(one.value for one in app.markdown if "locked images by" in one.value)
    assert "100 decisions changed accuracy" in first
    assert f"{100 * said.gain.gain:+.1f} points" in first
    assert "they hurt" in first
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.slow
def test_images_are_checked_one_by_one_and_the_answers_are_entries(open_page, asked, spoilt):
    app = open_page("payoff", spoilt.workspace.root, payoff__check="1")
    unchecked = service.payoff(spoilt.decisions, spoilt.run).unchecked
    first, second, third = unchecked[:3]
    card = sent(app)
    assert [item["id"] for item in card["items"]] == list(unchecked[:8])
    assert {frozenset(item) for item in card["items"]} == {frozenset({"id", "task", "src"})}, "no label is told"
    assert (card["done"], card["goal"]) == (0, len(unchecked))
    checks = [decision("check answer", id, choice=4, task=str(id)) for id in (first, third)]
    skip = decision("check skip", second, task=str(second))
    outcomes = decide(spoilt.workspace.root, checks[0], skip, checks[1], checks[0])
    assert [outcome.why for outcome in outcomes] == [""] * 4
    decide(spoilt.workspace.root, decision("check back", third, of=checks[1]["nonce"]))
    spoilt.refresh()
    assert service.checks(spoilt.decisions) == {first: 4, second: -1}
    app.run()
    assert sent(app)["items"][0]["id"] == third
    assert sent(app)["done"] == 2


def test_a_check_of_what_was_never_checked_is_not_taken_back(spoilt):
    (outcome,) = decide(spoilt.workspace.root, decision("check back", 3, of="never sent"))
    assert outcome.why == "There is no check to take back."


@pytest.mark.slow
def test_what_to_keep_is_a_chart_on_demand_with_the_command_that_writes_it(open_page, spoilt):
    app = open_page("payoff", spoilt.workspace.root, payoff__keep="1")
    assert len(app.get("plotly_chart")) == 2
    assert app.code[0].value == "avhcurate select digits --rule keep --portion 0.5 --out keep.csv"

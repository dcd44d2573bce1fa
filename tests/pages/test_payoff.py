"""The Payoff page: an offer to lock a part, what decisions were worth, and checks of locked images by their keys."""

import numpy as np
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.features.payoff import service
from tests.fakes.workspaces import lock_before_scoring


@pytest.fixture
def spoilt(own_digits):
    """The digits with a locked fifth, and 40 labels outside it that were made wrong."""
    table = lock_before_scoring(own_digits)
    threes = np.flatnonzero((table.dataset.labels() == 3) & ~locked_mask(table))
    annotate(table, threes[:40].tolist(), "relabel", 8)
    return table


def test_without_a_locked_part_there_is_no_number_but_an_offer(open_page, own_demo_root, own_digits):
    app = open_page("payoff", own_demo_root)
    assert "No part is locked yet" in app.header[0].value
    app.button(key="payoff.lock").click().run()
    own_digits.refresh()
    assert 0.15 < locked_mask(own_digits).mean() < 0.25
    assert "was made before a part of" in app.error[0].value  # its run has seen all labels


def test_the_sentence_comes_first_with_its_interval(open_page, spoilt):
    app = open_page("payoff", spoilt.workspace.root)
    said = service.payoff(spoilt)
    first = next(one.value for one in app.markdown if "locked images by" in one.value)
    assert "40 decisions changed accuracy" in first
    assert f"{100 * said.gain.gain:+.1f} points" in first
    assert "they hurt" in first
    assert len(app.get("plotly_chart")) == 1


def test_images_are_checked_one_by_one_and_the_answers_are_entries(open_page, asked, spoilt):
    app = open_page("payoff", spoilt.workspace.root, payoff__check="1")
    unchecked = service.payoff(spoilt).unchecked
    first, second = unchecked[:2]
    keys = [button.key for button in app.button if button.key.startswith("payoff.check.")]
    assert all(key.startswith(f"payoff.check.{first}.") for key in keys)
    labels = [int(key.rsplit(".", 1)[1]) for key in keys[:-1]]
    compared = service.compare(spoilt, service.decided(spoilt))
    assert labels == service.candidates(compared, first)
    app.button(key=f"payoff.check.{first}.{labels[0]}").click().run()
    app.button(key=f"payoff.check.{second}.none").click().run()
    spoilt.refresh()
    assert service.checks(spoilt) == {first: labels[0], second: -1}
    assert [entry.action for entry in history_entries(spoilt)[0][:2]] == ["check", "check"]


@pytest.mark.slow
def test_what_to_keep_is_a_chart_on_demand_with_the_command_that_writes_it(open_page, spoilt):
    app = open_page("payoff", spoilt.workspace.root, payoff__keep="1")
    assert len(app.get("plotly_chart")) == 2
    assert app.code[0].value == "avhcurate select digits --rule keep --portion 0.5 --out keep.csv"

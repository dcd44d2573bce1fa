"""A short campaign holds, and an attack sees what falls."""

import os

import pytest

from tests.campaign import images
from tests.campaign.__main__ import ATTACKS, campaign

#: As many as a test run may take; `make test` gives it more.
MINUTES = float(os.environ.get("AVHCURATE_CAMPAIGN_MINUTES", "2"))


@pytest.mark.slow
def test_a_short_campaign_holds():
    outcomes = campaign(MINUTES)
    assert set(outcomes) == set(ATTACKS)
    assert [line for outcome in outcomes.values() for line in outcome.fell] == []
    assert all(outcome.tried or outcome.skipped for outcome in outcomes.values())


@pytest.mark.parametrize("error", [ValueError("not expected"), MemoryError()])
def test_a_decoder_that_raises_something_else_falls(tmp_path, monkeypatch, error):
    def broken(data):
        raise error

    monkeypatch.setattr("avhcurate.workspace.images.decoding.decode", broken)
    monkeypatch.setattr(images, "MOST", 20)
    outcome = images.attack(tmp_path, 300)
    assert len(outcome.fell) == 20
    assert type(error).__name__ in outcome.fell[0]

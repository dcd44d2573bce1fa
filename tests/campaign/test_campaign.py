"""A short campaign holds, and an attack sees what falls."""

import os

import pytest

from tests.campaign import images
from tests.campaign.__main__ import ATTACKS, campaign, main
from tests.campaign.outcome import Attack, Outcome

#: As many as a test run may take; `make test` gives it more.
MINUTES = float(os.environ.get("AVHCURATE_CAMPAIGN_MINUTES", "2"))


@pytest.mark.slow
def test_a_short_campaign_holds():
    outcomes = campaign(MINUTES)
    assert set(outcomes) == set(ATTACKS)
    assert [line for attack, outcome in outcomes.items() for line in attack.faults(outcome)] == []


def test_an_attack_that_tried_too_little_has_not_held(monkeypatch, capsys):
    nothing = Attack("kills", "", 1.0, 5, lambda folder, seconds: Outcome(tried=4))
    monkeypatch.setattr("tests.campaign.__main__.ATTACKS", (nothing,))
    monkeypatch.setattr("sys.argv", ["campaign"])
    assert main() == 1
    assert "FELL kills: not tried: 4 of at least 5" in capsys.readouterr().out


def test_a_decoder_that_raises_something_else_falls(tmp_path, monkeypatch):
    def broken(data):
        raise MemoryError

    monkeypatch.setattr("avhcurate.workspace.images.decoding.decode", broken)
    monkeypatch.setattr(images, "MOST", 20)
    outcome = images.attack(tmp_path, 300)
    assert len(outcome.fell) == 20
    assert "MemoryError" in outcome.fell[0]

"""Acts of a component: each is done once, also where a newer run of the page ends the one that is at it."""

import pytest

from avhcurate.ui.components import mount


def test_an_act_that_a_newer_run_cut_short_comes_again_and_none_comes_twice(monkeypatch):
    acts = [{"at": 1, "action": "tag"}, {"at": 2, "action": "exclude"}, "no act", {"at": "3"}]
    monkeypatch.setattr(mount.st, "session_state", {"grid": {"act": acts}})
    done = []

    def take(cut):
        for act in mount.new_acts("grid"):
            if act["at"] == cut:
                raise KeyboardInterrupt  # as Streamlit ends a run: no Exception
            done.append(act["at"])

    with pytest.raises(KeyboardInterrupt):
        take(cut=2)
    assert (done, mount.handled("grid")) == ([1], 1)
    take(cut=None)
    take(cut=None)
    assert (done, mount.handled("grid")) == ([1, 2], 2)

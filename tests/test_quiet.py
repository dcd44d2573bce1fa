"""Nothing calls out by itself: libraries of other people are used as the verbs use them, in a new home folder."""

import json
import subprocess
import sys

import pytest

from avhcurate import QUIET
from tests.fakes.outside import Outside

#: Uses each library that has called out in some version.
USE = """
import sys
from pathlib import Path
import datasets
import numpy as np
from PIL import Image
import avhcurate
from avhcurate.cli import main
from tests.fakes.networks import save_vit
from tests.networks.models.test_onnx_file import write

def run(*words):
    sys.argv = ["avhcurate", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words

images = [Image.fromarray(each) for each in np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)]
pets = datasets.Dataset.from_dict({"image": images, "label": list("abcd") * 3})
avhcurate.dataset("pets", pets, workspace="workspace")
write("net.onnx")
run("score", "pets", "--model", "onnx:net.onnx")
save_vit(Path("vit"), tuple("abcd"))
run("score", "pets", "--model", "transformers:vit")
"""


@pytest.mark.slow
def test_libraries_leave_nothing_at_home_and_ask_no_other_machine(tmp_path):
    for module in ("onnx", "openvino", "transformers", "datasets"):
        pytest.importorskip(module)
    outside = Outside(tmp_path)
    command = outside.command(sys.executable, "-c", USE)
    ended = subprocess.run(command, cwd=tmp_path, env=outside.environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (outside.left(), outside.asked()) == ([], [])


def test_the_doctor_says_what_is_here_and_what_may_call_out(cli, workspace, monkeypatch):
    for variable, (_, value) in QUIET.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", "postgresql://annabel:secret@host/votes")
    text = cli("doctor", "--workspace", workspace.root).out
    assert "ray sends no reports by itself: RAY_USAGE_STATS_REPORT_URL=http://127.0.0.1:9\n" in text
    assert text.count("MAY CALL OUT") == text.count("ray MAY CALL OUT unless RAY_USAGE_STATS_ENABLED=0") == 1
    found = json.loads(cli("doctor", "--json", "--workspace", workspace.root).out)
    assert [call["library"] for call in found["calls"] if call["value"] != call["quiet"]] == ["ray"]
    assert (found["libraries"]["streamlit"][:2], found["device"][:3]) in {("1.", "cpu"), ("1.", "cud")}
    assert "openvino" in found["extras"]["onnx"]
    said = text + json.dumps(found)
    assert not [word for word in ("secret", "annabel", str(workspace.root)) if word in said]

"""The scripts over HTTP: one module of one version, which holds all that the components import."""

import subprocess

from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.ui.server import script_routes
from avhcurate.ui.server.script_routes import components, script_url
from tests.ui.components.test_components import PROGRAMS

client = TestClient(Starlette(routes=script_routes.routes()))
TELL = "import('./all.mjs').then((all) => Object.entries(all).forEach(([name, run]) => console.log(name, typeof run)))"


def test_one_module_has_what_streamlit_calls_of_each_component_and_is_kept_for_good(tmp_path):
    answer = client.get(script_url())
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    (tmp_path / "all.mjs").write_text(answer.text, encoding="utf-8")
    done = subprocess.run([PROGRAMS / "node", "-e", TELL], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{name} function" for name in components()], done.stderr
    assert {"grid", "scatter", "viewer"} < set(components())


def test_no_other_file_and_no_other_version_is_served():
    for address in (script_url().replace("/scripts/", "/scripts/0"), "/scripts/grid.js", "/scripts/../main.py"):
        answer = client.get(address)
        assert answer.status_code == 404, address

"""Modules over HTTP: of one version each, and all that they import is there."""

import re
from posixpath import dirname, join, normpath

from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.ui import script_routes
from avhcurate.ui.script_routes import script_url

client = TestClient(Starlette(routes=script_routes.routes()))


def test_a_module_and_all_that_it_imports_are_served_under_one_hash_for_good():
    wanted, seen = [script_url("grid/grid.js")], set()
    while wanted:
        address = wanted.pop()
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        seen.add(address)
        found = {normpath(join(dirname(address), name)) for name in re.findall(r' from "(.*)";', answer.text)}
        wanted += found - seen
    assert script_url("shared.js") in seen


def test_no_other_file_and_no_other_version_is_served():
    other = script_url("grid/grid.js").replace("/scripts/", "/scripts/0")
    for address in (other, script_url("mount.py"), script_url("grid/../../main.py"), script_url("%2e%2e/main.py")):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), address

"""A team in a real browser, signed in through a real OpenID Connect provider of its own on this machine."""

import re

import pytest

from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.roles import grant, revoke
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.browser.pages import TILES, expect, open_at, settled
from tests.browser.test_annotate import press, saved
from tests.fakes.votes import collect

provider = pytest.importorskip("oidc_provider_mock", reason="oidc-provider-mock is not installed")

ANN = "ann@example.org"
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{secret}"
client_id = "avhcurate"
client_secret = "any"
server_metadata_url = "http://localhost:{port}/.well-known/openid-configuration"
"""
REFUSED = "needs the role curator"


@pytest.fixture
def team(own_demo_root, serve_fresh, tmp_path):
    """The app with a login, on a copy of the digits with a collection of votes; its address and its workspace."""
    workspace = Workspace(own_demo_root)
    collect(open_dataset(workspace, "digits"), control_share=0.0)
    user = provider.User(sub=ANN, claims={"email": ANN, "email_verified": True})
    with provider.run_server_in_thread(user_claims=[user]) as server:
        secrets = tmp_path / "home" / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir(parents=True)
        secrets.write_text(SECRETS.format(secret=64 * "0", port=server.server_port))
        yield serve_fresh(own_demo_root, HOME=str(tmp_path / "home")).address, workspace


def _sign_in(page, address):
    open_at(page, address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=ANN).click()
    page.wait_for_url(re.compile(re.escape(address)))
    return settled(page)


def _image(page, address):
    # A connection that is kept may be closed as it is used again.
    return page.request.get(f"{address}/images/digits/0", max_retries=2).status


@pytest.mark.slow
def test_roles_are_kept_by_the_server_whatever_the_page_shows(page, team):
    address, workspace = team
    opened = open_dataset(workspace, "digits")
    open_at(page, f"{address}/gallery")
    expect(page.get_by_text("Sign in to see the datasets")).to_be_visible()
    assert (_image(page, address), page.get_by_text("digits").count()) == (401, 0)

    _sign_in(page, address)
    expect(page.get_by_text("have no role in this workspace")).to_be_visible()
    assert (_image(page, address), page.locator(TILES).count()) == (403, 0)

    # As a curator first, so that the page has its buttons; then the role goes, and the open page tries all the same.
    grant(open_events(workspace.root), ANN, "curator")
    open_at(page, f"{address}/gallery")
    assert _image(page, address) == 200
    page.locator(TILES).first.click(modifiers=["Control"])
    exclude = settled(page).get_by_role("button", name="Exclude", exact=True)
    expect(exclude).to_be_enabled()
    grant(open_events(workspace.root), ANN, "annotator")
    exclude.click()
    expect(page.get_by_text(REFUSED).first).to_be_visible()
    opened.refresh()
    assert history_entries(opened.decisions) == ([], 0)
    grant(open_events(workspace.root), ANN, "curator")
    open_at(page, f"{address}/?home.have=classifier")
    score = page.get_by_role("button", name="Start scoring")
    grant(open_events(workspace.root), ANN, "annotator")
    score.click()
    expect(page.get_by_text(REFUSED).first).to_be_visible()
    assert Jobs(workspace.root).newest() is None

    # What an annotator may not do is closed, and answers are in their own name, whatever the address says.
    open_at(page, f"{address}/?home.have=classifier")
    expect(page.get_by_role("button", name="Start scoring")).to_be_disabled()
    open_at(page, f"{address}/annotate?annotate.name=bob")
    press(page, "3")
    saved(page)
    assert annotators.responses(opened.votes)["annotator"].tolist() == [ANN]
    grant(open_events(workspace.root), ANN, "viewer")
    open_at(page, f"{address}/annotate")
    expect(page.get_by_text("Answering needs the role annotator")).to_be_visible()

    # An open page goes on as long as its person has a role.
    open_at(page, f"{address}/gallery?sample=3")
    revoke(open_events(workspace.root), ANN)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("have no role in this workspace")).to_be_visible()
    expect(page.locator(f".viewer, {TILES}")).to_have_count(0)
    grant(open_events(workspace.root), ANN, "viewer")
    open_at(page, f"{address}/gallery")

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()  # the provider asks too
    expect(page.get_by_text("Sign in to see the datasets")).to_be_visible()
    assert _image(page, address) == 401

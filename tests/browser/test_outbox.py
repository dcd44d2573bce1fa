"""Nothing decided is lost: each decision is in the history once, however the page is left, and nowhere else."""

import re
from pathlib import Path

import numpy as np
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.history import history_entries, samples_of
from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.removal import remove_dataset
from avhcurate.features.annotate import annotators
from avhcurate.features.certificate import service as certificate
from avhcurate.features.classes.service import classes_of
from avhcurate.features.suspects.decisions import KEPT
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.event import CLASS_ACTIONS
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, TILES, expect, intercept, open_at, parameter, settled, unanswered
from tests.fakes.datasets import write_images
from tests.fakes.votes import collect
from tests.fakes.workspaces import copied, lock_before_scoring

#: Shows images by position: the first is 0, the next 1.
BY_ID = "sort=id&descending=false"
#: A box around the images of class 3, which are together on the map that is planted.
THREES = "29:-1:37:6"
#: Notes how far the sign of a run, which Streamlit shows for a moment, stands from what is saved.
WATCH_THE_SIGN = """() => {
  window.gap = null;
  const look = () => {
    const sign = document.querySelector("[data-testid=stStatusWidget]");
    const says = document.querySelector("#avhcurate-saving").shadowRoot.querySelector("span");
    if (sign) window.gap = sign.getBoundingClientRect().left - says.getBoundingClientRect().right;
    requestAnimationFrame(look);
  };
  look();
}"""
#: Messages go away after 8 s, which a busy machine may need until a page has come to rest.
MESSAGES_STAY = "(plain => { window.setTimeout = (does, ms) => ms === 8000 ? 0 : plain(does, ms); })(setTimeout)"
#: Images of a decision, at most.
FEW = 10
SAYS, REFUSED = "#avhcurate-saving > span", "#avhcurate-saving .refused"


@pytest.fixture(scope="module")
def filled_root(suspects_root, plant_map, tmp_path_factory) -> Path:
    """The digits with suspects, a map and a collection of answers, and another dataset beside them; to copy."""
    folder = tmp_path_factory.mktemp("outbox")
    root = copied(suspects_root, folder / "workspace")
    plant_map(root)
    collect(open_dataset(Workspace(root), "digits"), control_share=0.0)
    pets = {f"{name}/{number}.png": "red" for name in ("cat", "dog") for number in range(4)}
    import_dataset(Workspace(root), "pets", write_images(folder / "pets", pets))
    return root


@pytest.fixture
def root(filled_root, tmp_path) -> Path:
    """A copy of it that the test may change."""
    return copied(filled_root, tmp_path / "own")


def decided(root, dataset="digits"):
    """What people decided about images of a dataset, each as often as it is written: (action, value, images)."""
    opened = open_dataset(Workspace(root), dataset)
    events = history_entries(opened.decisions)[0]
    images = samples_of(opened.decisions, events, most=FEW)
    decisions = [(event.action, event.value or "", *images[event.id]) for event in events if event.id in images]
    changed = [(event.action, event.value) for event in events if event.action in CLASS_ACTIONS]
    answers = annotators.responses(opened.votes, controls=True)
    return sorted(
        changed + decisions + [("answer", str(label), id) for id, label in answers[["id", "label"]].values.tolist()]
    )


def nothing_kept(page):
    """Waits until the browser keeps no decision any more, which the page says too."""
    page.wait_for_function(NOTHING_KEPT)
    expect(page.locator(SAYS)).to_have_text("all saved")


def loaded(page):
    """Waits until a card has all the pictures that it fetches ahead, which it then shows without a server."""
    page.locator(".stage img.on").wait_for()
    for picture in page.locator(".stage img").all():
        picture.evaluate("picture => picture.decode()")


# --- what is decided: each opens a page, and returns what decides there by keys and says what that is ---------------


def in_gallery(page, address, root):
    open_at(page, f"{address}/gallery?{BY_ID}")
    page.locator(TILES).first.focus()

    def decide():
        for key in ("x", "x", *"tab", "Enter", "l", "7", "Enter", "x"):
            page.keyboard.press(key)
        return [("exclude", "", 0), ("exclude", "", 1), ("exclude", "", 4), ("relabel", "7", 3), ("tag", "ab", 2)]

    return decide


def in_details(page, address, root):
    open_at(page, f"{address}/gallery?{BY_ID}&sample=3")
    expect(page.locator(".viewer")).to_be_focused()

    def decide():
        for key in (*"tab", "Enter", "x"):
            page.keyboard.press(key)
        return [("exclude", "", 3), ("tag", "ab", 3)]

    return decide


def in_map(page, address, root):
    labels = open_dataset(Workspace(root), "digits").dataset.labels()
    first, second = (labels == 3).nonzero()[0][:2].tolist()
    open_at(page, f"{address}/map?{BY_ID}&map.region={THREES}")
    page.locator(TILES).first.focus()

    def decide():
        for key in ("x", *"tab", "Enter"):
            page.keyboard.press(key)
        return [("exclude", "", first), ("tag", "ab", second)]

    return decide


def in_suspects(page, address, root):
    opened = open_dataset(Workspace(root), "digits")
    found = suspects_of(opened.run)[-1].suspects()
    suggested = opened.samples.classes[int(found["suggested"][0])]
    accepted, kept, _, excluded = ids = found["id"].head(4).tolist()
    open_at(page, f"{address}/suspects")
    loaded(page)

    def decide():
        for id, key in zip(ids, "aksx", strict=True):
            page.locator(f".review[data-suspect='{id}'][data-ready='{id}']").wait_for()
            page.keyboard.press(key)
        return [("exclude", "", excluded), ("relabel", suggested, accepted), ("tag", KEPT, kept)]

    return decide


def in_annotate(page, address, root):
    open_at(page, f"{address}/annotate?annotate.name=ada")
    loaded(page)

    def decide():
        said = []
        for key in "374":
            page.locator(".card:not(.waiting)").wait_for()
            said.append(("answer", key, int(page.locator(".card").get_attribute("data-item"))))
            page.keyboard.press(key)
        return sorted(said)

    return decide


def in_payoff(page, address, root):
    opened = lock_before_scoring(open_dataset(Workspace(root), "digits"))
    threes = np.flatnonzero((opened.dataset.labels() == 3) & ~locked_mask(opened.dataset))
    annotate(opened.decisions, threes[:40].tolist(), "relabel", 8)
    open_at(page, f"{address}/payoff?payoff.check=1")
    loaded(page)

    def decide():
        said = []
        for key in "374":
            page.locator(".card:not(.waiting)").wait_for()
            page.wait_for_timeout(150)  # a quicker answer is not counted
            said.append(("check", key, int(page.locator(".card").get_attribute("data-item"))))
            page.keyboard.press(key)
        return sorted(said)

    return decide


def in_certificate(page, address, root):
    opened = open_dataset(Workspace(root), "digits")
    planned = certificate.plan(opened.decisions, opened.votes, at_most=0.5)
    certificate.draw(opened.decisions, planned, 10)
    open_at(page, f"{address}/certificate")
    loaded(page)

    def decide():
        said = []
        for _ in range(3):
            page.locator(".card:not(.waiting)").wait_for()
            page.wait_for_timeout(150)  # a quicker answer is not counted
            said.append(("look", planned.name, int(page.locator(".card").get_attribute("data-item"))))
            page.keyboard.press("?")
        return sorted(said)

    return decide


def in_classes(page, address, root, merges=2):
    """Two merges and a step, each as soon as the images are there; the page may not know of the first merge yet."""
    pairs = classes_of(
        open_dataset(Workspace(root), "digits").samples,
        open_dataset(Workspace(root), "digits").run,
        open_dataset(Workspace(root), "digits").votes,
    ).pairs
    first = pairs.iloc[0]
    rest = pairs[~pairs[["first", "second"]].isin([first["second"]]).any(axis=1)]
    second = rest.iloc[1]
    open_at(page, f"{address}/classes")
    expect(page.get_by_role("heading", name=f"{first['first']} and {first['second']}:")).to_be_visible()
    merge = page.get_by_role("button", name="Merge")
    expect(merge).to_be_enabled()

    def decide():
        page.keyboard.press("m")
        if merges == 2:
            page.keyboard.press("n")
            expect(page.get_by_role("heading", name=f"{second['first']} and {second['second']}:")).to_be_visible()
            expect(merge).to_be_enabled()
            page.keyboard.press("m")
        merged = [f"{pair['first']}, {pair['second']} → {pair['first']}" for pair in (first, second)]
        return sorted(("merge classes", text) for text in merged[:merges])

    return decide


def in_classes_once(page, address, root):
    """One merge: the images of the next pair come from the server."""
    return in_classes(page, address, root, merges=1)


def _slow(*cases):
    """Cases that `make test` leaves to `make test-all`: another takes the same way."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


PLACES = [in_gallery, *_slow(in_annotate, in_details, in_map, in_suspects, in_payoff, in_certificate)]
every_place = pytest.mark.parametrize("open_place", [*PLACES, *_slow(in_classes)])


# --- how a page is left: each returns the page that is open then --------------------------------------------------


def to_another_tab(page, address):
    page.get_by_role("link", name="Home", exact=True).first.click()
    return page


def by_reload(page, address):
    page.reload()
    return page


def by_going_back(page, address):
    page.go_back()
    return page


def by_closing_the_window(page, address):
    context = page.context
    page.close()
    opened = context.new_page()
    opened.goto(f"{address}/saved")
    return opened


every_way = pytest.mark.parametrize("leave", [by_reload, *_slow(to_another_tab, by_going_back, by_closing_the_window)])


@every_place
@every_way
def test_what_was_decided_before_the_page_was_left_is_kept_once(page, serve, root, open_place, leave):
    address = serve(root)
    if leave is by_going_back:
        open_at(page, f"{address}/saved")
    decide = open_place(page, address, root)
    expected = decide()
    page = leave(page, address)
    nothing_kept(page)
    assert decided(root) == expected
    assert decided(root, "pets") == []


@every_way
@pytest.mark.parametrize("open_place", [in_gallery, in_annotate, in_classes])
def test_what_never_reached_the_server_is_sent_by_whichever_page_is_open_then(page, serve, root, open_place, leave):
    address = serve(root)
    if leave is by_going_back:
        open_at(page, f"{address}/saved")
    decide = open_place(page, address, root)
    page.evaluate("localStorage.setItem('test:held', '1')")
    expected = decide()
    page = leave(page, address)
    expect(page.locator(SAYS)).to_have_text(f"no connection, {len(expected)} kept here")
    assert decided(root) == []
    page.evaluate("localStorage.removeItem('test:held')")
    nothing_kept(page)
    assert decided(root) == expected


@pytest.mark.slow
def test_who_is_signed_out_is_told_how_to_sign_in_and_loses_nothing(page, serve, root):
    decide = in_gallery(page, serve(root), root)
    intercept(page, "**/decisions/new", lambda route: route.fulfill(status=401, body="Sign in first."))
    expected = decide()
    expect(page.locator(SAYS)).to_have_text(f"signed out, {len(expected)} kept here")
    expect(page.locator(REFUSED)).to_contain_text("You are signed out. Load this page again to sign in")
    page.unroute("**/decisions/new")
    nothing_kept(page)
    expect(page.locator(REFUSED)).to_be_hidden()
    assert decided(root) == expected


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1360])
def test_what_is_saved_stands_clear_of_the_sign_of_a_run(page, serve, slow_down, root, width):
    page.set_viewport_size({"width": width, "height": 844})
    open_at(page, f"{serve(root)}/gallery")
    page.evaluate(WATCH_THE_SIGN)
    slow_down(1)  # a short run has no sign
    page.locator("[data-testid=stApp]").press("r")
    page.wait_for_function("gap !== null")
    assert page.evaluate("gap") > 0


# --- a dataset that goes while it is shown ------------------------------------------------------------------------


def removed(root, folder):
    remove_dataset(Workspace(root), "digits")
    return "digits was removed; nothing was changed."


def renamed(root, folder):
    Workspace(root).rename("digits", "numbers")
    return "digits was renamed to numbers; nothing was changed."


def imported_anew(root, folder):
    other = write_images(folder / "other", {f"{label}/{n}.png": "blue" for label in range(3) for n in range(4)})
    import_dataset(Workspace(root), "digits", other, force=True)
    return "digits was imported anew, or its classes changed; nothing was changed."


def replaced(root, folder):
    removed(root, folder)
    return imported_anew(root, folder)


@pytest.mark.parametrize("open_place", PLACES)  # a change of classes names these, not images of an import
@pytest.mark.parametrize("go", [removed, *_slow(renamed, imported_anew, replaced)])
def test_decisions_about_a_dataset_that_is_gone_are_refused(unwatched_page, serve, root, tmp_path, open_place, go):
    # An error in the console does not count: Streamlit has one, and is loaded again, where a part of the page runs
    # whose place a run for another dataset has just taken away.
    page = unwatched_page
    decide = open_place(page, serve(root), root)
    intercept(page, "**/changes/**", lambda route: route.abort())  # it does not hear of that before all is decided
    page.evaluate("localStorage.setItem('test:held', '1')")
    why = go(root, tmp_path)
    expected = decide()
    page.evaluate("localStorage.removeItem('test:held')")
    nothing_kept(page)
    said = rf"^{len(expected)} decisions were not saved: .*{re.escape(why)}"
    expect(page.locator(REFUSED)).to_contain_text(re.compile(said))
    assert {name: decided(root, name) for name in Workspace(root).names() if decided(root, name)} == {}
    page.locator(REFUSED).get_by_role("button", name="OK").click()
    expect(page.locator(REFUSED)).to_be_hidden()


@pytest.mark.parametrize("seen", ["by itself", pytest.param("by a click", marks=pytest.mark.slow)])
def test_where_a_dataset_is_removed_nothing_of_another_is_shown_until_that_is_chosen(page, serve, root, seen):
    open_at(page, f"{serve(root)}/gallery?{BY_ID}&dataset=pets")
    expect(page.locator(TILES).first).to_be_visible()
    if seen == "by a click":
        intercept(page, "**/changes/**", lambda route: route.abort())
    remove_dataset(Workspace(root), "pets")
    if seen == "by a click":
        page.get_by_role("link", name="Suspects", exact=True).click()
    expect(page.get_by_role("heading", name="The dataset pets was removed")).to_be_visible()
    settled(page)
    assert parameter(page, "dataset") == "pets"
    expect(page.locator("[data-testid=stMain] img, [data-testid=stMain] h1, .tile")).to_have_count(0)
    page.get_by_role("link", name="Gallery", exact=True).click()
    page.wait_for_url(re.compile("/gallery"))
    expect(page.get_by_role("heading", name="The dataset pets was removed")).to_be_visible()
    expect(settled(page).locator(".tile")).to_have_count(0)
    page.get_by_role("link", name="digits", exact=True).click()
    expect(page.locator(TILES).first.locator(".title")).to_be_visible()
    assert parameter(settled(page), "dataset") == "digits"


def excluded(root):
    """How many images of each dataset are excluded."""
    return {name: open_dataset(Workspace(root), name).samples.decision_counts[1] for name in ("digits", "pets")}


def shown_dataset(page, name):
    """Goes to another dataset on the page that is open."""
    page.get_by_role("combobox", name="Dataset").click()
    page.get_by_role("option", name=re.compile(name)).click()
    expect(page.locator(TILES).first.locator(".title")).to_have_text({"digits": "0", "pets": "cat"}[name])


@pytest.mark.slow
def test_decisions_and_what_undoes_them_are_about_the_dataset_that_was_shown_then(page, serve, root):
    open_at(page, f"{serve(root)}/gallery?{BY_ID}")
    page.locator(TILES).first.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Space")  # all but the first, which is still shown then
    with unanswered(page, "**/ids"):
        page.keyboard.press("x")
        expect(page.locator(SAYS)).to_have_text("1 being saved")
        assert page.evaluate("dispatchEvent(new Event('beforeunload', {cancelable: true}))") is False, "it asks"
        shown_dataset(page, "pets")
    expect(page.locator(".message")).to_contain_text("1,796 images excluded")
    assert excluded(root) == {"digits": 1796, "pets": 0}
    page.locator(TILES).first.focus()
    page.keyboard.press("x")
    expect(page.locator(".message")).to_contain_text("1 image excluded")
    shown_dataset(page, "digits")
    page.locator(".message").get_by_role("button", name="Undo").click()
    expect(page.locator(".message")).to_contain_text("Undid exclude on 1 image")
    assert excluded(root) == {"digits": 1796, "pets": 0}


@pytest.mark.slow
def test_undo_right_after_a_decision_about_many_takes_that_one_back(page, serve, root):
    open_at(page, f"{serve(root)}/gallery?{BY_ID}")
    page.locator(TILES).first.focus()
    page.keyboard.press("x")
    expect(page.locator(".message")).to_contain_text("1 image excluded")
    settled(page).keyboard.press("Control+a")
    with unanswered(page, "**/ids"):
        page.keyboard.press("x")
        page.keyboard.press("u")
        expect(page.locator(SAYS)).to_have_text("1 being saved")
    expect(page.locator(".message")).to_contain_text("Undid exclude on 1,796 images")
    assert excluded(root)["digits"] == 1


@pytest.mark.slow
def test_an_undo_that_is_answered_while_no_grid_is_shown_is_told_by_the_next(page, serve, root):
    open_at(page, f"{serve(root)}/gallery?{BY_ID}")
    page.evaluate(MESSAGES_STAY)
    page.locator(TILES).first.focus()
    held = []
    intercept(page, "**/decisions/new", lambda route: held.append(route))
    page.keyboard.press("Control+a")
    page.keyboard.press("x")
    expect(page.locator(SAYS)).to_have_text("1 being saved")
    page.keyboard.press("u")
    expect(page.locator(SAYS)).to_have_text("2 being saved")
    held[0].continue_()
    expect(page.get_by_text("Every image is excluded")).to_be_visible()
    held[1].continue_()
    expect(page.get_by_text("Undid exclude on 1,797 images")).to_be_visible()
    assert excluded(root)["digits"] == 0
    settled(page)
    message, bar = page.locator(".message").bounding_box(), page.get_by_role("toolbar").bounding_box()
    assert message["y"] + message["height"] <= bar["y"], "it hides none of the buttons"


# --- a server that is killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("open_place", [*PLACES, in_classes_once])
@pytest.mark.slow
@pytest.mark.parametrize("dead", [False, True], ids=["before it is killed", "while it is dead"])
def test_decisions_outlive_the_server(page, serve_fresh, root, open_place, dead):
    server = serve_fresh(root)
    decide = open_place(page, server.address, root)
    if dead:
        server.kill()
        expected = decide()
    else:
        expected = decide()
        server.kill()
    server.start()
    nothing_kept(page)
    assert decided(root) == expected

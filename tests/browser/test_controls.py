"""Every control in every dialog, popover and fragment of the demo is used once in a real browser, and the app lives."""

import re

import pytest

from avhcurate.annotate import answers, queue, setup
from avhcurate.annotate.setup import CollectionSettings
from avhcurate.curate import saved
from avhcurate.data.workspace import Workspace
from avhcurate.table.dataset_table import open_table
from tests.browser.pages import TILES, centre, expect, open_at, settled

#: Kinds of widgets by their test id, what is chosen before what is pressed, and the part of one that takes the click.
PRESSED = {
    "stCheckbox": "label",
    "stButtonGroup": "button >> nth=-1",
    "stSelectbox": "input, [role=combobox]",
    "stMultiSelect": "input",
    "stTextInput": "input",
    "stExpander": "summary",
    "stDownloadButton": "button",
    "stButton": "button",
}
#: Keys of the controls that go to another view, which closes what they stand in a moment after the page came to rest.
LEAVING = ("detail-like",)
#: The kinds and keys of the widgets that can be used now.
CONTROLS = r"""all => all
  .filter(one => one.checkVisibility() && !one.querySelector('button:disabled'))
  .map(one => [one.dataset.testid, one.closest('[class*=st-key-]')?.className.match(/st-key-(\S+)/)[1] ?? ''])"""
#: The pages of the demo that have dialogs or popovers with controls: their parameters, and what opens each dialog.
PAGES = {
    "gallery": (
        "",
        [
            lambda page: page.locator(TILES).nth(3).click(),
            lambda page: page.get_by_role("button", name="Export").click(),
            lambda page: page.get_by_role("button", name="Keys").click(),
        ],
    ),
    "saved": ("", [lambda page: from_menu(page, "Export"), lambda page: from_menu(page, "Rename")]),
    "annotators": ("", [lambda page: withdraw(page)]),
    "annotate": ("?annotate.name=ann", []),
    "disagreement": ("", []),
    "pseudo_labels": ("", []),
}


def from_menu(page, action):
    page.get_by_role("button", name="More").first.click()
    page.get_by_role("menuitem", name=action).or_(page.get_by_role("option", name=action)).click()


def withdraw(page):
    if not page.get_by_text("1 selected", exact=True).count():
        table = page.locator("[class*=st-key-annotators-table]").get_by_test_id("stDataFrame")
        centre(table)
        table.click(position={"x": 18, "y": 54})
        expect(page.get_by_text("1 selected", exact=True)).to_be_visible()
    settled(page).get_by_role("button", name="Withdraw").click()


@pytest.fixture
def lived_in_root(own_demo_root):
    """The demo with a set, a view, and an annotator who gave one answer."""
    workspace = Workspace(own_demo_root)
    for name, number in (("some", 9), ("more", 20)):
        saved.save_set(workspace, "digits", name, range(number))
    saved.save_view(workspace, "digits", "ones", {"dataset": "digits", "class": "1"}, "gallery")
    table = open_table(workspace, "digits")
    setup.configure(table, CollectionSettings(design="classify", target=1), who="lead")
    (question,) = queue.next_questions(table, "ann", ahead=1)
    answers.answer(table, "ann", question.task, question.id, 1, nonce="n", reaction_ms=900)
    return own_demo_root


class Walk:
    """Uses controls by their key, each once, and checks after each that the app still answers."""

    def __init__(self, page):
        self.page, self.used, self.errors = page, set(), []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def check(self, what):
        settled(self.page)
        assert not self.errors, f"{what}: {self.errors}"
        assert self.page.locator("[data-testid=stMain] h1").count(), f"{what}: the page is gone"
        shown = self.page.locator("[data-testid=stException]").all_inner_texts()
        assert not shown, f"{what}: {shown}"

    def everything_in(self, place, reopen):
        """Uses every control in an open dialog or popover, which `reopen` opens again after one that closes it."""
        while True:
            found = place.locator(", ".join(f"[data-testid={kind}]" for kind in PRESSED)).evaluate_all(CONTROLS)
            new = [(kind, key) for kind, key in found if (kind, key) not in self.used]
            if not new:
                return
            kind, key = min(new, key=lambda one: list(PRESSED).index(one[0]))
            self.used.add((kind, key))
            within = f".st-key-{key} " if key not in ("", "details") else ""
            self.use(place.locator(f"{within}[data-testid={kind}]"), kind)
            self.check(f"{kind} {key}")
            if key in LEAVING:
                expect(place).to_have_count(0)
            if not place.count():
                reopen()

    def dialog(self, opener):
        dialog = self.page.get_by_role("dialog")

        def opened():
            opener(self.page)
            expect(dialog).to_be_visible()
            self.check("a dialog opened")
            expect(dialog).to_be_visible()

        opened()
        self.everything_in(dialog, opened)
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
        self.check("a dialog closed")

    def panel(self):
        """The details beside the page: their controls once more, and the viewer's buttons, the one that closes last."""
        page, panel = self.page, self.page.locator(".st-key-details")

        def opened():
            page.locator(TILES).nth(3).click()
            self.check("details opened")

        opened()
        self.press("layout")
        expect(panel).to_be_visible()
        self.used = {one for one in self.used if not one[1].startswith("detail")}
        self.everything_in(panel, opened)
        does = page.locator(".viewer [data-do]:enabled:visible").evaluate_all("all => all.map(one => one.dataset.do)")
        assert len(does) > 8
        for one in sorted(does, key=["layout", "close"].count):
            self.press(one)
            if one == "keys":
                page.keyboard.press("Escape")
            if one == "layout":
                expect(panel).to_have_count(0)
                self.press(one)
                expect(panel).to_be_visible()
        expect(panel).to_have_count(0)

    def press(self, does):
        self.page.locator(f".viewer [data-do={does}]").click()
        self.check(f"{does} of the viewer")

    def popovers(self):
        found = self.page.get_by_test_id("stPopover").evaluate_all(
            "all => all.map(one => one.closest('[class*=st-key-]').className.match(/st-key-(\\S+)/)[1])"
        )
        for key in (re.sub(r"-\d+$", "", key) for key in found):  # a popover that was closed has another number
            button = self.page.locator(f"[class*=st-key-{key}] [data-testid=stPopover] button").first
            if key not in self.used and button.count() and button.is_enabled():
                self.used.add(key)
                button.click()
                self.check(f"opened {key}")
                self.everything_in(self.page.get_by_test_id("stPopoverBody"), button.click)
                self.page.keyboard.press("Escape")
                self.check(f"closed {key}")

    def use(self, widget, kind):
        target = widget.first.locator(PRESSED[kind]).first
        if kind == "stTextInput":
            target.fill("some text")
            target.press("Enter")
            return
        target.click()
        if kind in ("stSelectbox", "stMultiSelect"):
            option = self.page.get_by_role("option")
            if option.count():
                option.last.click()


def test_every_control_in_dialogs_and_popovers_leaves_an_app_that_answers(page, serve, lived_in_root):
    address, walk = serve(lived_in_root), Walk(page)
    for name, (query, openers) in PAGES.items():
        open_at(page, f"{address}/{name}{query}")
        walk.check(name)
        for opener in openers:
            walk.dialog(opener)
        if name == "gallery":
            walk.panel()
        walk.popovers()

"""The Classes page: a pair with its angle and crossings, merged, a class that is split, and undo, as a browser asks."""

import numpy as np
import pytest

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.classes import service
from avhcurate.features.classes.service import classes_of
from avhcurate.ui.base import cache
from tests.fakes.decisions import decide, decision
from tests.fakes.pages import sent


def card(app):
    """What the browser is told by the card of proposals."""
    return next(data for data in sent(app) if "proposals" in data)


def by_name(kind, first, second=None):
    """A change of classes as the browser sends it: it names no image and no version."""
    return decision(kind, of=first, value=second, version="")


@pytest.mark.slow
@pytest.mark.parametrize("beside", [False, True], ids=["here", "beside"])
def test_the_first_pair_is_said_in_words_and_merged_and_undone(open_page, own_digits, monkeypatch, beside):
    if beside:  # as with many images: a process of its own compares
        monkeypatch.setattr(cache, "_QUICK", 0)
    root = own_digits.workspace.root
    first = classes_of(own_digits.samples, own_digits.run, own_digits.votes).pairs.iloc[0]
    app = open_page("classes", root)
    said = f"{first['first']} and {first['second']}: {100 * first['crossings']:.0f} % of simulated votes cross, means"
    assert card(app)["proposals"][0]["text"].startswith(said)
    assert not any(one.why for one in decide(root, by_name("merge classes", first["first"], first["second"])))
    app.run()
    assert not app.exception
    after = open_dataset(own_digits.workspace, "digits")
    assert first["second"] not in after.samples.classes
    assert f"{first['first']} + {first['second']}" in " ".join(caption.value for caption in app.caption)
    (change,) = card(app)["undo"]
    assert (change["first"], change["second"]) == (first["first"], first["second"])
    assert change["text"].endswith(f"merged the classes {first['first']}, {first['second']} → {first['first']}")
    assert not any(one.why for one in decide(root, decision("undo", value=change["number"], version="")))
    assert open_dataset(own_digits.workspace, "digits").samples.classes == own_digits.samples.classes


def test_changes_that_a_quick_hand_sends_follow_each_other_by_name(open_page, own_digits):
    root = own_digits.workspace.root
    open_page("classes", root)
    changes = [by_name("merge classes", "3", "8"), by_name("merge classes", "1", "7"), by_name("split class", "9")]
    refused = by_name("merge classes", "8", "9")
    outcomes = decide(root, *changes, refused)
    assert [bool(one.why) for one in outcomes] == [False, False, False, True]
    assert outcomes[-1].why.startswith("Unknown class 8")
    opened = open_dataset(own_digits.workspace, "digits")
    assert opened.samples.classes == ("0", "1", "2", "3", "4", "5", "6", "9", "9 2")
    decide(root, decision("undo", of=changes[0]["nonce"], version=""))
    assert "8" in open_dataset(own_digits.workspace, "digits").samples.classes


def test_a_page_whose_classes_change_while_it_is_drawn_is_drawn_anew(open_page, own_digits, monkeypatch):
    chosen = service._choices

    def undone_meanwhile(samples, votes, *of):
        if "round" in samples.classes:
            own_digits.decisions.log.revert(votes.dataset.id, merged.id)
        return chosen(samples, votes, *of)

    merged = classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    monkeypatch.setattr(service, "_choices", undone_meanwhile)
    app = open_page("classes", own_digits.workspace.root)
    assert not app.exception
    assert not app.error
    assert {card["first"] for card in card(app)["proposals"]} <= set(own_digits.samples.classes)


def test_a_merged_class_is_offered_to_be_split_into_what_it_was(open_page, own_digits):
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    app = open_page("classes", own_digits.workspace.root, classes__part="split")
    assert card(app)["proposals"][0]["text"].startswith("round: two parts of its embeddings")
    decide(own_digits.workspace.root, by_name("split class", "round"))
    assert open_dataset(own_digits.workspace, "digits").samples.classes[-1] == "round 2"


def test_images_stand_under_the_class_that_they_have_now(open_page, own_digits):
    annotate(own_digits.decisions, own_digits.samples.order(Filters(classes=(3,)))[1:].tolist(), "relabel", 8)
    pair = next(
        n
        for n, row in classes_of(own_digits.samples, own_digits.run, own_digits.votes).pairs.iterrows()
        if {row["first"], row["second"]} == {"3", "8"}
    )
    app = open_page("classes", own_digits.workspace.root, classes__at=str(pair + 1))
    both = np.isin(own_digits.dataset.labels(), [3, 8]).sum()
    assert {"**3** · 1 image", f"**8** · {both - 1} images"} <= {text.value for text in app.markdown}


def test_copies_of_what_classes_made_of_labels_do_not_pile_up(own_digits):
    names = list(own_digits.samples.classes)
    while len(names) > 5:
        gone = names.pop()
        classes.merge(own_digits.decisions, own_digits.workspace, ["0", gone], "0")
        labels = open_dataset(own_digits.workspace, "digits").dataset.labels()
        assert labels.max() == len(names) - 1
    root = own_digits.dataset.root
    assert len(list(root.glob("samples-today-*"))) == len(list(root.glob("runs/*/scores-today-*"))) == 2
    assert np.array_equal(open_dataset(own_digits.workspace, "digits").dataset.labels(), labels)

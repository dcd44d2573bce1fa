"""The Suspects page without a browser: one by one and as a list, deciding, undo, filters, export, empty states."""

import json
import re

import pytest

from avhcurate.datasets.curate.annotations import undo
from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.suspects import decisions
from avhcurate.features.suspects.rules import SOURCES
from avhcurate.features.suspects.store import suspects_of
from avhcurate.features.suspects.suggestions import suspects_now
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_json
from tests.fakes.decisions import decide, decision
from tests.fakes.votes import answer_all
from tests.fakes.workspaces import copied


def digits_of(root):
    return open_dataset(Workspace(root), "digits")


@pytest.fixture(scope="module")
def found(suspects_root):
    """The suspects by rank, as the page shows them."""
    return suspects_of(digits_of(suspects_root).run)[-1].suspects()


@pytest.fixture
def own_root(suspects_root, tmp_path):
    return copied(suspects_root, tmp_path / "own")


def card(app):
    """What the browser is told by the review card."""
    sent = [json.loads(node.proto.json) for node in app.get("bidi_component")]
    return next(data for data in sent if "suspects" in data)


def say(app, root, *decisions):
    """Lets the browser send decisions and ask for what comes next; what came of them, and what the card is told."""
    outcomes = decide(root, *decisions)
    app.run()
    assert not app.exception
    return [one.why for one in outcomes], card(app)


def accept(app, suspect, **more):
    return decision("accept", suspect["id"], of=card(app)["of"], value=suspect["suggested"], **more)


def stands(root, ids):
    return decisions.states(digits_of(root).samples, ids).to_dict()


def test_the_card_holds_the_first_suspects_with_their_evidence(open_page, suspects_root, found, words):
    app = open_page("suspects", suspects_root)
    sent, first = card(app), found.iloc[0]
    assert [one["id"] for one in sent["suspects"]] == found["id"].head(12).tolist()
    assert (sent["place"], sent["total"]) == (0, len(found))
    shown = sent["suspects"][0]
    assert (shown["given"], shown["suggested"]) == (str(first["label"]), first["suggested"])
    assert shown["choices"][0] == {"label": first["suggested"], "name": str(first["suggested"])}
    # Angles and cleanlab judge by the same heads, so angles have no weight.
    assert shown["lead"] == f"Another class is nearer · {first['agreement']} of 3 sources say “{first['suggested']}”"
    assert [row["source"] for row in shown["rows"]] == ["Angles", "Neighbours", "cleanlab", "Votes (simulated)"]
    assert [row["doubts"] for row in shown["rows"]] == [bool(first[f"{s}_doubts"]) for s in SOURCES]
    assert [len(strip["images"]) for strip in shown["strips"]] == [6, 6]
    assert f"/{first['near_suggested'][0]}?" in shown["strips"][1]["images"][0]
    assert sent["tally"] == "Go on until few of the last 20 were wrong."
    said = words(app)
    assert f"Showing {len(found):,} of {len(found):,} suspects (1,797 labels)" in said
    assert re.search(r"Weights\\?: angles \d+%", said)
    assert "How many labels are wrong is not known" in said


@pytest.mark.slow
def test_accepting_keeping_and_undoing_write_the_log(open_page, own_root, found):
    app = open_page("suspects", own_root)
    first, second, third = card(app)["suspects"][:3]
    why, sent = say(app, own_root, accept(app, first, nonce="a"), decision("keep", second["id"]))
    assert why == ["", ""]
    assert [one["state"] for one in sent["suspects"][:3]] == ["accepted", "kept", ""]
    assert (sent["place"], sent["echo"]) == (0, 0)  # the browser says where it is
    app.session_state["suspects.card"] = {"at": {"queue": sent["queue"], "place": 2, "turn": 1}}
    app.run()
    assert (card(app)["place"], card(app)["echo"]) == (2, 1)
    assert card(app)["tally"] == "Of 2 you looked at last, 1 was wrong."
    opened = digits_of(own_root)
    assert opened.samples.sample(first["id"])["curated_label"] == found["suggested"][0]
    assert opened.samples.frame(Filters(tags=(decisions.KEPT,)), columns=["id"])["id"].tolist() == [second["id"]]
    both = decision("undo", of="a"), accept(app, third)
    _, sent = say(app, own_root, *both)
    ids = [one["id"] for one in (first, second, third)]
    assert stands(own_root, ids) == dict(zip(ids, ["", "kept", "accepted"], strict=True))
    assert sent["suspects"][0]["state"] == ""
    # A message that comes twice, as after a lost connection, changes nothing.
    events = history_entries(digits_of(own_root).decisions)[1]
    assert say(app, own_root, *both)[0] == ["", ""]
    assert history_entries(digits_of(own_root).decisions)[1] == events
    assert say(app, own_root, decision("undo", of="never"))[0] == ["There is nothing to undo."]


def test_after_fifty_decisions_it_says_how_many_of_the_next_would_be_changed(open_page, own_root, found):
    opened = digits_of(own_root)
    ids = found["id"].tolist()
    decisions.accept(opened.decisions, dict(zip(ids[:20], found["suggested"].tolist()[:20], strict=True)))
    decisions.keep(opened.decisions, ids[20:55])
    app = open_page("suspects", own_root)
    assert re.match(r"About \d+ of the next \d+ would be changed \(\d+ to \d+\)", card(app)["tally"])


def test_tags_labels_and_exclusions_show_on_the_card_and_one_that_fails_is_refused(open_page, own_root):
    app = open_page("suspects", own_root)
    first, second = (one["id"] for one in card(app)["suspects"][:2])
    acts = [decision("exclude", first), decision("exclude", second), decision("include", second)]
    why, sent = say(app, own_root, *acts, *(decision("tag", second, value=tag) for tag in ("blurred", "")))
    assert [bool(text) for text in why] == [False, False, False, False, True]
    shown = [(one["excluded"], one["tags"]) for one in sent["suspects"][:2]]
    assert shown == [(True, []), (False, ["blurred"])]
    actions = [entry.action for entry in history_entries(digits_of(own_root).decisions)[0]]
    assert actions == ["tag", "include", "exclude", "exclude"]


def test_an_answer_about_another_suggestion_or_one_decided_elsewhere_is_refused(open_page, own_root):
    app = open_page("suspects", own_root)
    first, second = card(app)["suspects"][:2]
    decisions.keep(digits_of(own_root).decisions, [second["id"]])
    other, gone = accept(app, first) | {"value": 11}, accept(app, first) | {"of": "a run/a list"}
    why, _ = say(app, own_root, other, accept(app, second), gone)
    assert "No other label is suggested here any more" in why[0]
    assert "already decided" in why[1]
    assert why[2]
    assert stands(own_root, [first["id"], second["id"]]) == {first["id"]: "", second["id"]: "kept"}


def test_what_people_say_who_are_asked_counts_at_once_on_card_and_command_line(open_page, own_root, found, cli):
    app = open_page("suspects", own_root)
    first, second = (one["id"] for one in card(app)["suspects"][:2])
    assert [one["asked"] for one in say(app, own_root, decision("ask", first, second))[1]["suspects"][:2]] == [
        True,
        True,
    ]
    opened = digits_of(own_root)
    given = opened.dataset.labels()
    others = {
        id: next(n for n in range(10) if n not in (given[id], found.set_index("id")["suggested"][id]))
        for id in (first, second)
    }
    says = {first: [others[first], others[first], given[first]], second: [given[second]] * 2 + [others[second]]}
    for at, who in enumerate(("ada", "bob", "cyd")):
        answer_all(opened, who, lambda id, at=at: int(says[id][at]), 2)
    app.run()
    shown, kept = card(app)["suspects"][:2]
    assert shown["suggested"] == others[first] == shown["choices"][0]["label"]
    assert shown["lead"].endswith(f"2 of 3 people say “{others[first]}”")
    assert kept["suggested"] == -1
    assert kept["lead"].endswith("2 of 3 people say the label")
    assert others[second] in [choice["label"] for choice in kept["choices"]]  # one of them names it
    printed = cli("suspects", "digits", "--out-of-fold", "--limit", 2, "--workspace", own_root).out
    assert re.search(rf" {first} .* {others[first]} .* 2 of 3 people", printed)
    assert re.search(rf" {second} .* NaN .* 2 of 3 people say the label", printed)
    assert say(app, own_root, accept(app, shown))[0] == [""]
    assert digits_of(own_root).samples.sample(first)["curated_label"] == others[first]
    assert say(app, own_root, decision("accept", second, of=card(app)["of"]))[0][0].startswith("No other label")


def test_what_no_source_supports_is_in_no_group(open_page, own_root, grids):
    opened = digits_of(own_root)
    found = suspects_now(opened.samples, opened.votes, suspects_of(opened.run)[-1])
    alone = int((found["suggested"] < 0).sum())
    assert 0 < alone < len(found)
    app = open_page("suspects", own_root, suspects__view="groups")
    *groups, last = grids(app)["Images"]["groups"]
    assert (last["count"], last["lacks"]) == (alone, ["accept", "one"])
    assert sum(group["count"] for group in groups) == len(found) - alone
    assert (found["agreement"][found["suggested"] >= 0] > 0).all()


def test_filters_source_and_verdict_narrow_the_queue(open_page, own_root):
    folder = suspects_of(digits_of(own_root).run)[-1]
    rows = folder.suspects()
    app = open_page("suspects", own_root, **{"class": "3"})
    assert card(app)["total"] == (rows["label"] == 3).sum()
    narrow = {"suspects__source": "angular,cleanlab", "suspects__verdict": "nearer"}
    app = open_page("suspects", own_root, **narrow)
    wrong = rows["angular_doubts"] & (rows["verdict"] == "nearer")
    assert card(app)["total"] == (wrong & rows["cleanlab_doubts"]).sum() > 0
    # A source that the list lacks narrows nothing.
    record = folder.record.model_copy(update={"sources": ["angular", "neighbours"], "missing": {"cleanlab": "none"}})
    write_json(folder.root / folder.FILE, record)
    app = open_page("suspects", own_root, **narrow)
    assert card(app)["total"] == wrong.sum()
    assert app.pills(key="suspects.source").value == ["angular"]


def test_the_page_says_which_pair_is_often_confused_and_opens_lists_of_older_versions(open_page, own_root, words):
    folder = suspects_of(digits_of(own_root).run)[-1]
    write_json(folder.root / folder.FILE, folder.record.model_copy(update={"often": (8, 9)}))
    assert "“8” is often called “9”\\: these labels come first." in words(open_page("suspects", own_root))
    older = json.loads((folder.root / folder.FILE).read_text())
    del older["often"]
    older["weights"] = {"angular": 0.1, "neighbours": 0.2, "cleanlab": 0.3, "votes": 0.1, "pairs": 0.3}
    (folder.root / folder.FILE).write_text(json.dumps(older))
    said = words(open_page("suspects", own_root))
    assert "is often called" not in said
    assert re.search(r"Weights\\?: angles 10%, neighbours 20%, cleanlab 30%, votes 10%\.", said)


def test_an_empty_view_is_told_from_one_that_is_decided_and_undone_it_comes_back(open_page, own_root, found):
    id, opened = int(found["id"][0]), digits_of(own_root)
    decisions.keep(opened.decisions, [id])
    address = {"where": f"id = {id}"}
    app = open_page("suspects", own_root, suspects__view="list", suspects__verdict="open", **address)
    assert "No suspect matches" in app.info[0].value
    app = open_page("suspects", own_root, **address)
    assert "Nothing is left to decide here" in app.info[0].value
    undo(opened.decisions)
    app.run()
    assert not app.info
    assert [one["id"] for one in card(app)["suspects"]] == [id]


@pytest.mark.slow
def test_the_list_decides_many_at_once_and_takes_it_back(open_page, own_root, found, grids, act):
    app = open_page("suspects", own_root, suspects__view="list")
    grid = grids(app)["Images"]
    ids = [tile["id"] for tile in grid["tiles"]]
    assert ids == found["id"].head(60).tolist()
    tile = grid["tiles"][0]
    assert (tile["title"], tile["predicted"]) == (str(found["label"][0]), str(found["suggested"][0]))
    act(app, "accept", 0, 4)
    assert set(stands(own_root, ids[:5]).values()) == {"accepted", ""}
    assert ids[0] not in [tile["id"] for tile in grids(app)["Images"]["tiles"]]
    act(app, "undo")
    assert set(stands(own_root, ids[:5]).values()) == {""}
    act(app, "keep", 1, 3)
    assert stands(own_root, ids[:3]) == {ids[0]: "", ids[1]: "kept", ids[2]: "kept"}


def test_without_suspects_a_button_starts_the_job(open_page, demo_root, monkeypatch, words):
    started = []
    monkeypatch.setattr(background, "start", lambda root, argv, **about: started.append((argv, about)))
    app = open_page("suspects", demo_root)
    assert "No suspects of this run yet" in words(app)
    app.toggle(key="suspects.start_out_of_fold").set_value(True)
    next(button for button in app.button if button.label == "Look for suspects").click().run()
    ((argv, about),) = started
    assert argv[:2] == ["suspects", "digits"]
    assert "--out-of-fold" in argv
    assert about == {"verb": "suspects", "dataset": "digits"}


def test_neighbours_that_the_search_missed_are_said(open_page, own_root, words):
    graph = NeighbourGraph.of_run(digits_of(own_root).run)
    graph.write_record(graph.record.model_copy(update={"recall": 0.94}))
    for page, address in (("suspects", {}), ("gallery", {"sample": "5"})):
        assert "94.0% of the 12 nearest images" in words(open_page(page, own_root, **address))


@pytest.mark.slow
def test_the_list_says_on_demand_what_deciding_about_all_would_do(open_page, suspects_root, found, words):
    assert "is expected to change accuracy" not in words(open_page("suspects", suspects_root, suspects__view="list"))
    said = words(open_page("suspects", suspects_root, suspects__view="list", suspects__expected="1"))
    for deciding in ("Accepting", "Excluding"):
        assert re.search(rf"{deciding} all {len(found):,} is expected to change accuracy by [+-]\d+\.\d points", said)

"""The outbox's Python side: whatever a browser sends, only whole answers of the right scope come through."""

from hypothesis import given
from hypothesis import strategies as st

from avhcurate.ui.components.outbox import read_message

ANYTHING = st.sampled_from(
    [None, True, -1, 0, 7, 2.5, "a", "", "x" * 500, [], [1, 2], [1, 1], [True], {"a": 1}, float("inf"), float("nan")]
)
ENTRY = ANYTHING | st.fixed_dictionaries(
    {"kind": st.sampled_from(["answer", "grid", "back", "broken", "act", "drop table"])},
    optional=dict.fromkeys(("nonce", "id", "task", "choice", "ms", "ids", "ticked", "of", "action", "value"), ANYTHING),
)


def message(*entries, scope="a", turn="t"):
    return {"scope": scope, "turn": turn, "entries": list(entries)}


def test_each_kind_is_read_in_the_order_given():
    sent = message(
        {"kind": "answer", "nonce": "1", "id": 7, "task": "t1", "choice": 3, "ms": 812.6, "at": 5},
        {"kind": "back", "nonce": "2", "of": "1"},
        {"kind": "grid", "nonce": "3", "task": "t2", "ids": [4, 5], "ticked": [5], "ms": 9000},
        {"kind": "broken", "nonce": "4", "task": "t3", "id": 8},
        {"kind": "act", "nonce": "5", "id": 9, "action": "tag", "value": "blurred"},
        {"kind": "act", "nonce": "6", "id": 9, "action": "import labels", "value": None},
    )
    turn, entries = read_message(sent, "a")
    assert turn == "t"
    read = [entry.model_dump(exclude_unset=True) for entry in entries]
    assert read == [{name: value for name, value in one.items() if name != "at"} for one in sent["entries"][:-1]]


def test_another_scope_is_another_persons_answers():
    sent = message({"kind": "back", "nonce": "2", "of": "1"}, scope="digits|bob")
    assert read_message(sent, "digits|ann") == ("", [])


def test_an_entry_that_is_not_whole_does_not_hold_up_the_others():
    sent = message({"kind": "answer", "nonce": "1"}, 7, {"kind": "back", "nonce": "2", "of": "1"})
    assert [entry.nonce for entry in read_message(sent, "a")[1]] == ["2"]


@given(ANYTHING | st.builds(message, ENTRY, ENTRY))
def test_whatever_a_browser_sends_entries_hold_what_they_say(sent):
    for entry in read_message(sent, "a")[1]:
        assert isinstance(entry.nonce, str)
        assert entry.nonce
        if entry.kind == "answer":
            assert all(type(value) is int and value >= 0 for value in (entry.id, entry.choice))
            assert 0 <= entry.ms < float("inf")
        if entry.kind == "grid":
            assert all(type(id) is int and id >= 0 for id in (*entry.ids, *entry.ticked))
            assert len(set(entry.ids)) == len(entry.ids)

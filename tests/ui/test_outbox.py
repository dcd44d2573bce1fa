"""The outbox's Python side: whatever a browser sends, only whole answers of the right scope come through."""

from hypothesis import given
from hypothesis import strategies as st

from avhcurate.ui.components.outbox import (
    Act,
    Answer,
    Broken,
    GridAnswer,
    Message,
    Retraction,
    read_message,
)

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
    assert read_message(sent, "a") == Message(
        "t",
        (
            Answer("1", 7, "t1", 3, 812),
            Retraction("2", "1"),
            GridAnswer("3", "t2", (4, 5), (5,), 9000),
            Broken("4", "t3"),
            Act("5", 9, "tag", "blurred"),
        ),
    )


def test_another_scope_is_another_persons_answers():
    sent = message({"kind": "back", "nonce": "2", "of": "1"}, scope="digits|bob")
    assert read_message(sent, "digits|ann") == Message()


def test_an_entry_without_sense_does_not_hold_up_the_others():
    sent = message({"kind": "answer", "nonce": "1"}, 7, {"kind": "back", "nonce": "2", "of": "1"})
    assert read_message(sent, "a").entries == (Retraction("2", "1"),)


@given(ANYTHING | st.builds(message, ENTRY, ENTRY))
def test_whatever_a_browser_sends_entries_hold_what_they_say(sent):
    for entry in read_message(sent, "a").entries:
        assert isinstance(entry.nonce, str)
        assert entry.nonce
        match entry:
            case Answer():
                assert all(type(value) is int and value >= 0 for value in (entry.id, entry.choice, entry.ms))
            case GridAnswer():
                assert all(type(id) is int and id >= 0 for id in (*entry.ids, *entry.ticked))
                assert type(entry.ms) is int

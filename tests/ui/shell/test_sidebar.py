"""The sidebar stands still: what a run draws anew takes the place of the old, which stays until then."""

from collections import Counter

from streamlit import delta_generator

#: The first number of a place in the sidebar.
SIDEBAR = 1


def test_nothing_in_the_sidebar_is_emptied_before_it_is_filled(open_page, demo_root, monkeypatch):
    places = Counter()
    send = delta_generator._enqueue_message

    def note(message):
        if message.WhichOneof("type") == "delta" and message.metadata.delta_path[0] == SIDEBAR:
            places[tuple(message.metadata.delta_path)] += 1
        send(message)

    monkeypatch.setattr(delta_generator, "_enqueue_message", note)
    open_page("gallery", demo_root, **{"class": "3"})
    assert len(places) > 10
    assert {place: times for place, times in places.items() if times > 1} == {}

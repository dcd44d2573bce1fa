"""Choices of a page: what the widget shows, what it writes into the address, and what it drops from there."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import SCRIPT_TIMEOUT_S


def page():
    import streamlit as st

    from avhcurate.ui.base.page_choices import number, one_of, some_of

    order = one_of("test.order", ["up", "down", "random"], "up")
    some = some_of("test.some", ["a", "b", "c"], ["a"])
    portion = number("test.portion", 0.5, low=0.0, high=1.0)
    names = {"up": "Upwards", "down": "Downwards"}
    st.write(
        order.show(st.segmented_control, "Order", names, on_change=order.restart, args=(portion.name,)),
        some.show(st.multiselect, "Some", ["b", "c"]),
        portion.show(st.slider, "Portion", 0.0, 1.0),
    )


@pytest.fixture
def app():
    test = AppTest.from_function(page, default_timeout=SCRIPT_TIMEOUT_S)
    test.query_params["row"] = "3"
    test.query_params["sample"] = "7"
    test.query_params["test.portion"] = "0.25"
    return test


def test_what_is_not_among_the_options_gives_way(app):
    app.query_params["test.order"] = "random"
    app.run()
    assert app.button_group[0].value == "up"
    assert app.multiselect[0].value == []


def test_a_choice_goes_to_the_address_and_its_default_leaves_it(app):
    app.run()
    assert (app.button_group[0].value, app.slider[0].value) == ("up", 0.25)
    app.slider[0].set_value(0.75).run()
    assert app.query_params["test.portion"] == "0.75"
    app.slider[0].set_value(0.5).run()
    assert "test.portion" not in app.query_params
    app.slider[0].set_value(0.75).run()
    app.button_group[0].set_value("down").run()  # a restart
    assert app.query_params["test.order"] == "down"
    assert not {"row", "sample", "test.portion"} & set(app.query_params)

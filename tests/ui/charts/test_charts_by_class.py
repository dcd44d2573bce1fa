"""Charts by class: all of a few classes, of a thousand the extremes, and the ones that are looked for."""

from streamlit.testing.v1 import AppTest

from tests.conftest import SCRIPT_TIMEOUT_S


def _page():
    import numpy as np
    import pandas as pd
    import streamlit as st

    from avhcurate.ui.charts.charts_by_class import choose_classes

    count = st.session_state.get("count", 1000)
    rows = pd.DataFrame({"name": [f"Class {k}" for k in range(count)]})
    value = pd.Series(np.arange(float(count))).mask(lambda numbers: numbers > 997)
    st.text(" ".join(choose_classes(rows, value, names="name", what="samples", key="here").index.astype(str)))


def test_of_many_classes_the_extremes_are_shown_and_one_is_found_by_a_part_of_its_name():
    app = AppTest.from_function(_page, default_timeout=SCRIPT_TIMEOUT_S).run()
    assert app.text[0].value.split() == [*map(str, range(997, 985, -1)), *map(str, range(11, -1, -1))]
    assert app.caption[0].value == "1,000 classes. Shown are the 12 highest and the 12 lowest by samples."
    app.text_input(key="here.find").set_value("class 77").run()
    assert (len(app.text[0].value.split()), app.caption[0].value) == (11, "11 classes have “class 77” in their name.")

"""Charts by class of a thousand classes: the extremes, how all of them spread, and the one that is looked for."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from avhcurate.ui.charts_by_class import MOST_CLASSES, few_classes, spread

ROWS = pd.DataFrame({"name": [f"class {k}" for k in range(1000)]})


def test_few_classes_stay_whole_and_in_their_order():
    shown = few_classes(ROWS.head(MOST_CLASSES), pd.Series(np.zeros(MOST_CLASSES)), ROWS["name"].head(MOST_CLASSES))
    assert (shown.rows.index.tolist(), shown.left_out) == (list(range(MOST_CLASSES)), 0)


def test_a_class_without_a_value_is_no_extreme():
    value = pd.Series(np.arange(1000.0)).mask(lambda numbers: numbers > 997)
    shown = few_classes(ROWS, value, ROWS["name"])
    assert (shown.rows.index[0], shown.rows.index[-1], shown.left_out) == (997, 0, 1000 - MOST_CLASSES)


def test_every_class_is_in_the_histogram():
    value = pd.Series(np.r_[np.linspace(0, 1, 999), np.nan])
    figure = spread(value, "accuracy")
    assert sum(figure.data[0].y) == 999
    assert figure.layout.shapes[0].x0 == pytest.approx(0.5)
    assert len(spread(pd.Series([3, 3, 3]), "samples").data[0].y) == 1


def test_a_class_is_found_by_a_part_of_its_name():
    def page():
        import pandas as pd
        import streamlit as st

        from avhcurate.ui.charts_by_class import choose_classes

        rows = pd.DataFrame({"name": [f"Class {k}" for k in range(1000)]})
        found = choose_classes(rows, pd.Series(range(1000)), names="name", what="samples", key="here")
        st.text(" ".join(found["name"]))

    app = AppTest.from_function(page).run()
    assert len(app.text[0].value.split()) == 2 * MOST_CLASSES
    assert "976 between them are only in the histogram" in app.caption[0].value
    app.text_input(key="here.find").set_value("class 77").run()
    assert app.text[0].value.count("Class 77") == 11
    assert app.caption[0].value == "11 of 1,000 classes have “class 77” in their name."

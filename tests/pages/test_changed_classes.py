"""Every page opens where classes have changed since the run was made, and says what the run does not know."""

import pytest

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.ui.base.navigation import TITLES


@pytest.fixture(params=["merged", "retired", "added", "split"])
def changed(request, own_digits):
    """The root of the digits with a change of classes that its run does not know."""
    if request.param == "merged":
        classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    elif request.param == "retired":
        classes.retire(own_digits.decisions, own_digits.workspace, "4")
    elif request.param == "added":
        classes.add(own_digits.decisions, own_digits.workspace, "zebra")
        opened = open_dataset(own_digits.workspace, "digits")
        annotate(opened.decisions, [4, 5], "relabel", opened.samples.classes.index("zebra"))
    else:
        annotate(own_digits.decisions, own_digits.samples.order()[:200].tolist(), "tag", "bold")
        classes.split(
            own_digits.decisions, own_digits.workspace, "3", classes.parts_by(own_digits.samples, "3", "bold")
        )
    return own_digits.workspace.root


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(TITLES) - {"home", "toy", "training_dynamics", "self_training"}))
def test_a_page_opens(name, open_page, changed):
    app = open_page(name, changed)
    assert not app.exception, app.exception
    assert not app.error, app.error


def test_the_details_of_an_image_of_a_merged_class(open_page, own_digits):
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    opened = open_dataset(own_digits.workspace, "digits")
    id = int((opened.dataset.labels() == 3).argmax())
    app = open_page("gallery", own_digits.workspace.root, sample=str(id))
    assert not app.exception

"""What an open dataset hands to functions by the names of their parameters, which no type checker sees."""

from inspect import signature
from itertools import takewhile
from typing import get_type_hints

import pytest

from avhcurate.datasets.export.card import dataset_card
from avhcurate.datasets.export.service import FORMATS, describe_export
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.open_dataset import PARTS
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.classes.service import classes_of, parts
from avhcurate.features.home.ui_guide import _FORMS
from avhcurate.features.payoff.service import beforehand
from avhcurate.workspace.data.consensus import ConsensusFolder
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.decisions import TAKERS

KINDS = {
    "workspace": Workspace,
    "dataset": DatasetFolder,
    "samples": SampleTable,
    "run": RunFolder | None,
    "votes": Votes,
    "decisions": Decisions,
    "prediction": PredictionFolder | None,
    "consensus": ConsensusFolder | None,
}
OURS = [one for one in FORMATS.values() if one.__module__.startswith("avhcurate.")]
HANDED = [dataset_card, *TAKERS.values(), *OURS, *_FORMS.values(), describe_export, classes_of, parts, beforehand]


@pytest.mark.parametrize("function", dict.fromkeys(HANDED), ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_parts_come_first_under_their_names_and_are_of_the_type_that_is_said(function):
    names = list(signature(function).parameters)
    first = list(takewhile(PARTS.__contains__, names))
    assert first
    assert not {*names[len(first) :]} & {*PARTS}
    hints = get_type_hints(function)
    assert {name: hints[name] for name in first} == {name: KINDS[name] for name in first}


def test_a_function_gets_what_it_names_and_nothing_else(digits):
    assert digits.hand(lambda votes, run, *more: (votes, run, *more), 3) == (digits.votes, digits.run, 3)
    assert digits.hand(lambda *more: more, 3) == (3,)
    with pytest.raises(TypeError):
        digits.hand(lambda opened, path: path, "out")

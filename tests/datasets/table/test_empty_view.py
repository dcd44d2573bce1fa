"""What an empty view says: votes that are missing, exclusions, or filters that nothing satisfies."""

import numpy as np
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, NothingFound, Run
from avhcurate.features.saved.split_service import make_split
from tests.fakes.datasets import bare_dataset
from tests.fakes.refusals import refused


@pytest.fixture
def pets(workspace):
    bare_dataset(workspace, ["a.png", "b.png", "c.png"], [0, 1, None], ["cat", "dog"], "pets")
    return open_dataset(workspace, "pets")


@pytest.fixture
def uses(pets, tmp_path):
    """What needs samples, by what it would do with those that satisfy filters."""
    return [
        lambda filters: export(pets, filters, "csv", tmp_path / "a.csv"),
        lambda filters: make_split(pets.decisions, pets.votes, pets.run, (0.5, 0.5), filters=filters),
        lambda filters: annotate(pets.decisions, filters, "tag", "odd"),
    ]


def test_a_condition_on_votes_that_there_are_none_of_names_the_command(uses):
    for use in uses:
        for filters in (Filters(where="HSF < 0.4"), Filters(ranges=(("votes", 1, np.inf),)), Filters(hsf_bins=(1,))):
            with refused(Run("votes", "pets", "FILE")):
                use(filters)


def test_a_condition_that_excluded_samples_alone_satisfy_says_so(pets, uses):
    annotate(pets.decisions, Filters(where="id < 2"), "exclude")
    for use in uses:
        with pytest.raises(NothingFound) as caught:
            use(Filters(where="id < 2"))
        assert "2 images" in str(caught.value.what)
        assert Run("exclude", "pets", include=True, where="CONDITION") in caught.value.fix
        with refused(kind=NothingFound):
            use(Filters(where="id > 7"))
        with refused(kind=NothingFound):
            use(Filters(where="id = 2", excluded=True))
    with pytest.raises(CurateError, match="--view excluded=null"):
        uses[0](Filters(where="id < 2"))

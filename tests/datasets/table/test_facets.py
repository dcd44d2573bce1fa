"""Counts of facets against counting row by row, and the edges of their histograms."""

import math
from itertools import pairwise

import pandas as pd
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.facets import Facet, count_facets, ends_of, histogram, round_edges
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.people.bins import bin_labels

NARROW = Filters(hsf_bins=(0, 1), classes=(3, 8), ranges=(("avh", 0.04, 0.06),), where="norm < 14", excluded=None)


@pytest.fixture(scope="module")
def facets(digits):
    edges = round_edges(*ends_of(digits.samples, ["avh"])["avh"], whole=False)
    return [
        Facet("hsf_bins", "_hsf_bin", names=tuple(bin_labels(digits.samples.edges))),
        Facet("ranges", "avh", edges=edges),
        Facet("classes", "label", names=digits.samples.classes),
        Facet("splits", "split"),
        Facet("tags", "tags"),
    ]


@pytest.mark.parametrize("filters", [Filters(), Filters(classes=(3,)), NARROW])
def test_each_facet_counts_the_samples_that_match_its_other_filters(digits, facets, filters):
    hsf, avh, classes, splits, _ = count_facets(digits.samples, filters, facets)
    assert classes == {k: n for k in range(10) if (n := digits.samples.count(filters.with_(classes=(k,))))}
    assert hsf == {b: n for b in range(5) if (n := digits.samples.count(filters.with_(hsf_bins=(b,))))}
    assert splits == {s: n for s in ("train", "test") if (n := digits.samples.count(filters.with_(splits=(s,))))}
    edges, anywhere = facets[1].edges, filters.with_(ranges=())
    for bar, count in avh.items():
        inside = (("avh", edges[bar], math.nextafter(edges[bar + 1], 0)),)
        assert count == digits.samples.count(filters.with_(ranges=inside))
    assert sum(avh.values()) == digits.samples.count(anywhere)


def test_a_histogram_counts_every_value_once_in_bars_that_lead_to_them(digits):
    for column, filters in (("avh", NARROW), ("hsf", Filters(classes=(3,)))):
        bars = histogram(digits.samples, column, filters)
        assert bars["n"].sum() == digits.samples.count(filters) > 0
        assert [digits.samples.count(filters.narrowed(to)) for to in bars["to"]] == bars["n"].tolist()
    assert histogram(digits.samples, "aum", Filters()).empty


def test_tags_count_one_by_one_and_among_those_that_have_the_chosen_ones(own_digits):
    annotate(own_digits.decisions, range(10), "tag", "blurred")
    annotate(own_digits.decisions, range(8, 13), "tag", "odd")
    annotate(own_digits.decisions, [12], "exclude")
    tags = [Facet("tags", "tags")]
    assert count_facets(own_digits.samples, Filters(), tags)[0] == {"blurred": 10, "odd": 4}
    assert count_facets(own_digits.samples, Filters(tags=("blurred",)), tags)[0] == {"blurred": 10, "odd": 2}


def test_of_many_values_the_chosen_and_the_most_frequent_are_counted_and_a_text_finds_others(digits, facets):
    (few,) = count_facets(digits.samples, Filters(classes=(9,)), [facets[2]], limit=3)
    assert list(few) == [1, 3, 9]
    named = Facet("classes", "label", names=("ant", "bee", "cat", "Bear", *"456789"), find="be")
    assert list(count_facets(digits.samples, Filters(), [named])[0]) == [1, 3]
    assert list(count_facets(digits.samples, Filters(), [Facet("splits", "split", find="EST")])[0]) == ["test"]


def test_samples_without_a_value_count_as_none(tmp_path):
    label = pd.array([0, 1, None, 1], dtype="Int32")
    rows = {"id": range(4), "path": list("wxyz"), "split": ["a", None, None, "b"], "label": label}
    pd.DataFrame(rows).to_parquet(tmp_path / "samples.parquet")
    table = SampleTable({"samples": tmp_path / "samples.parquet"}, ("x", "y"))
    facets = [Facet("classes", "label", names=("x", "y")), Facet("splits", "split")]
    label, split = count_facets(table, Filters(classes=(1,)), facets)
    assert label == {0: 1, 1: 2, None: 1}
    assert split == {"b": 1, None: 1}


@pytest.mark.parametrize(
    ("least", "most", "whole"), [(0, 1, False), (-3.7, 1e6, False), (1e-9, 3e-9, False), (7, 7, False), (0, 300, True)]
)
def test_edges_enclose_the_values_in_few_equal_steps(least, most, whole):
    edges = round_edges(least, most, whole=whole)
    assert edges[0] <= least
    assert most <= edges[-1]
    assert 2 <= len(edges) <= 25
    steps = [high - low for low, high in pairwise(edges)]
    assert max(steps) == pytest.approx(min(steps))
    assert not whole or all(edge == int(edge) for edge in edges)

"""The user's own columns of every type and of any name: filters, order, summaries and what an address carries."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.datasets.sources.source_table import user_columns
from avhcurate.datasets.table.columns import FEW, kind_of
from avhcurate.datasets.table.facets import histogram
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError

N = 240
#: Names that break what is put together carelessly: SQL, an address, Markdown, HTML, Arrow.
HOSTILE = (
    'say "hi"',
    "it's",
    "x'); DROP TABLE samples; --",
    "a:b,c~d=e&f",
    "**bold** [link](http://a.b) `code` $x$",
    "<b onclick=alert(1)>",
    "naïve 🐕\N{ZERO WIDTH JOINER}🦺",
    " spaces  and\ttabs ",
    "n" * 200,
    "%s {0} \\",
    "list",
)
EVERY = Filters(excluded=None)


def base(**columns):
    ids = np.arange(N)
    start = {"id": ids, "path": [f"{i}.png" for i in ids], "split": pa.nulls(N, pa.string())}
    rest = {"label": pa.array(ids % 3, pa.int32()), "_file": pa.nulls(N, pa.string()), "_row": pa.nulls(N, pa.int64())}
    return pa.table(start | columns | rest)


def open_samples(folder, table, **more):
    pq.write_table(table, folder / "samples.parquet")
    return SampleTable({"samples": folder / "samples.parquet"}, ("cat", "dog", "eel"), edges=(0.0, 1.0), **more)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    day = datetime.date(2024, 1, 1)
    days = [day + datetime.timedelta(days=i) for i in range(N)]
    moments = [datetime.datetime(2024, 1, 1, 23, 59) + datetime.timedelta(days=i) for i in range(N)]
    number = np.linspace(-1, 1, N)
    number[[0, 5]] = np.nan, np.inf
    table = base(
        number=number,
        whole=pa.array(np.arange(N) % 7, pa.uint8()),
        money=pa.array(np.arange(N)).cast(pa.decimal128(30, 2)),
        day=pa.array(days),
        moment=pa.array(moments, pa.timestamp("us")),
        zoned=pa.array(moments, pa.timestamp("ns", "UTC")),
        few=pa.array([None if i % 10 == 0 else "art" if i % 2 else "photo, old" for i in range(N)]),
        many=pa.array([f"camera {i}" for i in range(N)]),
        seen=pa.array([None if i % 6 == 0 else i % 2 == 0 for i in range(N)]),
        clock=pa.array([datetime.time(i % 24) for i in range(N)]),
    )
    return open_samples(tmp_path_factory.mktemp("kinds"), table, harder={"number": "low"})


def test_each_column_can_do_what_its_type_allows(kinds):
    assert kinds.own("number") == ("number", "whole", "money")
    assert kinds.own("date") == ("day", "moment", "zoned")
    assert kinds.groups == ("few", "seen")
    assert kinds.own("other") == ("clock",)
    assert {key: score.harder for key, score in kinds.ranked.items()} == {"number": "low", "whole": "", "money": ""}
    assert [kinds.ranked[key].sign for key in ("number", "whole")] == [-1, 0]
    assert kind_of("DECIMAL(20,2)") == "other"  # the table turns decimals into numbers before


def test_the_summaries_are_those_of_pandas_without_what_is_missing_or_infinite(kinds):
    found, frame = kinds.summaries, kinds.frame()
    finite = frame["number"][np.isfinite(frame["number"])]
    assert (found["number"].samples, found["number"].low, found["number"].high) == (N - 1, finite.min(), finite.max())
    assert (found["money"].low, found["money"].high) == (0.0, N - 1.0)
    for name in ("day", "moment", "zoned"):
        assert (found[name].low, found[name].high) == (datetime.date(2024, 1, 1), datetime.date(2024, 8, 27))
    assert (found["few"].samples, found["few"].values) == (N - N // 10, 2)
    assert found["many"].values > FEW


def test_values_choose_texts_and_truths_and_samples_without_one(kinds):
    frame = kinds.frame()

    def ids(*chosen):
        return kinds.frame(EVERY.with_(values=chosen), columns=["id"])["id"].tolist()

    assert ids(("few", "photo, old")) == frame.index[frame["few"] == "photo, old"].tolist()
    assert ids(("few", None)) == frame.index[frame["few"].isna()].tolist()
    assert ids(("seen", "true")) == frame.index[frame["seen"].eq(True).fillna(False)].tolist()
    assert ids(("few", "art", None), ("seen", "false")) == [
        i for i in range(N) if (i % 10 == 0 or i % 2) and i % 6 and i % 2
    ]
    assert len(ids(("few",))) == N
    assert len(kinds.group_counts("many", limit=7)) == 7


def test_a_range_of_numbers_and_the_order_are_those_of_pandas(kinds):
    frame = kinds.frame()
    inside = frame.index[frame["number"].between(-0.5, 0.5)].tolist()
    assert kinds.frame(EVERY.with_(ranges=(("number", -0.5, 0.5),)), columns=["id"])["id"].tolist() == inside
    for name in ("number", "whole", "money", "day", "zoned", "few", "seen"):
        ordered = frame.sort_values([name, "id"], ascending=[False, True], na_position="last")["id"].tolist()
        assert kinds.page(EVERY, sort=name, descending=True, limit=N, columns=["id"])["id"].tolist() == ordered


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    numbers = {name: np.linspace(0, 1 + at, N) for at, name in enumerate(HOSTILE)}
    texts = {f"text {name}": pa.array([f"{name}{i % 3}" for i in range(N)]) for name in HOSTILE}
    days = {f"day {name}": pa.array([datetime.date(2024, 1, 1 + i % 30) for i in range(N)]) for name in HOSTILE}
    columns, _ = user_columns(pa.table(numbers | texts | days))
    return open_samples(tmp_path_factory.mktemp("hostile"), base(**columns))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_filters_sorts_and_survives_the_address(hostile, name):
    own = f"user_{name}" if name.startswith("_") else name
    filters = EVERY.with_(
        ranges=((own, 0.25, 0.5),),
        values=((f"text {name}", f"{name}0", f"{name}1"),),
    )
    back = Filters.from_query(filters.to_query() | {"excluded": "null"})
    assert back == filters
    fitted, lost = back.fit(hostile)
    assert (fitted, lost) == (back, [])
    frame = hostile.frame()
    wanted = frame[own].between(0.25, 0.5) & (frame["id"] % 3 < 2)
    assert hostile.frame(back, columns=["id", own])["id"].tolist() == frame["id"][wanted].tolist()
    assert hostile.page(back, sort=own, descending=True, limit=1)["id"].tolist() == frame["id"][wanted].tolist()[-1:]
    assert hostile.summaries[own].samples == N
    assert histogram(hostile, own, EVERY)["n"].sum() == N


def test_a_name_of_the_programs_own_is_imported_under_another(tmp_path):
    own, messages = user_columns(pa.table({"avh": np.ones(N), "AVH": np.ones(N), "hsf": np.ones(N)}))
    table = open_samples(tmp_path, base(**own))
    assert table.user_columns == ("user_avh", "user_AVH_2", "user_hsf")
    assert "avh to user_avh" in messages[0]


def test_a_filter_of_a_column_that_is_not_there_or_of_another_type_is_left_out_and_said(kinds):
    filters = Filters(values=(("gone", "a"), ("number", "1")), ranges=(("day", 0.0, 1.0),))
    fitted, lost = filters.fit(kinds)
    assert fitted == Filters()
    assert len(lost) == 2
    with pytest.raises(CurateError, match="Unknown column gone"):
        kinds.count(filters)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple), max_size=3).map(tuple))
def test_any_column_and_any_values_come_back_from_the_address(values):
    assert Filters.from_query(Filters(values=values).to_query()) == Filters(values=values)


def test_an_empty_column_is_of_no_use_and_no_harm(tmp_path):
    table = open_samples(tmp_path, base(empty=pa.nulls(N), blank=pa.array([""] * N)))
    assert (table.summaries["empty"].samples, table.ranked) == (0, {})
    assert pd.isna(table.frame()["empty"]).all()

"""Only conditions over known columns pass; statements, files and private columns do not."""

import operator
import re
import threading
import time
from contextlib import suppress

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.datasets.table import build, conditions
from avhcurate.datasets.table.columns import quote
from avhcurate.datasets.table.conditions import check_condition
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError

COLUMNS = ["id", "path", "avh", "hsf", "label", "label_name", "tags", "Taken On", "_file"]


@pytest.mark.parametrize(
    "text",
    [
        "avh > 0.1",
        "avh > 0.1 AND (hsf IS NULL OR hsf BETWEEN 0.2 AND 0.4)",
        "label_name IN ('cat', 'dog') AND NOT list_contains(tags, 'seen')",
        "\"Taken On\" = 'x'",
        "path LIKE 'train/%' OR path ILIKE '%.PNG'",
        "lower(label_name) = 'cat' -- a comment",
        "CASE WHEN hsf < 0.5 THEN avh ELSE 0 END > 0.1",
        "label::INTEGER % 2 = 1",
        "'a;b' = path",
        "lower(path) LIKE 'a/' || label_name || '/%'",
    ],
)
def test_conditions_pass(text):
    check_condition(text, COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "length(replace(replace(path, 'a', 'aaaaaaaaaaaa'), 'a', 'aaaaaaaaaaaa')) > 1",
        "length(path" + " || path" * 17 + ") > 1",
        "",
        "1 ORDER BY avh",
        "1 GROUP BY id",
        "avh > (SELECT max(avh) FROM samples)",
        "getenv('HOME') = ''",
        "current_setting('home_directory') = ''",
        "pg_sleep(10)",
        "repeat(path, 1000000000) = ''",
        "row_number() OVER () = 1",
        "list_filter(tags, x -> true) = []",
        "columns('.*') > 1",
        "*",
        "_file = 'x'",
        "avhh > 1",
        "samples.avh > 1",
        "version() = ''",
        "avh > $1",
        "avh > ?",
        "avh > " + "1" * 5000,
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(CurateError):
        check_condition(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("avhh > 1", r"avhh\. Did you mean avh"),
        ("qqq > 1", r"Unknown column qqq\. Choose from "),
        ("Human_Gap > 0", "^Human_Gap is not computed yet. Run `avhcurate predict NAME`"),
        ("duplicate_group = 1", "`avhcurate quality NAME`"),
        ("neighbour_angle > 0", "`avhcurate neighbours NAME`"),
        ("train_aum > 0", "`avhcurate train NAME --model MODEL`"),
    ],
)
def test_an_unknown_column_gets_a_suggestion_or_what_computes_it(text, said):
    with pytest.raises(CurateError, match=said):
        check_condition(text, [*COLUMNS, "predicted"])


@settings(max_examples=12, deadline=None)
@given(text=st.text(alphabet="avhs0.1 ()<>='\";-*,/[]", max_size=30))
def test_what_passes_is_a_single_condition_within_brackets(text):
    try:
        check_condition(text, COLUMNS)
    except CurateError:
        return
    frame = pd.DataFrame({"avh": [0.1], "hsf": [0.1], "a": 0, "v": 0, "h": 0, "s": 0})
    connection = duckdb.connect()
    connection.register("frame", frame)
    try:
        rows = connection.execute(f"SELECT 1 FROM frame WHERE FALSE AND ({text}\n)").fetchall()
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException, duckdb.OutOfRangeException):
        return  # the table says so in its own words
    assert rows == []


@pytest.mark.parametrize(
    "text",
    [
        "regexp_matches(path, '(')",
        "id % 0 = 1",
        "avh::nonsense = 1",
        "path LIKE 'a' ESCAPE 'ab'",
        "regexp_matches(path, 'a', 'zz')",
        "NOT " * 900 + "excluded",
    ],
)
def test_a_condition_that_fails_only_when_it_runs_is_a_mistake_of_the_users(digits, text):
    with pytest.raises(CurateError):
        digits.samples.count(Filters(where=text))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("label = '3'", "label = 3"),
        ("'3' <> label AND avh > 0.1", "label <> 3 AND avh > 0.1"),
        ("predicted IN ('1', '8')", "predicted IN (1, 8)"),
        ("lower(label) LIKE '3%'", "label = 3"),
        ("NOT (curated_label BETWEEN '0' AND '2')", "curated_label > 2"),
        ("label = 3 AND path LIKE 'digits%'", "label = 3 AND path LIKE 'digits%'"),
    ],
)
def test_a_class_compared_with_text_is_meant_by_its_name(digits, text, same):
    assert digits.samples.count(Filters(where=text)) == digits.samples.count(Filters(where=same))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label = 'seven'", "No class is called 'seven'. Choose from 0, 1, 2"),
        ("avh > 0 AND NOT predicted_name IN ('3', '33')", "No class is called '33'. Did you mean 3?"),
        ("'03' <> curated_label", "No class is called '03'. Did you mean "),
    ],
)
def test_a_text_that_is_no_class_is_answered_with_the_nearest(digits, text, said):
    with pytest.raises(CurateError, match=re.escape(said)):
        digits.samples.count(Filters(where=text))


NUMBERS, TEXTS = ("id", "avh", "hsf", "label"), ("label_name", "Taken On")
#: Of the second text column; the first has them as classes that no sample has.
TEXTS_COMPARED = ("mon", "tu%", "o'clock", "--", "")
_SIGNS = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_COMPARE = {sign: getattr(operator, name) for sign, name in _SIGNS.items()}


def some(values, kind):
    """Every seventh value or so is missing."""
    gone = np.random.default_rng(len(values)).random(len(values)) < 0.15
    return pd.array([None if no else value for value, no in zip(values, gone, strict=True)], kind)


@pytest.fixture(scope="module", params=[60, 3_000], ids=["in memory", "on disk"])
def table(request, tmp_path_factory):
    """Few rows in memory, or many on disk, joined in three parts."""
    rows, rng, folder = request.param, np.random.default_rng(4), tmp_path_factory.mktemp("conditions")
    labels = some(rng.integers(0, 3, rows).tolist(), "Int32")
    samples = pd.DataFrame({"id": np.arange(rows), "path": [f"{i}.png" for i in range(rows)], "split": None})
    samples = samples.assign(label=labels, **{"Taken On": some(rng.choice(["mon", "tu%", "o'clock"], rows), "str")})
    scores = pd.DataFrame({"id": np.arange(rows), "predicted": rng.integers(0, 3, rows).astype("int32")})
    scores["avh"] = np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 9, rows) / 8)
    votes = pd.DataFrame({"id": np.arange(0, rows, 2), "hsf": rng.integers(0, 5, rows // 2) / 4, "votes": 4})
    votes = votes.assign(hsf_low=votes["hsf"], hsf_high=votes["hsf"], _hsf_bin=0)
    samples.to_parquet(folder / "samples.parquet")
    scores.to_parquet(folder / "scores.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "MOST_IN_MEMORY", 1000)
        patch.setattr(build, "AT_ONCE", 1000)
        return SampleTable(
            {"samples": folder / "samples.parquet", "scores": folder / "scores.parquet"},
            ["cat", "dog's", "eel", *TEXTS_COMPARED],
            votes=lambda ids: votes[votes["id"].isin(ids)],
            edges=(0.0, 1.0),
        )


def literal(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def compared(column, sign, value):
    """SQL, and what it is of a frame: True, False or missing, row by row."""
    return f"{quote(column)} {sign} {literal(value)}", lambda frame: known(frame, column, _COMPARE[sign], value)


def known(frame, column, test, *values):
    """A test of the values that there are; missing where there is none."""
    given = frame[column]
    return pd.array([None if pd.isna(one) else bool(test(one, *values)) for one in given], "boolean")


def chosen(column, values):
    return (
        f"{quote(column)} IN ({', '.join(map(literal, values))})",
        lambda frame: known(frame, column, lambda one: one in values),
    )


def between(column, low, high):
    return (
        f"{quote(column)} BETWEEN {low} AND {high}",
        lambda frame: known(frame, column, lambda one: low <= one <= high),
    )


def missing(column, negated):
    return (
        f"{quote(column)} IS {'NOT ' if negated else ''}NULL",
        lambda frame: pd.array(frame[column].isna() ^ negated, "boolean"),
    )


def joined(word, first, second):
    both = {"AND": operator.and_, "OR": operator.or_}[word]
    return f"({first[0]}) {word} ({second[0]})", lambda frame: both(first[1](frame), second[1](frame))


NUMBER = st.sampled_from([-1, 0, 1, 2, 0.25, 0.5, 0.875, 1.0, 30])
TEXT = st.sampled_from(["cat", "dog's", *TEXTS_COMPARED])
LEAVES = st.one_of(
    st.builds(compared, st.sampled_from(NUMBERS), st.sampled_from(list(_COMPARE)), NUMBER),
    st.builds(compared, st.sampled_from(TEXTS), st.sampled_from(list(_COMPARE)), TEXT),
    st.builds(chosen, st.sampled_from(NUMBERS), st.lists(NUMBER, min_size=1, max_size=3)),
    st.builds(chosen, st.sampled_from(TEXTS), st.lists(TEXT, min_size=1, max_size=3)),
    st.builds(between, st.sampled_from(NUMBERS), NUMBER, NUMBER),
    st.builds(missing, st.sampled_from(NUMBERS + TEXTS), st.booleans()),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(["AND", "OR"]), inner, inner),
        inner.map(lambda one: (f"NOT ({one[0]})", lambda frame: ~one[1](frame))),
    ),
    max_leaves=6,
)


@settings(max_examples=8, deadline=None)
@given(condition=CONDITIONS)
def test_the_rows_of_random_conditions_are_those_of_pandas(table, condition):
    text, holds = condition
    check_condition(text, table.columns)
    frame = table.frame()
    expected = frame["id"][pd.Series(holds(frame), frame.index).fillna(False).astype(bool)]
    assert table.frame(Filters(excluded=None, where=text), columns=["id"])["id"].tolist() == expected.tolist()


@settings(max_examples=10, deadline=None)
@given(
    condition=CONDITIONS,
    harm=st.sampled_from(
        [
            "{}; DROP TABLE samples",
            "{}) OR (TRUE",
            "{} UNION SELECT 1",
            "({}) AND path IN (SELECT 'x')",
            "({}) AND read_text('/etc/passwd') = ''",
            "({}) OR EXISTS (FROM read_csv('x'))",
            "({}) AND glob('*') = path",
            "({}) AND path IN (FROM 'samples.parquet')",
            "({}) LIMIT 1",
            "({}) AND nextval('x') > 0",
        ]
    ),
)
def test_a_condition_with_a_statement_or_a_file_in_it_is_refused(table, condition, harm):
    with pytest.raises(CurateError):
        table.count(Filters(where=harm.format(condition[0])))
    assert table.count() == table.size


@pytest.mark.parametrize("refused", [False, True])
def test_nothing_holds_a_connection_once_a_condition_was_tried(refused, monkeypatch):
    """A thread that lets go of it while the process ends would abort the process."""
    ends = []

    def watch(cursor, ended):
        ended.wait()
        time.sleep(0.1)
        ends.append(cursor)

    monkeypatch.setattr(conditions, "_interrupt", watch)
    with suppress(CurateError), conditions.limited(duckdb.connect(), "nosuch = 1"):
        if refused:
            raise duckdb.BinderException("no such column")
    assert len(ends) == 1
    assert not [thread for thread in threading.enumerate() if thread.daemon and thread.name.endswith("(watch)")]

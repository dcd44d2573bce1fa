"""Tables are refused by their header before anything else of them is read."""

import os
import resource
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.models.weights import read_weights
from avhcurate.people.files import read_votes
from avhcurate.workspace.disk.arrays import open_array
from avhcurate.workspace.disk.tabular import MOST_COLUMNS, read_table, whole_numbers
from avhcurate.workspace.images.decoding import BrokenImage
from avhcurate.workspace.images.source import ImageSource


def test_a_csv_of_a_hundred_thousand_columns_is_refused_by_its_header(tmp_path):
    names = ",".join(f"column_{i}" for i in range(100_000))
    (tmp_path / "wide.csv").write_text(f"{names}\nthe rest is never parsed,\n\x00")
    started = time.process_time()
    with pytest.raises(CurateError, match=r"has 100,000 columns \(limit 5,000\)"):
        read_table(tmp_path / "wide.csv")
    assert time.process_time() - started < 5  # counting each name among all took minutes


def test_a_parquet_file_of_too_many_columns_is_refused_too(tmp_path):
    names = [f"c{i}" for i in range(MOST_COLUMNS + 1)]
    pq.write_table(pa.table({name: pa.nulls(0, pa.int8()) for name in names}), tmp_path / "wide.parquet")
    with pytest.raises(CurateError, match="has 5,001 columns"):
        read_table(tmp_path / "wide.parquet")


def test_a_first_line_without_an_end_is_no_header(tmp_path):
    with open(tmp_path / "zeros.csv", "wb") as stream:
        stream.truncate(1 << 30)  # sparse: a gigabyte of zeros
    with pytest.raises(CurateError, match="characters or more"):
        read_table(tmp_path / "zeros.csv")


def test_parquet_with_any_byte_of_it_damaged_is_read_or_refused(tmp_path):
    pq.write_table(pa.table({"sample": ["a.png"], "annotator": ["ann"], "label": ["cat"]}), tmp_path / "whole.parquet")
    data, messages = (tmp_path / "whole.parquet").read_bytes(), []
    for place in range(4, len(data) - 8):
        path = tmp_path / "damaged.parquet"
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            read_table(path)
        except CurateError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert [message for message in messages if "\n" in message] == []


def test_a_footer_that_contradicts_itself_does_not_end_the_process(tmp_path):
    path = tmp_path / "words.parquet"
    pq.write_table(pa.table({"word": ["a"], "image": [b"b"]}), path)
    # The columns become required ones, and what is said of their levels is of optional ones.
    data = path.read_bytes()
    for name in (b"\x18\x04word", b"\x18\x05image"):
        assert data.count(b"\x25\x02" + name) == 1
        data = data.replace(b"\x25\x02" + name, b"\x25\x00" + name)
    path.write_bytes(data)
    with pytest.raises(CurateError, match="cannot be read as Parquet"):
        read_table(path)
    places = pa.table({"_file": [str(path)], "_row": [0]})
    with pytest.raises(BrokenImage, match="damaged"):
        ImageSource(places).read_one(0)


def test_a_broken_csv_is_refused_in_one_line(tmp_path):
    (tmp_path / "t.csv").write_text('a,b,c\n1,2,3\n1,"x\ny"\n')
    with pytest.raises(CurateError, match="cannot be read as CSV") as refused:
        read_table(tmp_path / "t.csv")
    assert "\n" not in str(refused.value)


def _lists(path):
    zeros = pa.FixedSizeListArray.from_arrays(np.zeros(20 * 2_000_000, np.float32), 2_000_000)
    pq.write_table(pa.table({"id": range(20), "e": zeros}), path, compression="zstd")


def _long_texts(path):
    texts = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), ["x" * 1_000_000])
    pq.write_table(pa.table({"path": texts}), path, compression="zstd")


def _hole(path):
    with open(path, "wb") as stream:
        header = {"descr": "<i8", "fortran_order": False, "shape": (500_000_000, 10)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 8 * 500_000_000 * 10)


@pytest.mark.parametrize(
    ("save", "read"),
    [
        (_lists, lambda path: open_array(path, member="e")),
        (_long_texts, read_table),
        (_hole, open_array),
        (_hole, lambda path: read_votes(path).counts),
        (_hole, read_weights),
        (lambda path: [path.write_text("path,label\na,b\n"), os.truncate(path, 1 << 35)], read_table),
    ],
)
def test_what_would_take_more_than_its_file_may_is_refused_before_it_is_read(tmp_path, save, read):
    save(tmp_path / "x")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CurateError, match=r"would take [\d,]+ MB, and its [\d.,]+ MB on the disk may take"):
        read(tmp_path / "x")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000  # kB


@pytest.mark.parametrize("numbers", [[], [None], [7, 3], [*range(700), None, 5]])
def test_whole_numbers_are_minus_one_where_they_are_missing(numbers, tmp_path):
    columns = {"a": pa.array(numbers, pa.int32()), "b": pa.array(numbers, pa.int64())}
    pq.write_table(pa.table(columns), tmp_path / "numbers.parquet", row_group_size=300)
    b, a = whole_numbers(tmp_path / "numbers.parquet", "b", "a")
    expected = [-1 if number is None else number for number in numbers]
    assert (a.tolist(), b.tolist(), a.dtype, b.dtype) == (expected, expected, np.int32, np.int64)

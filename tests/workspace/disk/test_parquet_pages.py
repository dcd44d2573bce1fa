"""Page headers of Parquet: sizes as the writer says, and never fewer bytes than rows take."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.workspace.disk.parquet_pages import Pages, read_pages


def chunk(values, **options):
    """The bytes of a file with one column, and where its pages lie."""
    stream = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array(values, pa.binary())}), stream, write_batch_size=5, **options)
    column = pq.ParquetFile(stream).metadata.row_group(0).column(0)
    start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
    return stream, start, column


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_plain_pages_are_counted_with_their_values_and_bytes(version):
    values = [bytes([row]) * 1000 for row in range(23)]
    options = {"use_dictionary": False, "data_page_size": 4000, "data_page_version": version, "compression": "zstd"}
    stream, start, column = chunk(values, **options)
    pages = read_pages(stream, start, column.total_compressed_size)
    assert pages.values.tolist() == [5, 5, 5, 5, 3]
    assert pages.each.tolist() == [0] * 5
    assert pages.sizes[0] == pytest.approx(5 * 1004, abs=16)
    assert pages.largest == pages.sizes.max()
    # Six rows lie in three pages at most when a page holds five.
    assert pages.bytes_of(6) == pages.sizes[:2].sum()
    assert pages.bytes_of(7) == pages.sizes[:3].sum()


def test_a_value_of_a_dictionary_may_be_all_of_it():
    stream, start, column = chunk([b"a" * 5000, b"b"] * 20)
    pages = read_pages(stream, start, column.total_compressed_size)
    assert (pages.each >= 5001).all()
    assert pages.bytes_of(40) >= 20 * 5000
    assert pages.rows_at_once(40, 12_000) == 2
    assert pages.rows_at_once(40, 10**6) == 40


def test_fewer_rows_are_read_until_they_fit():
    pages = Pages(np.array([100, 100]), np.array([10**6, 10**6]), np.array([0, 0]), 10**6)
    assert pages.rows_at_once(200, 10**7) == 200
    # Two pages are what a row group may always take.
    assert pages.rows_at_once(200, 1) == 200
    assert Pages(*pages[:3], 10**5).rows_at_once(200, 1) == 1


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, b"\x15", b"\x15\x00\x15\x00"])
def test_what_is_no_page_is_an_error(damage):
    with pytest.raises(ValueError, match="damaged"):
        read_pages(io.BytesIO(damage), 0, 40)

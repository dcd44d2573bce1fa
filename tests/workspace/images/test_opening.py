"""One image never takes more memory than it is allowed, measured in a process of its own."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from avhcurate.errors import CurateError
from avhcurate.workspace.images import decoding
from avhcurate.workspace.images.decoding import BrokenImage, decode, image_memory, open_image
from tests.fakes.large_images import KINDS, bombs, large_jpeg, measure

#: Two megapixels: enough to show what a pixel takes.
SIZE = (1600, 1200)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    for name, save in KINDS.items():
        save(folder / name, *SIZE)
    return folder


@pytest.mark.parametrize("torch", [False, True])
@pytest.mark.slow
def test_every_kind_takes_at_most_what_it_is_said_to_cost(kinds, torch):
    taken = measure(kinds, memory=10**9, torch=torch)
    assert set(taken) == set(KINDS)
    for name, (megabytes, outcome) in taken.items():
        assert outcome == ("1600x1200x3" if name.endswith("turned") else "1200x1600x3"), name
        with open_image((kinds / name).read_bytes()) as image:
            assert megabytes <= 32 + (decoding.FORMATS[image.format] + 14) * 1.92, name


def test_what_a_few_bytes_claim_is_refused_without_taking_memory(kinds, tmp_path):
    for name, data in bombs().items():
        assert len(data) < 60_000
        (tmp_path / name).write_bytes(data)
    taken = measure(tmp_path, memory=10**9)
    assert {name: outcome for name, (_, outcome) in taken.items() if "x3" in outcome} == {}
    assert max(megabytes for megabytes, _ in taken.values()) < 9


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """What was taken, of a gigabyte allowed, by large photographs, and by Parquet files of large values."""
    folder = tmp_path_factory.mktemp("large")

    def write(name, values, **options):
        images = values if isinstance(values, pa.Array) else pa.array(values, pa.binary())
        pq.write_table(pa.table({"image": images}), folder / f"{name}.parquet", **options)

    value = bytes(2_000_000)
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 400), pa.array([value]))
    write("dictionary", shared, compression="zstd", store_schema=False)
    write("prefix", [value] * 40, compression="zstd", use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")
    write("page", [bytes(270_000_000)], compression="zstd", use_dictionary=False)
    write("value", [bytes(140_000_000)], compression="zstd", use_dictionary=False)
    write("small", [b"1" * 1000] * 40)
    for width, height in [(16_000, 12_000), (60_000, 8_000)]:
        (folder / f"{width}.jpg").write_bytes(large_jpeg(width, height))
    return folder, measure(folder, memory=10**9)


@pytest.mark.slow
def test_images_in_parquet_are_bounded_by_the_pages_that_hold_them(large):
    folder, taken = large
    assert (folder / "dictionary.parquet").stat().st_size < 5000
    assert taken["dictionary.parquet"][1] == taken["prefix.parquet"][1] == "2000000"
    assert "257 MiB" in taken["page.parquet"][1]
    assert "133 MiB" in taken["value.parquet"][1]
    assert taken["small.parquet"][1] == "1000"
    assert max(megabytes for megabytes, _ in taken.values()) < 1000, taken


@pytest.mark.parametrize(("name", "expected"), [("16000.jpg", "6000x8000x3"), ("60000.jpg", "2000x15000x3")])
@pytest.mark.slow
def test_large_honest_photographs_come_out_smaller(name, expected, large):
    assert large[1][name][1] == expected


def test_a_large_scan_of_16_bits_keeps_its_range(monkeypatch):
    monkeypatch.setattr(decoding, "FULL_PIXELS", 10_000)
    ramp = np.tile(np.linspace(0, 65535, 300).astype(np.uint16), (200, 1))
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "PNG")
    pixels = decode(stream.getvalue())
    assert pixels.shape == (67, 100, 3)
    assert (pixels[0, 0, 0], pixels[0, -1, 0]) == (1, 254)  # means of the three outermost columns
    assert np.abs(np.diff(pixels[0, :, 0].astype(int)) - 255 / 99).max() < 1.5


def test_what_is_refused_says_how_to_allow_it(monkeypatch):
    stream = io.BytesIO()
    Image.new("RGB", (4000, 3000)).save(stream, "PNG")
    monkeypatch.setenv("AVHCURATE_IMAGE_MEMORY", "60")
    with pytest.raises(BrokenImage, match=r"too large: 4000 x 3000 pixels may take \d+ MB, .*AVHCURATE_IMAGE_MEMORY"):
        decode(stream.getvalue())
    monkeypatch.setenv("AVHCURATE_IMAGE_MEMORY", "500")
    assert decode(stream.getvalue()).shape == (3000, 4000, 3)
    monkeypatch.setenv("AVHCURATE_IMAGE_MEMORY", "much")
    with pytest.raises(CurateError, match=r"is not a number\. Give megabytes"):
        image_memory()

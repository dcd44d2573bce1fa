"""One image never takes more memory than its header was said to cost, measured in a process of its own."""

import io
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from avhcurate.errors import CurateError
from avhcurate.images import bounds
from avhcurate.images.bounds import MEMORY, BrokenImage, decoding_cost, image_memory, open_image
from avhcurate.images.decoding import decode, read_header
from tests.fakes.large_images import KINDS, bombs, large_jpeg, measure

#: Two megapixels: as many as show what a pixel takes beside what any image takes.
SIZE = (1600, 1200)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    for name, save in KINDS.items():
        save(folder / name, *SIZE)
    return folder


def cost(data):
    image = open_image(data)
    return decoding_cost(image, data, image.size) / 1e6


def test_every_kind_takes_at_most_what_its_header_costs(kinds):
    taken = measure(kinds, memory=10**9)
    assert set(taken) == set(KINDS)
    for name, (megabytes, outcome) in taken.items():
        assert outcome == ("1600x1200x3" if name.endswith("turned") else "1200x1600x3"), name
        assert megabytes <= cost((kinds / name).read_bytes()), name


def test_with_less_memory_none_takes_more_nor_for_what_a_few_bytes_claim(kinds, tmp_path):
    for path in kinds.iterdir():
        (tmp_path / path.name).symlink_to(path)
    for name, data in bombs().items():
        assert len(data) < 60_000
        (tmp_path / name).write_bytes(data)
    taken = measure(tmp_path, memory=46 * 10**6)
    refused = {name for name, (_, outcome) in taken.items() if outcome.startswith("too large")}
    assert set(taken) > refused > {*bombs(), "jpeg2000-rgba", "webp", "jpeg-progressive"}
    # What is refused takes its encoded bytes, at most eight megabytes of a raw TIFF.
    assert {name: mb for name, (mb, _) in taken.items() if mb > (9 if name in refused else 46)} == {}


def test_the_fast_path_of_jpeg_is_bounded_too(kinds, tmp_path):
    for name in ("jpeg", "jpeg-grey", "jpeg-progressive", "jpeg-turned"):
        (tmp_path / name).write_bytes((kinds / name).read_bytes())
    for name, (megabytes, outcome) in measure(tmp_path, memory=10**9, torch=True).items():
        assert outcome.endswith("x3")
        assert megabytes <= cost((kinds / name).read_bytes()) + 3 * 1.92, name


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """What was taken, of 400 megabytes allowed, by large photographs, and by Parquet files of large values."""
    folder = tmp_path_factory.mktemp("large")

    def write(name, values, **options):
        images = values if isinstance(values, pa.Array) else pa.array(values, pa.binary())
        pq.write_table(pa.table({"image": images}), folder / f"{name}.parquet", **options)

    value = bytes(2_000_000)
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 400), pa.array([value]))
    write("dictionary", shared, compression="zstd", store_schema=False)
    write("prefix", [value] * 40, compression="zstd", use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")
    write("page", [bytes(110_000_000)], compression="zstd", use_dictionary=False)
    write("value", [bytes(60_000_000)], compression="zstd", use_dictionary=False)
    write("small", [b"1" * 1000] * 40)
    for width, height in [(16_000, 12_000), (60_000, 8_000)]:
        (folder / f"{width}.jpg").write_bytes(large_jpeg(width, height))
    return folder, measure(folder, memory=400 * 10**6)


def test_images_in_parquet_are_bounded_by_the_pages_that_hold_them(large):
    folder, taken = large
    assert (folder / "dictionary.parquet").stat().st_size < 5000
    assert taken["dictionary.parquet"][1] == taken["prefix.parquet"][1] == "2000000"
    assert "a page of 104 MiB, at most 95 are read" in taken["page.parquet"][1]
    assert "an image of 57 MiB, in Parquet at most 47 are read" in taken["value.parquet"][1]
    assert taken["small.parquet"][1] == "1000"
    assert max(megabytes for megabytes, _ in taken.values()) < 400, taken


@pytest.mark.parametrize(("name", "expected"), [("16000.jpg", (6000, 8000)), ("60000.jpg", (2000, 15000))])
def test_large_honest_photographs_come_out_smaller(name, expected, large):
    folder, taken = large
    assert taken[name][1] == f"{expected[0]}x{expected[1]}x3"
    header = read_header((folder / name).read_bytes())
    assert (header.width, header.height) in {(16_000, 12_000), (60_000, 8_000)}


def test_a_large_scan_of_16_bits_keeps_its_range(monkeypatch):
    monkeypatch.setattr("avhcurate.images.bounds.FULL_PIXELS", 10_000)
    ramp = np.tile(np.linspace(0, 65535, 300).astype(np.uint16), (200, 1))
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "PNG")
    pixels = decode(stream.getvalue())
    assert pixels.shape == (67, 100, 3)
    assert (pixels[0, 0, 0], pixels[0, -1, 0]) == (1, 254)  # means of the three outermost columns
    assert np.abs(np.diff(pixels[0, :, 0].astype(int)) - 255 / 99).max() < 1.5


def test_a_tiff_of_more_pixels_than_pillow_allows_is_judged_by_its_own_cost(monkeypatch):
    stream = io.BytesIO()
    Image.new("I;16", (40, 30)).save(stream, "TIFF", compression="tiff_lzw")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(bounds, "_PILLOWS_PIXELS", 100)
    assert decode(stream.getvalue()).shape == (30, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_threads_share_the_memory():
    most, now, lock = 0, 0, threading.Lock()

    def decode_something():
        nonlocal most, now
        with MEMORY.room(40, 100):
            with lock:
                now += 40
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 40

    threads = [threading.Thread(target=decode_something) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 80


def test_what_is_refused_says_how_to_allow_it(monkeypatch):
    stream = io.BytesIO()
    Image.new("RGB", (4000, 3000)).save(stream, "PNG")
    monkeypatch.setenv("AVHCURATE_IMAGE_MEMORY", "60")
    with pytest.raises(BrokenImage, match=r"too large: 4000 x 3000 pixels take 1\d\d MB .* AVHCURATE_IMAGE_MEMORY"):
        decode(stream.getvalue())
    monkeypatch.setenv("AVHCURATE_IMAGE_MEMORY", "500")
    assert decode(stream.getvalue()).shape == (3000, 4000, 3)
    monkeypatch.setenv("AVHCURATE_IMAGE_MEMORY", "much")
    with pytest.raises(CurateError, match="give a number of megabytes"):
        image_memory()


def test_more_pixels_than_any_memory_allows_are_refused(monkeypatch):
    monkeypatch.setattr(bounds, "MAX_PIXELS", 100)
    stream = io.BytesIO()
    Image.new("L", (11, 10)).save(stream, "PNG")
    with pytest.raises(BrokenImage, match="too large: 11 x 10 pixels"):
        decode(stream.getvalue())

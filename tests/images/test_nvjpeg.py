"""Decoding on a GPU without one: which images it takes, what a failure leaves to the processors, and the trial."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from avhcurate.errors import CurateError
from avhcurate.images import nvjpeg
from avhcurate.images.bounds import BrokenImage
from avhcurate.images.decoding import decode
from avhcurate.images.nvjpeg import CPU, NVJPEG, fastest, pixels


def jpeg(side: int = 24, seed: int = 0, mode: str = "RGB", **options: object) -> bytes:
    """Noise as JPEG; `options` are Pillow's."""
    rgb = np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return jpeg(exif=exif)


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (5, 5), "red").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[bytes]]:
    """A GPU whose pixels are those of the CPU with the lowest bit flipped, and that fails on any damaged image."""
    asked: list[list[bytes]] = []

    def decode_all(encoded: list[bytes], device: object) -> list[np.ndarray]:
        asked.append(list(encoded))
        try:
            return [decode(data) ^ 1 for data in encoded]
        except BrokenImage as broken:
            raise RuntimeError("nvjpeg: one of them is damaged") from broken

    monkeypatch.setattr(nvjpeg, "_on_gpu", decode_all)
    return asked


def test_it_takes_upright_jpegs_and_leaves_the_rest_to_the_processors(calls: list[list[bytes]]) -> None:
    plain, grey = jpeg(seed=1), jpeg(seed=2, mode="L")
    encoded = [plain, png(), grey, turned(), jpeg(mode="CMYK"), BrokenImage("gone"), b"\xff\xd8\xff", b"", plain]
    found = list(pixels(encoded, "cuda"))
    assert [image is not None for image in found] == [True, False, True, False, False, False, False, False, True]
    np.testing.assert_array_equal(found[0], decode(plain) ^ 1)
    np.testing.assert_array_equal(found[2], decode(grey) ^ 1)
    assert calls == [[plain, grey, plain]]


def test_components_that_may_not_be_ycbcr_are_left(calls: list[list[bytes]]) -> None:
    content = jpeg()
    assert content[6:10] == b"JFIF"
    bare = content[:2] + content[20:]  # without its only marker
    assert Image.open(io.BytesIO(bare)).mode == "RGB"
    assert list(pixels([bare], "cuda")) == [None]


def test_few_pixels_are_decoded_at_once_in_the_order_of_the_images(
    calls: list[list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvjpeg, "_AT_ONCE", 2000)
    monkeypatch.setattr(nvjpeg, "_MOST_PIXELS", 2500)
    encoded = [jpeg(seed=seed) for seed in range(5)] + [jpeg(side=44), jpeg(side=50), png(), jpeg(seed=9)]
    found = list(pixels(encoded, "cuda"))
    assert [len(call) for call in calls] == [2, 2, 1, 1, 1]  # of 768 pixels, and of 2288 alone
    for data, image in zip(encoded, found, strict=True):
        if data in (encoded[6], encoded[7]):
            assert image is None
        else:
            np.testing.assert_array_equal(image, decode(data) ^ 1)


def test_a_damaged_image_costs_the_others_nothing(calls: list[list[bytes]]) -> None:
    damaged = jpeg(seed=3)[:300]
    found = list(pixels([jpeg(seed=1), damaged, jpeg(seed=2)], "cuda"))
    assert [image is not None for image in found] == [True, False, True]
    np.testing.assert_array_equal(found[2], decode(jpeg(seed=2)) ^ 1)


def test_an_image_has_the_same_pixels_in_any_batch(calls: list[list[bytes]]) -> None:
    encoded = [jpeg(seed=seed) for seed in range(4)] + [jpeg(seed=7)[:200], png()]
    together = list(pixels(encoded, "cuda"))
    for data, image in zip(encoded, together, strict=True):
        alone = next(pixels([data], "cuda"))
        assert (image is None) == (alone is None)
        assert image is None or np.array_equal(image, alone)


def test_too_little_memory_ends_the_pass_instead_of_mixing_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(encoded: list[bytes], device: object) -> list[np.ndarray]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(nvjpeg, "_on_gpu", full)
    with pytest.raises(CurateError, match=r"smaller --batch-size.*--decode nvjpeg"):
        list(pixels([jpeg()], "cuda"))


@pytest.mark.parametrize(("gpu", "name", "why"), [(0.5, NVJPEG, ""), (2.0, CPU, "nvJPEG is not faster")])
def test_a_trial_chooses(
    calls: list[list[bytes]], monkeypatch: pytest.MonkeyPatch, gpu: float, name: str, why: str
) -> None:
    times = iter([1.0, gpu])

    def timed(run: object, images: int) -> float:
        assert images == 8
        run()  # type: ignore[operator]
        return next(times)

    monkeypatch.setattr(nvjpeg, "_milliseconds", timed)
    chosen = fastest([jpeg(seed=seed) for seed in range(8)] + [png()], "cuda", threads=2)
    assert (chosen.name, chosen.tried, chosen.why) == (name, {CPU: 1.0, NVJPEG: gpu}, why)
    assert [len(call) for call in calls] == [8]


def test_without_jpegs_nothing_is_tried(calls: list[list[bytes]]) -> None:
    chosen = fastest([png()] * 20, "cuda", threads=1)
    assert (chosen.name, chosen.tried, calls) == (CPU, {}, [])
    assert "few" in chosen.why


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_decodes_nearly_the_same_pixels() -> None:
    smooth = np.add.outer(np.arange(300), np.arange(400)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.stack([smooth, smooth.T[:300, :300].repeat(2, 1)[:, :400], 255 - smooth], axis=2)).save(
        stream, "JPEG", quality=90
    )
    data = stream.getvalue()
    image, broken = pixels([data, data[: len(data) // 2]], torch.device("cuda"))
    assert image is not None
    assert image.shape == (300, 400, 3)
    difference = np.abs(image.astype(int) - decode(data))
    assert np.median(difference) <= 2
    assert np.quantile(difference, 0.99) <= 40
    assert broken is None or broken.shape == image.shape

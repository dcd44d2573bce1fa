"""Decoding: every odd kind of image is handled or refused with a reason, and nothing else happens."""

import io
import zlib

import numpy as np
import pytest
import torch  # noqa: F401  its presence switches the fast JPEG path on
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from avhcurate.workspace.images.decoding import BrokenImage, decode, decode_image, encode_thumbnail


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """A smooth picture whose four corners differ: red rises to the right, green downwards."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([255 * x / (width - 1), 255 * y / (height - 1), np.full_like(x, 60)], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def error(pixels: np.ndarray, expected: Image.Image | np.ndarray) -> float:
    return float(np.abs(pixels.astype(float) - np.asarray(expected, float)).mean())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_give_their_very_pixels(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(encoded(picture(), kind, **options)), np.asarray(picture()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotated_jpeg_comes_upright(orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = picture().transpose(undo[orientation]) if orientation in undo else picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(stored, "JPEG", exif=exif, quality=95, subsampling=0))
    assert pixels.shape == (40, 60, 3)
    assert error(pixels, picture()) < 3


def test_a_png_that_says_after_its_pixels_how_it_is_turned_comes_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(), "PNG", exif=exif)
    start, end = data.index(b"eXIf") - 4, data.index(b"IEND") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[stop:end] + data[start:stop] + data[end:]
    assert decode_image(late)[1][1:3] == (40, 60)
    np.testing.assert_array_equal(decode(late), decode(data))


def test_damaged_exif_does_not_spoil_the_pixels() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 20)
    assert error(decode(data), picture()) < 8


def test_cmyk_jpeg_in_adobes_inverted_form_keeps_its_colours() -> None:
    data = encoded(picture().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data[:200]
    assert error(decode(data), picture()) < 4


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(pixels[..., 0], np.arange(256).reshape(16, 16))
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_float_tiff_is_stretched_to_the_full_range() -> None:
    ramp = np.linspace(-5, 5, 64, dtype=np.float32).reshape(8, 8)
    pixels = decode(encoded(Image.fromarray(ramp), "TIFF"))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert (np.diff(pixels[..., 0].ravel().astype(int)) > 0).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = Image.new(mode, (8, 4), (0,) * len(mode))
    image.paste((0,) * (len(mode) - 1) + (255,), (0, 0, 4, 4))
    pixels = decode(encoded(image, "PNG"))
    assert (pixels[:, :4] == 0).all()
    assert (pixels[:, 4:] == 255).all()


def test_palette_with_a_transparent_entry_is_laid_on_white() -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (2, 0, 4, 2))
    pixels = decode(encoded(image, "PNG", transparency=1))
    assert (pixels[:, :2] == [200, 0, 0]).all()
    assert (pixels[:, 2:] == 255).all()


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_animation_gives_its_first_frame(kind: str, options: dict[str, object]) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (decode(data) == [255, 0, 0]).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_truncated_image_is_broken_not_half_grey(kind: str) -> None:
    data = encoded(picture(200, 200), kind)
    with pytest.raises(BrokenImage):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "SVG"),
        (b"<!DOCTYPE html><html>404</html>", "HTML"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"just words", "not an image"),
        (b"GIF89a/*<script>alert(1)</script>*/", "not an image"),
        (b"\xff\xd8\xff", "not an image"),
    ],
)
def test_what_is_no_image_says_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenImage, match=reason) as broken:
        decode(data)
    assert len(broken.value.reason) < 160


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big") for name, body in chunks
    )


@pytest.mark.parametrize("size", [(30_000, 10_000), (60_000, 60_000)])
def test_size_is_judged_by_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(BrokenImage, match="too large"):
        decode(png_claiming(*size))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damage_anywhere_gives_pixels_or_a_reason(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]))
    damaged = bytearray(encoded(picture(24, 16), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(damaged))
    except BrokenImage:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape[2:] == (3,)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"mode": "CMYK"}, {"mode": "L"}])
def test_a_large_jpeg_is_decoded_at_the_smallest_size_that_keeps_what_is_wanted(options: dict[str, object]) -> None:
    image = picture(1600, 1200).convert(str(options.get("mode", "RGB")))
    data = encoded(image, "JPEG", quality=95, **options)
    for least, (height, width) in {100: (150, 200), 150: (150, 200), 151: (300, 400), 600: (600, 800)}.items():
        pixels, header = decode_image(data, least)
        assert (pixels.height, pixels.width) == (height, width)
        assert (header.width, header.height) == (1600, 1200)
        assert error(np.asarray(pixels), image.resize((width, height), Image.Resampling.BOX).convert("RGB")) < 1.5
    assert decode(data).shape == decode(data, 601).shape == (1200, 1600, 3)


def test_a_large_jpeg_that_lies_on_its_side_comes_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = picture(1600, 1200).transpose(Image.Transpose.ROTATE_90)
    pixels = decode(encoded(stored, "JPEG", exif=exif, quality=95), 300)
    assert pixels.shape == (300, 400, 3)
    assert error(pixels, picture(1600, 1200).resize((400, 300), Image.Resampling.BOX)) < 1.5


@pytest.mark.parametrize(("kind", "size"), [("PNG", (1600, 1200)), ("JPEG", (500, 375)), ("JPEG", (1601, 1201))])
def test_what_would_be_stretched_or_is_small_or_no_jpeg_keeps_every_pixel(kind: str, size: tuple[int, int]) -> None:
    data = encoded(picture(*size), kind)
    np.testing.assert_array_equal(decode(data, 200), decode(data))


def test_thumbnail_fits_and_looks_alike() -> None:
    thumbnail = Image.open(io.BytesIO(encode_thumbnail(np.asarray(picture(500, 375)))))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (256, 192))
    assert error(np.asarray(thumbnail), picture(256, 192)) < 4

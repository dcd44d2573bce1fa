"""Images that take much memory for few bytes, and the memory that decoding each of them takes in a process of its own.

As a program, `python -m tests.fakes.large_images FOLDER [--torch]` decodes every file of a folder.
"""

import io
import json
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.fakes.child import in_child


def _saver(kind: str, mode: str, **options: object) -> Callable[[Path, int, int], None]:
    def save(path: Path, width: int, height: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.new(mode, (width, height))
            image.save(path, kind, **{k: v(image) if callable(v) else v for k, v in options.items()})

    return save


def _turned(image: Image.Image) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


#: Ways to write a black image of any size, by what costs memory in it: the format, the mode, a strip, a turn.
KINDS: dict[str, Callable[[Path, int, int], None]] = {
    "png-bilevel": _saver("PNG", "1"),
    "png-grey": _saver("PNG", "L"),
    "png-16-bit": _saver("PNG", "I;16"),
    "png-palette": _saver("PNG", "P", transparency=0),
    "png-rgb": _saver("PNG", "RGB"),
    "png-rgb-key": _saver("PNG", "RGB", transparency=(0, 0, 0)),
    "png-rgba": _saver("PNG", "RGBA"),
    "png-turned": _saver("PNG", "RGB", exif=_turned),
    "tiff-fax": _saver("TIFF", "1", compression="group4"),
    "tiff-16-bit": _saver("TIFF", "I;16", compression="tiff_adobe_deflate"),
    "tiff-float": _saver("TIFF", "F", compression="tiff_lzw"),
    "tiff-rgba": _saver("TIFF", "RGBA", compression="zstd"),
    "tiff-strip": _saver("TIFF", "RGB", compression="tiff_adobe_deflate", tiffinfo={278: 1 << 30}),
    "tiff-strip-turned": _saver("TIFF", "RGB", compression="tiff_adobe_deflate", tiffinfo={278: 1 << 30, 274: 6}),
    "tiff-raw": _saver("TIFF", "CMYK"),
    "jpeg": _saver("JPEG", "RGB"),
    "jpeg-grey": _saver("JPEG", "L"),
    "jpeg-turned": _saver("JPEG", "RGB", exif=_turned),
    "jpeg-cmyk": _saver("JPEG", "CMYK"),
    "jpeg-progressive": _saver("JPEG", "RGB", progressive=True, subsampling=0),
    "webp": _saver("WEBP", "RGB", method=0),
    "webp-lossless": _saver("WEBP", "RGBA", lossless=True, method=0, exact=True),
    "gif": _saver("GIF", "P", transparency=0),
    "bmp": _saver("BMP", "RGB"),
    "ppm": _saver("PPM", "RGB"),
    "pgm-16-bit": _saver("PPM", "I;16"),
    "avif": _saver("AVIF", "RGB", speed=10, max_threads=1),
    "avif-alpha": _saver("AVIF", "RGBA", speed=10, max_threads=1, subsampling="4:4:4"),
    "jpeg2000": _saver("JPEG2000", "RGB", num_resolutions=3),
    "jpeg2000-rgba": _saver("JPEG2000", "RGBA", num_resolutions=3),
}


def bombs() -> dict[str, bytes]:
    """Files of a few kilobytes that claim much: by a header, a tile, a frame, one strip used often, or pixels alike."""
    webp = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2 + b"\0\0\0\0"
    jpeg = _written("JPEG", "RGB", progressive=True, subsampling=0)
    at = jpeg.index(b"\xff\xc2") + 5
    gif = bytearray(_written("GIF", "P"))
    gif[6:10] = b"\xff\xff\xff\xff"
    tile = _tiff({256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 32768, 323: 32768, 324: 8, 325: 8}, b"\0" * 8)
    strip = zlib.compress(bytes(4 * 12000 * 250))
    number = 12000 // 250
    tags = {256: 12000, 257: 12000, 258: (8,) * 4, 259: 8, 262: 2, 277: 4, 278: 250, 338: 2}
    shared = _tiff(tags | {273: (8,) * number, 279: (len(strip),) * number}, strip)
    return {
        "pixels.png": _written("PNG", "1", size=(16000, 16000)),
        "header.webp": webp,
        "header.jpg": jpeg[:at] + b"\x1d\x4c\xff\xdc" + jpeg[at + 4 :],
        "screen.gif": bytes(gif),
        "tile.tif": tile,
        "strips.tif": shared,
    }


def _written(kind: str, mode: str, size: tuple[int, int] = (16, 16), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def _tiff(tags: dict[int, int | tuple[int, ...]], body: bytes) -> bytes:
    """A little-endian TIFF whose one directory of long numbers follows `body`, which begins at byte 8."""
    start = 8 + len(body)
    end, entries, apart = start + 6 + 12 * len(tags), b"", b""
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        entries += packed if len(values) == 1 else struct.pack("<I", end + len(apart))
        apart += packed if len(values) > 1 else b""
    return b"II*\0" + struct.pack("<I", start) + body + struct.pack("<H", len(tags)) + entries + b"\0" * 4 + apart


def large_jpeg(width: int, height: int) -> bytes:
    """A JPEG of any size, of one row of blocks again and again: each begins anew, so that its bytes may be repeated."""
    stripes = np.tile(np.arange(width, dtype=np.uint16)[None, :, None] // 64 % 256, (16, 1, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([stripes, stripes])).save(stream, "JPEG", restart_marker_rows=1, subsampling=2)
    data = stream.getvalue()
    size = data.index(b"\xff\xc0") + 5
    scan = data.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    row = data[start : data.index(b"\xff\xd0", start)]
    rows = b"".join(row + bytes([0xFF, 0xD0 + number % 8]) for number in range(height // 16))[:-2]
    return data[:size] + height.to_bytes(2, "big") + data[size + 2 : start] + rows + b"\xff\xd9"


def measure(folder: Path, *, memory: int, torch: bool = False) -> dict[str, tuple[float, str]]:
    """By file name: megabytes that decoding it took above what the process had, and what came of it.

    `memory`: bytes that decoding may take.
    """
    command = [sys.executable, "-m", "tests.fakes.large_images", str(folder), *(["--torch"] if torch else [])]
    environment = {**os.environ, "AVHCURATE_IMAGE_MEMORY": str(memory / 1e6), "MALLOC_ARENA_MAX": "1"}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
    return {name: (megabytes, outcome) for name, megabytes, outcome in map(json.loads, output.splitlines())}


def _decode_each(folder: Path) -> None:
    if "--torch" in sys.argv:
        import torch

        torch.set_num_threads(1)
    from avhcurate.workspace.images.decoding import decode

    # Whatever is loaded when it is first used is no image's.
    pq.write_table(pa.table({"image": [b"1"] * 40}), folder / "warm.parquet")
    _read(folder / "warm.parquet")
    (folder / "warm.parquet").unlink()
    warm = folder / "warm"
    for save in KINDS.values():
        save(warm, 16, 16)
        decode(warm.read_bytes())
    warm.unlink()
    for path in sorted(folder.iterdir()):
        ended = in_child(lambda path=path: _outcome(path))  # type: ignore[misc]
        if ended.code:
            ended = ended._replace(megabytes=float("inf"), value=f"killed: {ended.value}")
        print(json.dumps([path.name, ended.megabytes * 2**20 / 1e6, ended.value]), flush=True)


def _outcome(path: Path) -> str:
    from avhcurate.workspace.images.decoding import BrokenImage

    try:
        return "x".join(map(str, _read(path)))
    except BrokenImage as broken:
        return broken.reason


def _read(path: Path) -> Sequence[int]:
    """The shape of an image; of a Parquet file, the sizes of its first images."""
    from avhcurate.workspace.images.decoding import BrokenImage, decode
    from avhcurate.workspace.images.source import ImageSource

    if path.suffix != ".parquet":
        return decode(path.read_bytes()).shape
    rows = 40
    source = ImageSource(pa.table({"_file": [str(path)] * rows, "_row": list(range(rows))}))
    sizes = []
    for data in source.read(range(rows)):
        if isinstance(data, BrokenImage):
            raise data
        sizes.append(len(data))
    return sizes[:1]


if __name__ == "__main__":
    _decode_each(Path(sys.argv[1]))

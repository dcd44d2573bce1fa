"""Fuzzed images: each is decoded or refused with a reason, within the memory that one image may take."""

import io
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fakes.campaign.outcome import Outcome
from tests.fakes.child import in_child
from tests.fakes.large_images import KINDS, bombs

#: Images at most and, whatever the time, at least; so many a process.
MOST, LEAST, CHUNK = 10_000, 200, 200
#: Black images about as large as are decoded, in long campaigns: to write one takes seconds.
FULL, SIDE, LONG_S = ("png-rgba", "png-16-bit", "tiff-strip", "tiff-float", "jpeg-progressive"), 9_000, 60
#: Megabytes above what the process had: one image's bound, and what a decoder and the interpreter take beside it.
BOUND = 1100
FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "PCX", "SGI", "JPEG2000", "AVIF"),
    *("MPO", "DDS"),
)


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, ends, peak = Outcome(), Counter[str](), 0.0
    fuzzed = itertools.islice(fuzz(_seeds(folder)), MOST)
    whole, end = _whole(folder, seconds), time.monotonic() + seconds
    while (time.monotonic() < end or outcome.tried < LEAST) and (
        chunk := list(itertools.islice(whole, 1)) or list(itertools.islice(fuzzed, CHUNK))
    ):
        ended = in_child(lambda chunk=chunk: [_decode(data) for _, data in chunk], limit=300)  # type: ignore[misc]
        peak = max(peak, ended.megabytes)
        outcome.check(ended.code == 0, f"a process ended with {ended.code} in {[name for name, _ in chunk][:3]}...")
        outcome.check(ended.megabytes < BOUND, f"{ended.megabytes:.0f} MB for {[name for name, _ in chunk][:3]}...")
        for (name, _), result in zip(chunk, ended.value or [], strict=False):
            fine = result == "decoded" or (result == "refused" and "a side" not in name)
            outcome.check(fine, f"{name}: {result}")
            ends[result] += 1
    outcome.figures = {**{name: f"{count:,}" for name, count in ends.items()}, "peak": f"{peak:.0f} MB"}
    return outcome


def _whole(folder: Path, seconds: float) -> Iterator[tuple[str, bytes]]:
    """Yield images that claim much in few bytes, and those that really are as large as may be."""
    yield from bombs().items()
    for name in FULL if seconds > LONG_S else ():
        path = folder / f"whole-{name}"
        made = in_child(lambda name=name, path=path: KINDS[name](path, SIDE, SIDE))  # type: ignore[misc]
        if made.code:
            raise RuntimeError(f"{name} of {SIDE} a side could not be made: {made.code}, {made.value}")
        yield f"{name} of {SIDE} a side", path.read_bytes()


def _decode(data: bytes) -> str:
    from avhcurate.workspace.images.decoding import BrokenImage, decode

    try:
        decode(data)
    except BrokenImage:
        return "refused"
    except BaseException as error:
        return repr(error)[:200]
    return "decoded"


def _seeds(folder: Path) -> list[tuple[str, bytes]]:
    """Small images of every format that can be written here, and black ones that claim much."""
    rng, seeds = np.random.default_rng(0), []
    for format, mode in itertools.product(FORMATS, ("RGB", "L", "P", "RGBA", "1", "I;16")):
        image = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).convert("RGB")
        stream = io.BytesIO()
        try:
            image.convert(mode).save(stream, format)
        except (OSError, ValueError, KeyError, AttributeError, SystemError):
            continue
        seeds.append((f"{format} {mode}", stream.getvalue()))
    for name, save in KINDS.items():
        path = folder / name
        save(path, 2000, 1500)
        if path.stat().st_size < 2_000_000:
            seeds.append((name, path.read_bytes()))
    return seeds


def two_classes(count: int) -> list[str]:
    """Names of images of the classes a and b in turn."""
    return [f"{'ab'[number % 2]}/{number}.png" for number in range(count)]


def fuzz(seeds: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Seeds with bytes flipped, cut off, put in, or numbers of the head or end made large, without end."""
    rng = np.random.default_rng(1)
    for number in itertools.count():
        name, data = seeds[number % len(seeds)]
        body, kind = bytearray(data), int(rng.integers(5))
        head = min(len(body), 128)
        if kind == 0:
            for place in rng.integers(0, len(body), 1 + int(rng.integers(8))):
                body[place] = int(rng.integers(256))
        elif kind == 1:
            del body[int(rng.integers(1, len(body))) :]
        elif kind == 2:
            place = int(rng.integers(len(body)))
            body[place:place] = rng.bytes(int(rng.integers(1, 64)))
        elif kind == 3:
            place = int(rng.integers(max(1, head - 4)))
            body[place : place + 4] = bytes.fromhex(rng.choice(["ffffffff", "7fffffff", "0000ffff", "00010000"]))
        else:
            start = int(rng.integers(2)) * (len(body) - head)
            for place in start + rng.integers(0, head, 2):
                body[place] = int(rng.integers(256))
        yield f"{name} #{number}", bytes(body)

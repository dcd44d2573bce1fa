"""Hostile files and names: one line and exit code 2, or a sample recorded as broken; nothing runs, nothing is read."""

import io
import json
import math
import os
import pickle
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tests.fakes.campaign.images import two_classes
from tests.fakes.campaign.outcome import Outcome
from tests.fakes.child import Said, avhcurate, in_child
from tests.fakes.datasets import write_images

#: What is tried at least, whatever the time.
LEAST = 15
#: Megabytes above the start that reading one file may take.
BOUND = 1000
Attempt = tuple[str, tuple[str, ...]]


class _Runs:
    """Unpickled, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.system, (f"touch {self.trace}",)


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, space, trace = Outcome(), ("--workspace", str(folder / "ws")), folder / "it-ran"
    _begin(folder, space)
    peak, end = 0.0, time.monotonic() + seconds
    for name, arguments in _attempts(folder, trace):
        if time.monotonic() > end and outcome.tried >= LEAST:
            break
        ended = in_child(lambda arguments=arguments: avhcurate(*arguments, *space), limit=60)  # type: ignore[misc]
        peak = max(peak, ended.megabytes)
        outcome.check(_withstood(ended.code, ended.value), f"{name}: {ended.code}, {str(ended.value)[:300]}")
        outcome.check(ended.megabytes < BOUND, f"{name}: {ended.megabytes:.0f} MB")
        outcome.check(not trace.exists(), f"{name}: its code ran")
        trace.unlink(missing_ok=True)
    strays = [path.name for path in folder.parent.iterdir() if path != folder and "stray" in path.name]
    outcome.check(not strays, f"written outside: {strays}")
    outcome.figures = {"peak": f"{peak:.0f} MB"}
    return outcome


def _withstood(code: int, said: object) -> bool:
    """A call that ended, with one line of reason or with success, and without a traceback."""
    if code or not isinstance(said, Said):
        return False
    one_line = said.err.count("\n") <= 1 or said.code == 0
    return said.code in (0, 2, 3) and one_line and "Traceback" not in said.err and "root:x:" not in said.out


def _begin(folder: Path, space: tuple[str, ...]) -> None:
    (folder / "out").mkdir()
    colors = [f"#{40 * number:02x}0000" for number in range(6)]
    write_images(folder / "pets", dict(zip(two_classes(6), colors, strict=True)))
    said = in_child(lambda: avhcurate("import", "pets", str(folder / "pets"), *space)).value
    if not isinstance(said, Said) or said.code:
        raise RuntimeError(f"the campaign could not begin: {said}")


def _attempts(folder: Path, trace: Path) -> Iterator[Attempt]:
    for name, path in _weights(folder, trace):
        yield f"weights: {name}", ("score", "pets", "--model", "avhcurate:resnet20", "--weights", str(path))
    for name, path in _votes(folder, trace):
        yield f"votes: {name}", ("votes", "pets", str(path), "--force")
    for number, (name, path) in enumerate(_manifests(folder)):
        yield f"manifest: {name}", ("import", f"m{number}", str(path))
    for name, path in _arrays(folder, trace):
        yield f"features: {name}", ("attach", "pets", "--features", str(path))
    for name in ("../stray", "/stray", "a/../../stray", "a\x00b", "", ".", "..", "x" * 5000, "\u202estray", "-x"):
        yield f"name: {name[:20]!r}", ("import", name, str(folder / "pets"))
        if "\0" not in name:  # no shell can give a path with it
            place = f"{folder}/out/{name}"
            yield f"export to: {name[:20]!r}", ("export", "pets", "--format", "csv", "--out", place)
    for target in ("/dev/null", "/proc/self/mem", "/dev/stdout", "/sys/kernel/stray"):
        yield f"export to: {target}", ("export", "pets", "--format", "csv", "--out", target, "--force")


def _weights(folder: Path, trace: Path) -> Iterator[tuple[str, Path]]:
    path = folder / "weights"
    path.mkdir()
    (path / "code.pt").write_bytes(pickle.dumps(_Runs(trace)))
    torch.save(_Runs(trace), path / "code-zip.pt")
    torch.save({"a": torch.zeros(2)}, path / "others.pt")
    (path / "cut.pt").write_bytes((path / "others.pt").read_bytes()[:-40])
    (path / "claims.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    for name, shape, end in (("negative", [-1], 4), ("large", [1 << 40], 1 << 42)):
        header = _safetensors({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}})
        (path / f"{name}.safetensors").write_bytes(header)
    (path / "empty.safetensors").write_bytes(b"")
    (path / "text.pt").write_text("no weights")
    yield from ((file.name, file) for file in sorted(path.iterdir()))


def _safetensors(header: dict[str, object]) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 4


def _votes(folder: Path, trace: Path) -> Iterator[tuple[str, Path]]:
    path = folder / "votes"
    path.mkdir()
    (path / "code.pkl").write_bytes(pickle.dumps(_Runs(trace)))
    (path / "deep.json").write_text("[" * 100_000)
    (path / "wide.csv").write_text(",".join(f"c{n}" for n in range(100_000)) + "\n" + "1," * 99_999 + "1\n")
    (path / "nul.csv").write_bytes(b"sample,annotator,label\n\0\0\0,a,b\n" * 1000)
    (path / "quotes.csv").write_text('sample,annotator,label\n"' + "x" * 5_000_000)
    (path / "bom.csv").write_bytes(b"\xff\xfe" + os.urandom(4000))
    (path / "empty.csv").write_text("")
    np.save(path / "code.npy", np.array([_Runs(trace)], dtype=object), allow_pickle=True)
    np.save(path / "negative.npy", np.full((6, 2), -1))
    np.save(path / "float.npy", np.full((6, 2), np.nan))
    _claims(path / "claims.npy", (1 << 40, 2))
    _sparse(path / "sparse.npy", "<i8", (500_000_000, 10))
    frame = pd.DataFrame({"sample": ["a/0.png"], "annotator": ["x"], "label": ["a"]})
    frame.to_parquet(path / "cut.parquet")
    data = (path / "cut.parquet").read_bytes()
    for number in range(20):
        broken = bytearray(data)
        broken[int(number * (len(data) - 8) / 20)] ^= 0xFF
        (path / f"flipped{number:02}.parquet").write_bytes(bytes(broken))
    (path / "cut.parquet").write_bytes(data[:-30])
    yield from ((file.name, file) for file in sorted(path.iterdir()))


def _claims(path: Path, shape: tuple[int, ...]) -> None:
    """An array file whose header claims more than there is."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path.write_bytes(header.getvalue() + b"\0" * 64)


def _sparse(path: Path, kind: str, shape: tuple[int, ...]) -> None:
    """An array file of zeros, all in a hole."""
    with open(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
        stream.truncate(stream.tell() + math.prod(shape) * np.dtype(kind).itemsize)


def _manifests(folder: Path) -> Iterator[tuple[str, Path]]:
    path = folder / "manifests"
    path.mkdir()
    places = {
        "passwd": "/etc/passwd",
        "above": "../../../../etc/passwd",
        "file-url": "file:///etc/passwd",
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "six-to-four": "http://[2002:a9fe:a9fe::]/",
        "nat64": "http://[64:ff9b::a9fe:a9fe]/",
        "chained": "simplecache::file:///etc/passwd",
        "endless": "/dev/zero",
        "terminal": "/dev/tty",
        "nul": "a\0b.png",
        "long": "x" * 100_000,
    }
    for name, place in places.items():
        pd.DataFrame({"path": [place], "label": ["cat"]}).to_csv(path / f"{name}.csv", index=False)
    pq.write_table(pa.table({"image": pa.array([b"x"] * 5), "label": [0] * 5}), path / "bytes.parquet")
    (path / "not.parquet").write_bytes(b"PAR1" + os.urandom(400) + b"PAR1")
    yield from ((file.name, file) for file in sorted(path.iterdir()))


def _arrays(folder: Path, trace: Path) -> Iterator[tuple[str, Path]]:
    path = folder / "arrays"
    path.mkdir()
    _claims(path / "claims.npy", (6, 1 << 40))
    _claims(path / "zero.npy", (6, 0))
    _claims(path / "many.npy", (6,) * 30)
    np.save(path / "code.npy", np.array([_Runs(trace)] * 6, dtype=object), allow_pickle=True)
    np.savez(path / "text.npz", a=np.array(["x"] * 6))
    _sparse(path / "sparse.npy", "<f4", (10**10,))
    _sparse(path / "wide.npy", "<f4", (6, 10**9))
    lists = pa.FixedSizeListArray.from_arrays(np.zeros(20 * 2_000_000, np.float32), 2_000_000)
    pq.write_table(pa.table({"id": range(20), "e": lists}), path / "lists.parquet", compression="zstd")
    yield from ((file.name, file) for file in sorted(path.iterdir()))

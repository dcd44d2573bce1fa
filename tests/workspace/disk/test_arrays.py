"""Arrays in files: every form gives its rows block by block, and no header is believed before it fits the file."""

import io
import json
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.arrays import open_array, read_npy, read_texts
from tests.fakes.refusals import refused

MATRIX = np.random.default_rng(0).normal(size=(23, 5)).astype(np.float32)


def _parquet(path, kind):
    pq.write_table(pa.table({"embedding": pa.array(list(MATRIX), kind)}), path, row_group_size=9)


FORMS = {
    "c.npy": lambda path: np.save(path, MATRIX),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(MATRIX)),
    "half.npy": lambda path: np.save(path, MATRIX.astype(np.float16)),
    "plain.npz": lambda path: np.savez(path, embedding=MATRIX),
    "packed.npz": lambda path: np.savez_compressed(path, embedding=MATRIX, texts=np.array(["a"], object)),
    "a.safetensors": lambda path: save_file({"embedding": MATRIX, "other": MATRIX[0]}, path),
    "half.safetensors": lambda path: save_file({"embedding": MATRIX.astype(np.float16)}, path),
    "brain.safetensors": lambda path: save_torch({"embedding": torch.from_numpy(MATRIX).bfloat16()}, path),
    "list.parquet": lambda path: _parquet(path, pa.list_(pa.float32())),
    "large.parquet": lambda path: _parquet(path, pa.large_list(pa.float64())),
    "fixed.parquet": lambda path: _parquet(path, pa.list_(pa.float32(), 5)),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_its_rows_in_order_block_by_block(tmp_path, name):
    FORMS[name](tmp_path / name)
    array = open_array(tmp_path / name, names=("embedding",))
    assert array.shape == (23, 5)
    blocks = list(array.blocks(4))
    assert max(map(len, blocks)) <= 4
    tolerance = 1e-2 if name.startswith(("half", "brain")) else 0
    np.testing.assert_allclose(np.concatenate(blocks).astype(np.float32), MATRIX, rtol=tolerance)
    np.testing.assert_array_equal(array.read(), np.concatenate(blocks))
    for first in (9, 11):
        np.testing.assert_array_equal(np.concatenate([*array.blocks(4, first=first)]), array.read()[first:])
    assert list(array.blocks(4, first=23)) == []


def test_bfloat16_is_read_as_the_numbers_that_it_holds_and_a_name_picks_a_tensor(tmp_path):
    tensors = {"embedding": torch.zeros(2), "mine": torch.from_numpy(MATRIX).bfloat16()}
    save_torch(tensors, tmp_path / "a.safetensors")
    bits = MATRIX.view(np.uint32)
    upper = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16  # half to even
    np.testing.assert_array_equal(open_array(tmp_path / "a.safetensors", member="mine").read(), upper.view(np.float32))


def _npy(header, data=b"", *, version=b"\x01\x00"):
    text = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


def _pickled():
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], object), allow_pickle=True)
    return stream.getvalue()


HOSTILE = {
    "objects": _pickled(),
    "cut short": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9, 9)}", b"\0" * 100),
    "a trillion rows": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1024)}", b"\0" * 64),
    "overflowing": _npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**62}, 4)}}", b"\0" * 64),
    "negative": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}", b"\0" * 64),
    "no numbers": _npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", b"\0" * 64),
    "empty values": _npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1,)}", b"\0" * 64),
    "code": _npy("__import__('os').system('true')"),
    "nested": _npy("(" * 5000, b""),
    "no shape": _npy("{'descr': '<f4', 'fortran_order': False}"),
    "text as shape": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': 'ab'}"),
    "a long header": _npy("#" * 60000),
    "version 9": _npy("{}", version=b"\x09\x00"),
    "ends in its header": b"\x93NUMPY\x01\x00\xff",
    "null bytes": _npy(b"\0" * 200),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_npy_that_is_not_what_it_says_is_refused_in_one_line(tmp_path, what):
    (tmp_path / "x.npy").write_bytes(HOSTILE[what])
    for read in (read_npy, open_array):
        with pytest.raises(CurateError, match=r"x\.npy") as error:
            read(tmp_path / "x.npy")
        assert "\n" not in str(error.value)


def _safetensors(shape, end, *, kind="F32"):
    header = json.dumps({"a": {"dtype": kind, "shape": shape, "data_offsets": [0, end]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 16


HOSTILE_TENSORS = {
    "a header without end": struct.pack("<Q", 1 << 60) + b"{}",
    "cut short": _safetensors([2, 4], 32),
    "a trillion rows": _safetensors([10**12, 4], 16),
    "negative": _safetensors([-2, 2], 16),
    "another size": _safetensors([2, 3], 16),
    "no such type": _safetensors([2, 2], 16, kind="F33"),
    "complex": _safetensors([2, 1], 16, kind="C64"),
    "nested": struct.pack("<Q", 9000) + b'{"a":' * 1800,
    "only a header": _safetensors([0, 4], 0)[:-16],
}


@pytest.mark.parametrize("what", HOSTILE_TENSORS)
def test_a_safetensors_that_is_not_what_it_says_is_refused_in_one_line(tmp_path, what):
    (tmp_path / "x.safetensors").write_bytes(HOSTILE_TENSORS[what])
    with pytest.raises(CurateError, match=r"x\.safetensors") as error:
        open_array(tmp_path / "x.safetensors")
    assert "\n" not in str(error.value)


def test_a_member_of_an_archive_that_promises_more_than_it_holds_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", HOSTILE["a trillion rows"])
    with refused("x.npz:a", "(1000000000000, 1024)"):
        open_array(tmp_path / "x.npz")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_may_unpack_without_bounds_is_refused_unread(tmp_path, packing, monkeypatch):
    stream = io.BytesIO()
    np.save(stream, MATRIX)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", packing) as archive:
        archive.writestr("a.npy", stream.getvalue())
    monkeypatch.setattr(zipfile.ZipExtFile, "read", None)
    for read in (open_array, lambda path: read_texts(path, "a")):
        with pytest.raises(CurateError, match=r"'a\.npy' is not packed by Deflate"):
            read(tmp_path / "x.npz")


def test_a_member_that_is_stored_column_by_column_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", embedding=np.asfortranarray(MATRIX))
    with pytest.raises(CurateError, match="stored column by column"):
        open_array(tmp_path / "x.npz")


def test_lists_of_several_lengths_and_gaps_are_refused_with_their_row(tmp_path):
    for rows, why in (([[1.0, 2.0], [3.0]], "Row 1 .* has 1 numbers"), ([[1.0], None], "Row 1 .* has 0 numbers")):
        pq.write_table(pa.table({"e": pa.array(rows, pa.list_(pa.float32()))}), tmp_path / "x.parquet")
        with pytest.raises(CurateError, match=why):
            open_array(tmp_path / "x.parquet").read()


def test_of_several_arrays_the_usual_name_is_taken_or_one_must_be_chosen(tmp_path):
    np.savez(tmp_path / "x.npz", logits=MATRIX, embedding=MATRIX + 1, path=np.array(["a"] * 23))
    assert open_array(tmp_path / "x.npz", names=("embedding",)).title == "x.npz:embedding"
    assert open_array(tmp_path / "x.npz", member="logits").title == "x.npz:logits"
    assert read_texts(tmp_path / "x.npz", "path").to_pylist() == ["a"] * 23
    with refused("logits, embedding, path", "x.npz:NAME"):
        open_array(tmp_path / "x.npz", names=("weights",))
    with refused("'w'", "logits, embedding, path"):
        open_array(tmp_path / "x.npz", member="w")
    with pytest.raises(CurateError, match="not numbers"):
        open_array(tmp_path / "x.npz", member="path")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"PAR1junk", b"\xff" * 40, b"id,age\n1,2\n"])
def test_a_file_of_no_such_form_is_refused(tmp_path, content):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(CurateError, match=r"x\.bin"):
        open_array(tmp_path / "x.bin")
    with pytest.raises(CurateError, match="is not a file"):
        open_array(tmp_path / "absent.npy")

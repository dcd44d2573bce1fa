"""Pickles of plain data: what Python writes comes out again, and nothing that a file names is ever called."""

import collections
import contextlib
import datetime
import io
import os
import pickle
import pickletools
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.storage.votes import pickles
from avhcurate.storage.votes.pickles import load_pickle, plain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.none() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
data = st.recursive(
    scalars | st.sets(keys) | st.frozensets(keys),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=data, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_come_out_as_they_went_in(value, protocol):
    assert plain(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mappings_arrays_and_times_become_plain(protocol):
    shared = ["x"]
    value = {
        "ordered": collections.OrderedDict(b=1, a=2),
        "default": collections.defaultdict(list, {"k": [1]}),
        "counter": collections.Counter("aab"),
        "array": np.arange(6, dtype=np.int16).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big endian": np.array([1, 2], ">i4"),
        "scalar": np.float32(1.5),
        "time": datetime.datetime(2018, 9, 21, 17, 46, 2, 66488, tzinfo=datetime.UTC),
        "day": datetime.date(2020, 1, 2),
        "bytes": bytearray(b"\xff\x00"),
        "shared": [shared, shared],
    }
    found = plain(pickle.dumps(value, protocol))
    assert type(found["ordered"]) is type(found["default"]) is type(found["counter"]) is dict
    assert list(found["ordered"].items()) == [("b", 1), ("a", 2)]
    assert (found["default"], found["counter"]) == ({"k": [1]}, {"a": 2, "b": 1})
    for name in ("array", "fortran", "big endian"):
        np.testing.assert_array_equal(found[name], value[name])
    assert (found["scalar"], found["time"], found["day"]) == (1.5, "2018-09-21T17:46:02.066488", "2020-01-02")
    assert found["bytes"] == b"\xff\x00"
    assert found["shared"][0] is found["shared"][1]


class Calls:
    """Unpickled by Python, it calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def marker(tmp_path):
    """A file that must never come to be."""
    yield tmp_path / "pwned"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_calls_are_refused_and_not_made(marker, protocol):
    touch = f"open({str(marker)!r}, 'w').close()"
    attacks = [
        Calls(os.system, f"touch {marker}"),
        Calls(eval, touch),
        Calls(exec, touch),
        Calls(getattr, "x", "upper"),
        Calls(bytes, 1 << 40),
        Calls(open, str(marker), "w"),
        Calls(__import__, "antigravity"),
        Calls(io.open_code, "/etc/passwd"),
        Calls(type, "X", (), {}),
        Calls(map, print, [1]),
        Calls(str.format, "{0.__class__}", 1),
        Calls(np.load, "x.npy"),
        Calls(np.dtype, "O"),
    ]
    for attack in attacks:
        with pytest.raises(CurateError):
            plain(pickle.dumps({"hits": [attack]}, protocol))


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'touch %s'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n(cbuiltins\nlist\nS'__class__'\ntR.",
        b"c_codecs\nencode\n(S'import os'\nS'rot13'\ntR.",
        b"c_codecs\ndecode\n(S'x'\nS'unicode_escape'\ntR.",
        b"ccodecs\nencode\n(S'x'\nS'latin1'\ntR.",
        b"(S'touch x'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'touch x'\no.",  # OBJ
        b"Pevil\n.",  # a persistent id
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
        b"\x80\x04\x8c\x08builtins\x8c\x0bgetattr.x\x93.",
        b"\x80\x04]\x8c\x01x\x93.",  # a name made of a list
        b"\x80\x04]\x8c\x01x\x85R.",  # a call of a list
        b"\x80\x02cbuiltins\nlist\n.",  # a name where data should be
        b"\x80\x02ccollections\ndefaultdict\n(cbuiltins\neval\ntR.",
        b"\x80\x02ccollections\ndefaultdict\n(]tR.",
        b"\x80\x02}}b.",  # a state for a dict
        b"\x80\x02]q\x00}U\x01ash\x00b.",
    ],
)
def test_hand_made_attacks_are_refused(content, marker, tmp_path):
    content = content.replace(b"%s", str(marker).encode())
    (tmp_path / "v.pkl").write_bytes(content)
    with pytest.raises(CurateError, match=r"v\.pkl"):
        load_pickle(tmp_path / "v.pkl")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # a memo of two thousand million places
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",  # bytes that are not there
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"1.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 50) + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b".",
        b"\x80\x02N",
        b"\x80\x02",
        b"",
        b"\x80\x02.",
        b"\x80\x02(.",
        b"\x80\x02(N0.",
        b"\x80\x02h\x05.",
        b"\x80\x02}(Nu.",
        b"\x80\x02]s.",
        b"\x80\x02Na.",
        b"no pickle",
    ],
)
def test_broken_and_boastful_pickles_take_no_memory(content):
    tracemalloc.start()
    try:
        with contextlib.suppress(CurateError):
            assert plain(content) is None
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_keys_that_take_forever_to_hash_are_refused():
    nested = ()
    for _ in range(60):
        nested = (nested, nested)
    inner = pickle.dumps(nested, 2)[2:-1]
    for content in (b"}" + inner + b"K\x01s.", b"}(" + inner + b"K\x01u.", b"\x8f(" + inner + b"\x90."):
        with pytest.raises(CurateError, match="key"):
            plain(b"\x80\x04" + content)


def test_many_parts_and_large_files_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pickles, "_MOST_STEPS", 100)
    with pytest.raises(CurateError, match="more than 100 parts"):
        plain(b"\x80\x02" + b"N0" * 1000 + b"N.")
    monkeypatch.setattr(pickles, "_MOST_BYTES", 10)
    (tmp_path / "v.pkl").write_bytes(pickle.dumps(list(range(100))))
    with pytest.raises(CurateError, match="larger"):
        load_pickle(tmp_path / "v.pkl")


def test_a_circle_of_lists_is_read():
    circle = []
    circle.append(circle)
    found = plain(pickle.dumps(circle))
    assert found[0] is found


def test_arrays_of_anything_but_numbers_are_refused():
    for array in (np.array([{}], object), np.array(["a"]), np.zeros(2, [("a", "i4")]), np.array(["2020"], "M8[D]")):
        for protocol in PROTOCOLS:
            with pytest.raises(CurateError):
                plain(pickle.dumps(array, protocol))


def test_arrays_whose_shape_lies_are_refused():
    content = pickle.dumps(np.arange(4, dtype=np.int8), 2)
    assert content.count(b"K\x04\x85") == 1
    with pytest.raises(CurateError):
        plain(content.replace(b"K\x04\x85", b"K\x7f\x85"))


@settings(max_examples=150, deadline=None)
@given(noise=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
def test_damaged_pickles_never_do_more_than_refuse(noise):
    content = bytearray(pickle.dumps({"hits": [{"wnid": "n01", "images_all": ["a", "b"]}], "n": [1, 2.5, b"x"]}, 2))
    for place, value in noise:
        content[place % len(content)] = value
    modules = set(sys.modules)
    with contextlib.suppress(CurateError):
        plain(bytes(content))
    assert not {name for name in set(sys.modules) - modules if not name.startswith(("encodings", "avhcurate"))}


def test_only_known_opcodes_are_acted_on():
    known = {"PROTO", "FRAME", "STOP", *pickles._CONSTANTS, *pickles._VALUES, *pickles._ACTIONS}
    refused = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ_EX"}
    refused |= {"NEXT_BUFFER", "READONLY_BUFFER"}
    assert {opcode.name for opcode in pickletools.opcodes} == known | refused

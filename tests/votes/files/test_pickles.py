"""Pickles of plain data: what Python writes comes out as JSON has it, and nothing that a file names is ever called."""

import collections
import contextlib
import datetime
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.votes.files import pickles
from avhcurate.votes.files.pickles import load_pickle, plain
from avhcurate.votes.files.unpickle import as_json

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
data = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def here(content):
    """The data, read in this process, so that whatever reading does can be seen here."""
    return json.loads(as_json(content))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=data, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_come_out_as_they_went_in(value, protocol):
    assert here(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_json_lacks_becomes_plain(protocol):
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
        "zone": datetime.UTC,
        "bytes": [bytearray(b"\xff\x00"), b"", b"\xe4"],
        "sets": [{1}, frozenset("a"), ()],
        "shared": [shared, shared],
        b"key": 7,
    }
    found = plain(pickle.dumps(value, protocol))
    assert list(found["ordered"].items()) == [("b", 1), ("a", 2)]
    assert (found["default"], found["counter"]) == ({"k": [1]}, {"a": 2, "b": 1})
    for name in ("array", "fortran", "big endian"):
        assert found[name] == value[name].tolist()
    assert (found["scalar"], found["time"], found["day"]) == (1.5, "2018-09-21T17:46:02.066488", "2020-01-02")
    assert found["zone"] is None
    assert found["bytes"] == ["\xff\0", "", "\xe4"]
    assert found["sets"] == [[1], ["a"], []]
    assert (found["shared"], found["key"]) == ([["x"], ["x"]], 7)


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
        with pytest.raises(ValueError, match=r"names|makes bytes|array of type"):
            here(pickle.dumps({"hits": [attack]}, protocol))


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
        b"\x80\x02}}b.",  # a state for a dict
        b"\x80\x02]q\x00}U\x01ash\x00b.",
    ],
)
def test_hand_made_attacks_are_refused(content, marker, tmp_path):
    content = content.replace(b"%s", str(marker).encode())
    modules = set(sys.modules)
    with pytest.raises((pickle.UnpicklingError, ValueError, TypeError, AttributeError)):
        here(content)
    assert set(sys.modules) == modules
    (tmp_path / "v.pkl").write_bytes(content)
    with pytest.raises(CurateError, match=r"^v\.pkl is not opened: .+$"):
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
        # With a name: the process that reads it has the test's in its environment, which holds no more.
        pytest.param(b"I" + b"9" * 100_000 + b"\n.", id="digits"),
        pytest.param(b"\x80\x02\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b".", id="bytes"),
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
def test_broken_and_boastful_pickles_are_refused_in_a_line(content, monkeypatch):
    monkeypatch.setattr(pickles, "_MEMORY", 1 << 30)
    with pytest.raises(CurateError, match=r"^the pickle is not opened: .+$"):
        plain(content)


def test_reading_takes_no_more_memory_than_it_may():
    # In a process of its own, since a process is told only the most that any of its children took.
    script = """
        import resource
        from avhcurate.errors import CurateError
        from avhcurate.votes.files import pickles
        pickles._MEMORY = 1 << 30
        doubled = b"\\x80\\x02]q\\x00K\\x01a" + b"h\\x00\\x86q\\x00" * 40  # pairs of pairs: a trillion parts
        for content in (doubled + b".", b"\\x80\\x02(" + b"]" * 30_000_000 + b"l."):
            try:
                print(pickles.plain(content))
            except CurateError as error:
                print(error)
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    *refusals, most = done.stdout.splitlines()
    assert len(refusals) == 2
    assert all(re.search("MemoryError|memory", refusal) for refusal in refusals)
    assert int(most) < 1 << 20  # KiB


def test_keys_that_take_forever_to_hash_are_given_up(monkeypatch):
    monkeypatch.setattr(pickles, "_SECONDS", 1)
    nested = ()
    for _ in range(60):
        nested = (nested, nested)
    inner = pickle.dumps(nested, 2)[2:-1]
    with pytest.raises(CurateError, match="too much memory or time"):
        plain(b"\x80\x04}" + inner + b"K\x01s.")


def test_large_files_and_data_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pickles, "_MOST_BYTES", 1 << 20)
    with pytest.raises(CurateError, match="larger than 1 MiB"):
        plain(pickle.dumps([["x" * 1000]] * 2000))
    (tmp_path / "v.pkl").write_bytes(pickle.dumps("x" * (1 << 20)))
    with pytest.raises(CurateError, match=r"v\.pkl is larger"):
        load_pickle(tmp_path / "v.pkl")


def test_a_circle_of_lists_is_refused():
    circle = []
    circle.append(circle)
    with pytest.raises(CurateError, match="recursion"):
        plain(pickle.dumps(circle))


def test_arrays_of_anything_but_numbers_are_refused():
    for array in (np.array([{}], object), np.array(["a"]), np.zeros(2, [("a", "i4")]), np.array(["2020"], "M8[D]")):
        for protocol in PROTOCOLS:
            with pytest.raises(ValueError, match="only numbers"):
                here(pickle.dumps(array, protocol))


def test_arrays_whose_shape_lies_are_refused():
    content = pickle.dumps(np.arange(4, dtype=np.int8), 2)
    assert content.count(b"K\x04\x85") == 1
    with pytest.raises(ValueError, match="reshape"):
        here(content.replace(b"K\x04\x85", b"K\x7f\x85"))


@settings(max_examples=150, deadline=None)
@given(noise=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
def test_damaged_pickles_never_do_more_than_refuse(noise):
    content = bytearray(pickle.dumps({"hits": [{"wnid": "n01", "images_all": ["a", "b"]}], "n": [1, 2.5, b"x"]}, 2))
    for place, value in noise:
        content[place % len(content)] = value
    modules = set(sys.modules)
    with contextlib.suppress(Exception):
        here(bytes(content))
    assert not {name for name in set(sys.modules) - modules if not name.startswith("encodings")}

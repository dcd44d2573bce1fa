"""Pickles of plain data, read without unpickling: a machine of its own that knows containers, numbers and texts.

Python's unpickler calls whatever a file names, and its memo and its claims of size can fill the memory. Here the
opcodes are walked one by one (`pickletools.genops` only parses) and nothing that the file names is ever imported or
called: a name is looked up in a short list and stands for one of our own functions, and any other is refused. What
comes out is made of dict, list, tuple, set, bool, int, float, str, bytes, None, and NumPy arrays of numbers; mappings
of other kinds become dict, times become text, types and time zones become None.
"""

import datetime
import itertools
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.errors import CurateError

#: Bytes of a file, and opcodes in it: each may stand for an object of a hundred bytes.
_MOST_BYTES = 1 << 30
_MOST_STEPS = 50_000_000
#: Bytes and digits of one whole number.
_LONGEST_NUMBER = 1000


def load_pickle(path: Path) -> Any:
    """The plain data in a pickle; `CurateError` naming what is not plain, broken or too large in it."""
    if path.stat().st_size > _MOST_BYTES:
        raise CurateError(f"{path.name} is larger than {_MOST_BYTES >> 30} GiB: convert a part of it at a time")
    return plain(path.read_bytes(), path.name)


def plain(content: bytes, title: str = "the pickle") -> Any:
    """The same from bytes.

    >>> import pickle
    >>> plain(pickle.dumps({"a": [1, 2.5, "x", b"y", None, (True,)]}))
    {'a': [1, 2.5, 'x', b'y', None, (True,)]}
    """
    try:
        return _Machine().run(content)
    except CurateError as problem:
        raise CurateError(f"{title} is not opened: {problem}") from None
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, EOFError) as problem:
        raise CurateError(f"{title} is no whole pickle of plain data ({problem or type(problem).__name__})") from None


class _Mark:
    """Where a run of items begins on the stack."""


class _Name:
    """A global that a pickle may name: `make` gives what a call of it stands for."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


class _Nothing:
    """An object whose content does not matter, such as a time zone."""


class _Dtype:
    """The type of a NumPy array of numbers, as it is being read."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248])", code):
            raise CurateError(f"it holds an array of type {str(code)[:40]!r}, and only numbers are read")
        self.dtype = np.dtype(code)


class _Array:
    """A NumPy array, as it is being read."""

    value: np.ndarray | None = None


def _array(kind: Any, *_: Any) -> _Array:
    if kind is not _NDARRAY:
        raise CurateError("it holds an array of an unknown kind")
    return _Array()


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C", *_: Any) -> np.ndarray:
    return _filled((1, shape, kind, order == "F", data))


def _scalar(kind: _Dtype, data: bytes) -> bool | int | float:
    if not isinstance(kind, _Dtype):
        raise CurateError("it holds a number of an unknown type")
    value: bool | int | float = np.frombuffer(_bytes(data), kind.dtype, 1)[0].item()
    return value


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):  # Python 2 wrote bytes so
        return data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise CurateError("bytes were expected, and something else came")
    return bytes(data)


def _encoded(text: Any, encoding: Any = None) -> bytes:
    """Bytes as older protocols write them; another encoding than Latin-1 is not what Python writes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise CurateError(f"it names the codec {str(encoding)[:40]!r}, and nothing but plain data is read")
    return text.encode("latin1")


def _byte_string(data: Any = b"", *encoding: Any) -> bytes:
    return _encoded(data, *encoding) if encoding else _bytes(data)


def _mapping(items: Any = ()) -> dict[Any, Any]:
    if isinstance(items, dict):
        return dict(items)
    if not isinstance(items, list | tuple):
        raise CurateError("a mapping was expected, and something else came")
    return {_key(key): value for key, value in items}


def _with_default(factory: Any = None) -> dict[Any, Any]:
    if factory is not None and not isinstance(factory, _Name):
        raise CurateError("a mapping has a default that is no plain container")
    return {}


def _members(items: Any = ()) -> set[Any]:
    return {_key(item) for item in items} if isinstance(items, list | tuple | set) else set()


def _time(*parts: Any) -> str:
    """A date or a time as text; a time zone is only told apart from none where it is UTC's."""
    if parts and isinstance(parts[0], bytes | str):
        raw = _bytes(parts[0])
        if len(raw) == 10:  # as datetime packs itself
            micro = int.from_bytes(raw[7:10], "big")
            day, hour, minute, second = raw[3:7]
            year, month = int.from_bytes(raw[:2], "big"), raw[2] & 0x7F
            return datetime.datetime(year, month, day, hour, minute, second, micro).isoformat()
        if len(raw) == 4:
            return datetime.date(int.from_bytes(raw[:2], "big"), raw[2], raw[3]).isoformat()
    raise CurateError("it holds a time in an unknown form")


def _nothing(*_: Any) -> _Nothing:
    return _Nothing()


_NDARRAY = _Name(_nothing)

#: Every global that is understood, and what a call of it stands for. None of them is looked up anywhere else.
_NAMES: dict[tuple[str, str], _Name] = {
    ("collections", "OrderedDict"): _Name(_mapping),
    ("collections", "Counter"): _Name(_mapping),
    ("collections", "defaultdict"): _Name(_with_default),
    ("_codecs", "encode"): _Name(_encoded),
    ("datetime", "datetime"): _Name(_time),
    ("datetime", "date"): _Name(_time),
    ("datetime", "timezone"): _Name(_nothing),
    ("datetime", "timedelta"): _Name(_nothing),
    ("datetime", "tzinfo"): _Name(_nothing),
    ("copyreg", "_reconstructor"): _Name(_nothing),
    ("copy_reg", "_reconstructor"): _Name(_nothing),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Name(_Dtype),
}
_PLAIN = ("list", "dict", "set", "frozenset", "int", "long", "float", "str")
for _module, _name in itertools.product(("builtins", "__builtin__"), _PLAIN):
    _NAMES[_module, _name] = _Name(_members if "set" in _name else _mapping if _name == "dict" else _nothing)
for _module in ("builtins", "__builtin__"):
    _NAMES[_module, "object"] = _Name(_nothing)
    _NAMES[_module, "bytes"] = _NAMES[_module, "bytearray"] = _Name(_byte_string)
for _module in ("dateutil.tz.tz", "dateutil.tz", "dateutil.tz.win"):
    for _name in ("tzutc", "tzlocal", "tzoffset"):
        _NAMES[_module, _name] = _Name(_nothing)
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _NAMES[_module, "_reconstruct"] = _Name(_array)
    _NAMES[_module, "scalar"] = _Name(_scalar)
for _module in ("numpy.core.numeric", "numpy._core.numeric"):
    _NAMES[_module, "_frombuffer"] = _Name(_from_buffer)


class _Machine:
    """A stack and a memo, and a method for each opcode that plain data need."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step >= _MOST_STEPS:
                raise CurateError(f"it has more than {_MOST_STEPS} parts")
            if opcode.name == "STOP":
                return _finished(self.pop())
            if opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name]())
            elif opcode.name in _VALUES:
                self.stack.append(_value(argument))
            elif (act := _ACTIONS.get(opcode.name)) is not None:
                act(self, argument)
            elif opcode.name not in ("PROTO", "FRAME"):
                raise CurateError(f"it uses {opcode.name}, which plain data do not need")
        raise CurateError("it ends in the middle")

    def pop(self) -> Any:
        value = self.stack.pop()
        if isinstance(value, _Mark):
            raise CurateError("its parts are out of order")
        return value

    def top(self, kind: type) -> Any:
        if not isinstance(value := self.stack[-1], kind):
            raise CurateError(f"it adds to something that is no {kind.__name__}")
        return value

    def to_mark(self) -> list[Any]:
        items: list[Any] = []
        while not isinstance(value := self.stack.pop(), _Mark):
            items.append(value)
        return items[::-1]

    def get(self, place: Any) -> None:
        self.stack.append(self.memo[int(place)])

    def put(self, place: Any) -> None:
        if isinstance(self.stack[-1], _Mark):
            raise CurateError("its parts are out of order")
        self.memo[int(place)] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.put(len(self.memo))

    def take(self, number: int) -> None:
        items = tuple(self.pop() for _ in range(number))
        self.stack.append(items[::-1])

    def name(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_named(module, name))

    def stack_name(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(_named(module, name))

    def call(self, _: Any) -> None:
        arguments, known = self.pop(), self.pop()
        if not isinstance(known, _Name) or not isinstance(arguments, tuple):
            raise CurateError("it calls something that is no plain container")
        self.stack.append(known.make(*arguments))

    def build(self, _: Any) -> None:
        state, value = self.pop(), self.stack[-1]
        if isinstance(value, _Nothing):
            return
        if isinstance(value, _Dtype) and isinstance(state, tuple) and state[1:2] and state[1] in ("<", ">", "|", "="):
            value.dtype = value.dtype.newbyteorder(state[1])
        elif isinstance(value, _Array):
            value.value = _filled(state)
        else:
            raise CurateError("it gives a state to something that has none")

    def append(self, _: Any) -> None:
        value = self.pop()
        self.top(list).append(value)

    def appends(self, _: Any) -> None:
        items = self.to_mark()
        self.top(list).extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self.top(dict)[_key(key)] = value

    def set_items(self, _: Any) -> None:
        items = self.to_mark()
        self.top(dict).update(_pairs(items))

    def add_items(self, _: Any) -> None:
        items = self.to_mark()
        self.top(set).update(_key(item) for item in items)


def _named(module: Any, name: Any) -> _Name:
    known = _NAMES.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
    if known is None:
        shown = f"{str(module)[:60]}.{str(name)[:60]}"
        raise CurateError(f"it names {shown}, and only plain containers, numbers and texts are read")
    return known


def _value(argument: Any) -> Any:
    """A number or text; whole numbers are kept short, since printing a long one takes the square of its length."""
    if isinstance(argument, int) and argument.bit_length() > 8 * _LONGEST_NUMBER:
        raise CurateError(f"it holds a whole number of more than {_LONGEST_NUMBER} bytes")
    return bytes(argument) if isinstance(argument, bytearray) else argument


def _key(value: Any) -> Any:
    """A key of a mapping: hashing deeply nested tuples may take forever, so only flat ones pass."""
    parts = value if isinstance(value, tuple) else (value,)
    if not all(part is None or isinstance(part, str | bytes | int | float) for part in parts):
        raise CurateError("a key is neither a number nor a text")
    return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise CurateError("a mapping has a key without a value")
    return {_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _filled(state: Any) -> np.ndarray:
    """An array of numbers from (version, shape, dtype, whether in Fortran's order, content)."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise CurateError("it holds an array in an unknown form")
    _, shape, kind, fortran, data = state
    if not isinstance(kind, _Dtype) or not isinstance(shape, tuple) or not all(isinstance(n, int) for n in shape):
        raise CurateError("it holds an array in an unknown form")
    flat = np.frombuffer(_bytes(data), kind.dtype)
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _finished(value: Any) -> Any:
    """The result with arrays in place of what they were read into; shared and circular parts are visited once."""
    if isinstance(value, _Array | _Nothing):
        return value.value if isinstance(value, _Array) else None
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, list | dict | tuple) or id(part) in seen:
            _check_plain(part)
            continue
        seen.add(id(part))
        items: list[tuple[Any, Any]] = list(part.items() if isinstance(part, dict) else enumerate(part))
        for place, item in items:
            if isinstance(item, _Array | _Nothing) and isinstance(part, list | dict):
                part[place] = item.value if isinstance(item, _Array) else None
        waiting.extend(item for _, item in items if not isinstance(item, _Array))
    return value


def _check_plain(part: Any) -> None:
    if isinstance(part, _Name | _Mark | _Dtype | _Array):
        raise CurateError("it holds a name where data were expected")


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "MARK": _Mark,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"),
    *("SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"),
    *("BINBYTES8", "BYTEARRAY8"),
}
_ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.to_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "TUPLE1": lambda machine, _: machine.take(1),
    "TUPLE2": lambda machine, _: machine.take(2),
    "TUPLE3": lambda machine, _: machine.take(3),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.to_mark())),
    "LIST": lambda machine, _: machine.stack.append(machine.to_mark()),
    "DICT": lambda machine, _: machine.stack.append(_pairs(machine.to_mark())),
    "FROZENSET": lambda machine, _: machine.stack.append(_members(machine.to_mark())),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
}

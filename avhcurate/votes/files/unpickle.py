"""Turns a pickle of plain data into JSON: a script that `pickles` runs in a process with limits.

An unpickler calls whatever a file names. Here each name is looked up in a short list, nothing is imported, and a name
that is not listed ends the reading. NumPy's arrays, types and numbers are read by the functions below, so that no state
from the file reaches NumPy itself. Times become text, sets lists, bytes Latin-1 text, and time zones are left out.
"""

import datetime
import io
import json
import pickle
import re
import sys
from typing import Any

import numpy as np


class NotPlainData(ValueError):
    """The pickle names or holds something else than plain data."""


class Nothing:
    """An object whose content does not matter, such as a time zone."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


class Dtype:
    """The type of an array of numbers."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248])", code):
            raise NotPlainData(f"it contains an array of type {code[:40]!r}, and only numbers are read")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class Array:
    """An array of numbers; a state gives it its `values`, nested lists."""

    values: Any = None

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.values = array(data, kind, shape, "F" if fortran else "C").values


def array(data: Any, kind: Dtype, shape: tuple[int, ...], order: Any = "C") -> Array:
    """An array from its bytes."""
    result = Array()
    result.values = np.frombuffer(raw(data), kind.dtype).reshape(shape, order=order).tolist()
    return result


def scalar(kind: Dtype, data: Any) -> Any:
    return array(data, kind, (1,)).values[0]


def raw(data: Any = b"", encoding: Any = "latin1") -> bytes:
    """Bytes, which old protocols write as text."""
    if isinstance(data, str) and encoding in ("latin1", "latin-1"):
        return data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise NotPlainData(f"it makes bytes of {type(data).__name__} by the codec {str(encoding)[:40]!r}")
    return bytes(data)


def time(state: Any, *_: Any) -> str:
    return datetime.datetime(raw(state)).isoformat()  # type: ignore[call-arg,arg-type]  # as it packs itself


def day(state: Any) -> str:
    return datetime.date(raw(state)).isoformat()  # type: ignore[call-arg,arg-type]


#: Every name that a pickle may use, and what it calls.
NAMES: dict[str, Any] = {
    **dict.fromkeys(("collections.OrderedDict", "collections.Counter", "builtins.dict"), dict),
    "collections.defaultdict": lambda *_: {},
    **{"builtins.set": set, "builtins.frozenset": frozenset},
    **dict.fromkeys(("builtins.bytes", "builtins.bytearray", "_codecs.encode"), raw),
    **dict.fromkeys([f"builtins.{name}" for name in ("list", "int", "long", "float", "str", "object")], Nothing),
    **{"datetime.datetime": time, "datetime.date": day, "copyreg._reconstructor": Nothing},
    **dict.fromkeys([f"datetime.{name}" for name in ("timezone", "timedelta", "tzinfo")], Nothing),
    **dict.fromkeys([f"dateutil.tz.tz.{name}" for name in ("tzutc", "tzlocal", "tzoffset")], Nothing),
    **{"numpy.ndarray": Array, "numpy.dtype": Dtype},
    **{"numpy._core.multiarray._reconstruct": Array, "numpy._core.multiarray.scalar": scalar},
    "numpy._core.numeric._frombuffer": array,
}
#: Modules by the names that other versions give them.
MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg", "dateutil.tz": "dateutil.tz.tz"}


class PlainUnpickler(pickle.Unpickler):
    """Makes nothing but plain data; see the module."""

    def find_class(self, module: str, name: str) -> Any:
        module = MODULES.get(module, module).replace("numpy.core.", "numpy._core.")
        if f"{module}.{name}" not in NAMES:
            raise NotPlainData(
                f"it names {module[:60]}.{name[:60]}, and only plain containers, numbers and texts are read"
            )
        return NAMES[f"{module}.{name}"]


def as_json(content: bytes) -> str:
    """The data of a pickle.

    >>> as_json(pickle.dumps({"a": [1, 2.5, "x", None, (True,)]}))
    '{"a": [1, 2.5, "x", null, [true]]}'
    """
    return json.dumps(plain(PlainUnpickler(io.BytesIO(content), encoding="latin1").load()))


def plain(value: Any) -> Any:
    """What JSON can hold of a value; anything else is refused, here or by JSON."""
    match value:
        case dict():
            return {plain(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case bytes() | bytearray():
            return raw(value).decode("latin1")
        case Array():
            return value.values
        case Nothing():
            return None
        case None | bool() | int() | float() | str():
            return value
    raise NotPlainData("it holds a name where data were expected")


def main(memory: str, seconds: str, most: str) -> None:
    import resource  # not on Windows, where a pickle is refused

    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    text = as_json(sys.stdin.buffer.read())
    if len(text) > int(most):
        raise NotPlainData(f"its data are larger than {int(most) >> 20} MiB: convert a part of it at a time")
    sys.stdout.write(text)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as problem:  # whatever a broken file raises ends in one line
        sys.exit(str(problem) or type(problem).__name__)

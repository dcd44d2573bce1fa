"""The messages between Python and the components' scripts: as types for the scripts, and whether a page keeps to them.

`python -m tests.fakes.messages` writes the types anew.
"""

import importlib
import json
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from avhcurate.ui import components
from avhcurate.ui.components.facets import FacetEvent
from avhcurate.ui.server.decisions import Decision, Outcome

FILE = Path(components.__file__).with_name("messages.d.ts")
#: What Python reads of what a script sends beside numbers, and what it says to that at once.
HEARD = {"facets": [(FacetEvent, "validation")], "outbox": [(Decision, "validation"), (Outcome, "serialization")]}
_HEAD = (
    "// What Python and the scripts tell each other, written from Python's types by `python -m tests.fakes.messages`.\n"
)
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


@cache
def sent() -> dict[str, TypeAdapter[Any]]:
    """What each component is sent, by its name."""
    found = {}
    for module in pkgutil.iter_modules(components.__path__):
        if module.ispkg and module.name != "commands":  # a part of others
            package = importlib.import_module(f"{components.__name__}.{module.name}")
            found[module.name] = TypeAdapter(getattr(package, f"{module.name.capitalize()}Data"))
    return found


def check(name: str, text: str) -> None:
    """Fail if what a component is sent is not what its script was told to expect."""
    expected = sent()[name.removeprefix("avhcurate_")]
    expected.validate_json(text)
    assert set(json.loads(text)) <= set(expected.json_schema()["properties"]), name


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        return " | ".join(map(json.dumps, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array" and "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    if schema.get("type") == "array":
        inner = _type(schema.get("items", {}))
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if schema.get("type") == "object" and "properties" not in schema:
        inner = schema.get("additionalProperties")
        return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'any'}>"
    return _PLAIN.get(schema.get("type", ""), "any")


def _interface(name: str, schema: dict[str, Any], *, sends: bool) -> str:
    given = {key for key, one in schema["properties"].items() if sends and "default" in one}
    optional = set(schema["properties"]) - set(schema.get("required", ())) - given
    lines = [f"    {key}{'?' * (key in optional)}: {_type(one)};" for key, one in schema["properties"].items()]
    return "\n".join([f"  export interface {name} {{", *lines, "  }"])


def generated() -> str:
    """The types of all messages, a namespace a component."""
    text = [_HEAD]
    every: list[tuple[str, str, TypeAdapter[Any], Any]]
    every = [(name, "Data", adapter, "serialization") for name, adapter in sent().items()]
    every += [(name, kind.__name__, TypeAdapter(kind), mode) for name, kinds in HEARD.items() for kind, mode in kinds]
    for name in sorted({one[0] for one in every}):
        text.append(f"export namespace {name.capitalize()} {{")
        for _, title, adapter, mode in (one for one in every if one[0] == name):
            schema = adapter.json_schema(mode=mode)
            every_one = schema.get("$defs", {}) | {title: schema}
            text += [_interface(key, one, sends=mode == "serialization") for key, one in every_one.items()]
        text.append("}\n")
    return "\n".join(text)


if __name__ == "__main__":
    FILE.write_text(generated(), encoding="utf-8")

"""The source files of a network of the user's own, by which an edited network is told from what it was."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path

#: Folders of installed packages, whose versions a record notes.
_INSTALLED = {"site-packages", "dist-packages"}

#: Files as they were when they were first read since Python loaded their modules: an edit counts once it is loaded.
_READ: dict[str, tuple[ModuleSpec | None, bytes]] = {}


def sources(module: str) -> dict[str, str]:
    """Return SHA-256 of the file of a module and of those that it imports of its own project, by module.

    Files that are read otherwise, of settings say, are not seen, nor is what is installed, but for the module itself.
    """
    digests = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if file is None or name in digests or (name != module and _INSTALLED.intersection(file.parts)):
            continue
        content = _as_loaded(name, file)
        digests[name] = hashlib.sha256(content).hexdigest()
        package = name.rpartition(".")[0]
        waiting.append(package)
        if file.stem == "__init__":
            package = name
        waiting += _imports(content, package)
    return dict(sorted(digests.items()))


def _file(name: str) -> Path | None:
    """Return the file of a module; None of Python's own, of this package's and without any."""
    top, *inner = name.split(".")
    spec = None
    if top not in sys.stdlib_module_names and top != __package__.partition(".")[0]:
        with suppress(ValueError):  # of what runs as a script
            spec = find_spec(top)
    if spec is None:
        return None
    files = [Path(spec.origin or "")]
    if inner:
        folders = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
        files = [file for folder in folders for file in (folder / "__init__.py", folder.with_suffix(".py"))]
    return next(filter(Path.is_file, files), None)


def _as_loaded(name: str, file: Path) -> bytes:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if name not in _READ or _READ[name][0] is not spec:
        _READ[name] = spec, file.read_bytes()
    return _READ[name][1]


def _imports(content: bytes, package: str) -> Iterator[str]:
    """Yield every name that a file may import, wherever it does."""
    nodes: list[ast.AST] = []
    with suppress(SyntaxError, ValueError):  # a compiled file
        nodes = list(ast.walk(ast.parse(content)))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            with suppress(ImportError):
                base = resolve_name("." * node.level + (node.module or ""), package)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)

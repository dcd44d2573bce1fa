"""How far a parameter walks: the functions of the package that it, or a part of it, is handed to in turn."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
Definition = ast.FunctionDef | ast.ClassDef
#: A module, the name of a function in it, the function, and its names that are followed.
Step = tuple[str, str, ast.FunctionDef, set[str]]


@cache
def _names_of(module: str) -> dict[str, tuple[str, Definition | None]]:
    """Return what the names of a module are: the module in which each is defined, and the function or class."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.exists():
        path = path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    found: dict[str, tuple[str, Definition | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("avhcurate"):
            for alias in node.names:
                found[alias.asname or alias.name] = (f"{node.module}:{alias.name}", None)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = (module, node)
    return found


def _definition(module: str, called: ast.expr) -> tuple[str, Definition] | None:
    """Return the function or class of the package that an expression names in a module, and its module."""
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        place, _ = _names_of(module).get(called.value.id, ("", None))
        return _definition(place.replace(":", "."), ast.Name(called.attr)) if place else None
    if not isinstance(called, ast.Name):
        return None
    place, node = _names_of(module).get(called.id, ("", None))
    if node is None and ":" in place:
        return _definition(place.partition(":")[0], ast.Name(place.partition(":")[2]))
    return (place, node) if node else None


def _is_part(node: ast.AST, tracked: set[str]) -> bool:
    """Return whether an expression is one of the names that are followed, or an attribute of one."""
    while isinstance(node, ast.Attribute):
        if ast.unparse(node) in tracked:
            return True
        node = node.value
    return isinstance(node, ast.Name) and node.id in tracked


def _handed(function: ast.FunctionDef, call: ast.Call, tracked: set[str], *, method: bool) -> set[str]:
    """Return the parameters of a function that a call gives something that is followed."""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)][method:]
    given = {name for name, value in zip(names, call.args, strict=False) if _is_part(value, tracked)}
    return given | {word.arg for word in call.keywords if word.arg and _is_part(word.value, tracked)}


def walk(module: str, function: str, parameter: str) -> list[str]:
    """Return the functions, as `module.name`, that a parameter of one or its attributes are handed to, and so on.

    An object that keeps it carries it into each of its methods that read it. Its own methods are not counted, nor what
    is computed of it.
    """
    start = _definition(module, ast.Name(function))
    assert start, f"{module} has no function {function}"
    seen: dict[tuple[str, str], set[str]] = {}
    waiting: list[Step] = [(start[0], function, node, {parameter}) for node in _entered(start[1])]
    while waiting:
        module, name, node, tracked = waiting.pop()
        if tracked <= seen.get((module, name), set()):
            continue
        seen.setdefault((module, name), set()).update(tracked)
        waiting += _next(module, name, node, set(tracked))
    return [f"{module}.{name}" for module, name in seen][1:]


def _next(module: str, name: str, function: ast.FunctionDef, tracked: set[str]) -> list[Step]:
    """Return where the names that are followed in a function go from there."""
    found = []
    kept = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_part(node.value, tracked):
            tracked |= {ast.unparse(target) for target in node.targets}
            kept |= {ast.unparse(target) for target in node.targets if isinstance(target, ast.Attribute)}
        if isinstance(node, ast.Call) and (there := _definition(module, node.func)):
            for method in _entered(there[1]):
                of_class = isinstance(there[1], ast.ClassDef)
                if given := _handed(method, node, tracked, method=of_class):
                    found.append((there[0], f"{there[1].name}.__init__" if of_class else method.name, method, given))
    if kept and name.endswith(".__init__"):
        owner = name.partition(".")[0]
        readers = [
            one for one in _methods(_names_of(module)[owner][1]) if any(held in ast.unparse(one) for held in kept)
        ]
        found += [(module, f"{owner}.{one.name}", one, kept) for one in readers]
    return found


def _entered(called: Definition) -> list[ast.FunctionDef]:
    """Return the function that a call of a function or of a class enters."""
    if isinstance(called, ast.FunctionDef):
        return [called]
    return [one for one in _methods(called) if one.name == "__init__"]


def _methods(owner: Definition | None) -> list[ast.FunctionDef]:
    return [one for one in getattr(owner, "body", []) if isinstance(one, ast.FunctionDef)]

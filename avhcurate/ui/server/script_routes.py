"""HTTP route of the components' scripts: one ES module, kept by browsers for good."""

import re
from functools import cache
from hashlib import blake2b
from pathlib import Path
from posixpath import dirname, join, normpath

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.ui.base.answers import NEVER_KEPT, base_path, kept


def script_url() -> str:
    """Return the address of the module, in which a hash of it stands."""
    return f"{base_path()}/scripts/{_stamp()}.js"


def script(request: Request) -> Response:
    """Answer with the module, of this version."""
    if request.path_params["stamp"] != _stamp():
        return PlainTextResponse("There is no such script.", 404, NEVER_KEPT)
    return kept(request, _module(), _stamp(), "text/javascript", for_good=True)


@cache
def _module() -> bytes:
    return joined(*components()).encode()


@cache
def _stamp() -> str:
    return blake2b(_module(), digest_size=8).hexdigest()


def routes() -> list[Route]:
    """Return the routes, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/scripts/{{stamp}}.js", script)]


# --- the module ------------------------------------------------------------------------------------------------------


_FOLDER = Path(__file__).parents[1] / "components"
#: Comments that have lines of their own.
_COMMENT = re.compile(r"^ *(//[^\n]*|/\*\*((?!\*/).)*\*/)\n", re.MULTILINE | re.DOTALL)
_IMPORT = re.compile(r'^import \{([^}]*)\} from "(.*)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
#: Begins what Streamlit calls of a component.
_RUN = "\nexport default "


def components() -> list[str]:
    """Return the names of all components, which are those of their folders and scripts."""
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in _FOLDER.glob("*/*.js")}
    return sorted(name for name, text in scripts.items() if _RUN in text)


def joined(*names: str) -> str:
    """Return a module that exports what is called of each component by its name, and holds all that they import.

    Each file becomes a function, called once, that returns what the file exports.

    >>> joined("page").splitlines()[-1]
    'export const page = files["page/page.js"].run;'
    """
    files: dict[str, str] = {}
    for name in names:
        _collect(f"{name}/{name}.js", files)
    parts = [f'files["{file}"] = (() => {{\n{text}}})();\n' for file, text in files.items()]
    ends = [f'export const {name} = files["{name}/{name}.js"].run;\n' for name in names]
    return "".join(["const files = {};\n", *parts, *ends])


def _collect(file: str, files: dict[str, str]) -> None:
    """Put a file as the text of its function, behind those that it imports."""

    def bring(match: re.Match[str]) -> str:
        other = normpath(join(dirname(file), match[2]))
        if other not in files:
            _collect(other, files)
        return f'const {{{match[1].replace("default as", "run as").replace(" as ", ": ")}}} = files["{other}"];'

    text = _COMMENT.sub("", (_FOLDER / file).read_text(encoding="utf-8"))
    text = _IMPORT.sub(bring, text).replace(_RUN, "\nexport const run = ")
    exported = ", ".join(name for _, name in _EXPORT.findall(text))
    files[file] = _EXPORT.sub(r"\1", text) + f"return {{ {exported} }};\n"

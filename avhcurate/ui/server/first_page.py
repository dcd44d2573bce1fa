"""What a browser loads first: the page around Streamlit's scripts, those scripts compressed, and the icons in use.

On a far line every round trip is felt. So the page says where the server is and which scripts its frame will ask for,
and brings title, icon and style with it.
"""

import re
import zlib
from base64 import b64encode
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from avhcurate import plugins
from avhcurate.ui.base.answers import base_path, kept
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.server.script_routes import script_url

_STREAMLIT = Path(st.__file__).parent / "static"
_FOLDER = _STREAMLIT / "static"
_SHELL = Path(__file__).parents[1] / "shell"
#: A font of the icons in use, made for this Streamlit by `python -m tests.fakes.icons`; another one sends its own font.
ICONS = _SHELL / f"icons-{st.__version__}.woff2"
_PAGE = "index.html"
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".woff2": "font/woff2"}
_FILES = {path.relative_to(_FOLDER).as_posix(): path for kind in (".js", ".css") for path in _FOLDER.rglob(f"*{kind}")}
if ICONS.exists() and not any(plugin.group == "pages" for plugin in plugins.found.values()):
    _FILES |= {path.relative_to(_FOLDER).as_posix(): ICONS for path in _FOLDER.glob("media/MaterialSymbols-Rounded.*")}
#: The parts by which Streamlit draws the frame of a page, and how its scripts import each other.
_PARTS = ("BidiComponent", "ButtonGroup", "Checkbox", "Multiselect", "PageLink", "Selectbox", "TextInput")
_IMPORT = re.compile(r'(?:from|import)"\./([\w.-]+\.js)"')


class FirstPage:
    """Answers with the page, or a file of Streamlit's as it is kept here, and leaves all else to the app."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = ""
        if scope["type"] == "http" and scope["method"] == "GET":
            name = _name_at(scope["path"].removeprefix(f"{base_path()}/"))
        answer = self.app
        if name:
            answer = await run_in_threadpool(_answer, Request(scope), name)
        await answer(scope, receive, send)


def _name_at(path: str) -> str:
    """Return the name of what lies at a path below that of the app, "" for what the app answers itself."""
    if not path or path in TITLES:
        return _PAGE
    name = path.removeprefix("static/")
    if name == path or name not in _FILES:
        return ""
    return name


def _answer(request: Request, name: str) -> Response:
    kind = Path(name).suffix
    packed = kind != ".woff2" and "gzip" in request.headers.get("accept-encoding", "")
    data = _packed(name) if packed else _data(name)
    for_good = kind in (".js", ".css")  # a hash stands in the name
    tag = name
    if not for_good:
        tag = blake2b(data, digest_size=8).hexdigest()
    answer = kept(request, data, tag, _KINDS[kind], for_good=for_good)
    answer.headers["Vary"] = "Accept-Encoding"
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    del answer.headers["Content-Security-Policy"]  # the page and its workers would be bound by it
    return answer


def _data(name: str) -> bytes:
    if name == _PAGE:
        return page().encode()
    return _FILES[name].read_bytes()


@cache
def _packed(name: str) -> bytes:
    """Return a file compressed, once: six megabytes are kept if every file is asked for."""
    packer = zlib.compressobj(level=9, wbits=31)
    return packer.compress(_data(name)) + packer.flush()


@cache
def page() -> str:
    """Return Streamlit's page with the title, icon, style and address of the app, and what will be asked for."""
    text = (_STREAMLIT / _PAGE).read_text(encoding="utf-8")
    icon = b64encode((_SHELL / "icon.svg").read_bytes()).decode()
    text = text.replace("./favicon.png", f"data:image/svg+xml;base64,{icon}")
    # Streamlit looks for its server beside the page before it looks there. Who listens first for Back can stop it.
    first = f"""
      window.__streamlit = {{ BACKEND_BASE_URL: new URL("{base_path()}/", location.origin).href }};
      addEventListener("popstate", (event) => window.wentBack?.(event));
    """
    text = text.replace("<title>Streamlit</title>", f"<title>AVH Curate</title><script>{first}</script>")
    addresses = [f"./static/js/{name}" for name in _scripts_of_frame(text)]
    links = [f'<link rel="modulepreload" crossorigin href="{address}">' for address in (*addresses, script_url())]
    style = (_SHELL / "frame.css").read_text(encoding="utf-8")
    script = (_SHELL / "popovers.js").read_text(encoding="utf-8")
    text = text.replace("</head>", "".join([*links, "</head>"]))
    # Behind Streamlit's own style, over which it prevails.
    return text.replace("</body>", f"<style>{style}</style><script>{script}</script></body>")


def _scripts_of_frame(page: str) -> list[str]:
    """Return the names of the scripts that Streamlit draws the frame by and that its page does not name."""
    scripts = [path.name for part in _PARTS for path in _FOLDER.glob(f"js/{part}.*.js")]
    for script in scripts:
        others = _IMPORT.findall((_FOLDER / "js" / script).read_text(encoding="utf-8"))
        scripts += dict.fromkeys(other for other in others if other not in scripts and other not in page)
    return scripts


def inline_scripts() -> list[str]:
    """Return the texts of the scripts in the page."""
    return re.findall(r"<script>(.*?)</script>", page(), re.DOTALL)

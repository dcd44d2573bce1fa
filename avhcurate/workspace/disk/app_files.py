"""Where the app's own files are: next to the package in a checkout, in it when installed from a wheel."""

import shlex
import sys
from functools import cache
from pathlib import Path

from avhcurate import plugins

PACKAGE = Path(__file__).parents[2]
#: The wheel carries `app.py`, `pages/`, `data/` and `.streamlit/` in here.
_INSTALLED = PACKAGE / "_app"
#: The folder that a checkout's package lies in; None for an installed one, which Python finds by itself.
CHECKOUT = None if _INSTALLED.is_dir() else PACKAGE.parent
ROOT = CHECKOUT or _INSTALLED
#: What `streamlit run` serves, and the pages of the app.
SCRIPT = ROOT / "app.py"
PAGES = ROOT / "pages"


@cache
def added_pages() -> dict[str, plugins.Page]:
    """Return the pages that plugins add, by the last part of their address."""
    names = [path.stem for path in PAGES.glob("*.py")]
    return plugins.load("pages", lambda _, page: plugins.Page(*page), taken=names)


def page_file(name: str) -> Path:
    if name in added_pages():
        return added_pages()[name].file
    return PAGES / f"{name}.py"


def install_command(extra: str) -> str:
    """Return the command that adds an optional extra to this installation, for the Python that runs it.

    >>> install_command("timm").endswith("[timm]'")
    True
    """
    where = ["-e", f"{CHECKOUT}[{extra}]"] if CHECKOUT else [f"avhcurate[{extra}]"]
    return shlex.join([sys.executable, "-m", "pip", "install", *where])

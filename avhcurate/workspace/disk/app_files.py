"""Where the app's own files are: next to the package in a checkout, in it when installed from a wheel."""

import shlex
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
#: The wheel carries `app.py`, `pages/`, `data/` and `.streamlit/` in here.
_INSTALLED = PACKAGE / "_app"
#: The folder that a checkout's package lies in; None for an installed one, which Python finds by itself.
CHECKOUT = None if _INSTALLED.is_dir() else PACKAGE.parent
ROOT = CHECKOUT or _INSTALLED
#: What `streamlit run` serves, and the pages of the app.
SCRIPT = ROOT / "app.py"
PAGES = ROOT / "pages"


def install_command(extra: str) -> str:
    """Return the command that adds an optional extra to this installation, for the Python that runs it.

    >>> install_command("timm").endswith("[timm]'")
    True
    """
    where = ["-e", f"{CHECKOUT}[{extra}]"] if CHECKOUT else [f"avhcurate[{extra}]"]
    return shlex.join([sys.executable, "-m", "pip", "install", *where])

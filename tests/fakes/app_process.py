"""Servers that start at once: each is forked of a process that has imported the app's modules."""

import os
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What the pages import.
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("avhcurate/*/*/ui*.py")]
#: Makes processes; the one that it forks them of is started with the first.
STARTER = get_context("forkserver")
STARTER.set_forkserver_preload(["streamlit.web.cli", *MODULES])


def run(script: str, port: int, log: str, environment: dict[str, str]) -> None:
    """Run `streamlit run` until the process ends; what it says goes to the end of a file."""
    from streamlit.web import cli

    with open(log, "ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ |= environment
    cli.main(["run", script, "--server.port", str(port)])

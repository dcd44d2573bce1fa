"""Hooks of the documentation site: the command line as a page, notebooks as pages, formulas as MathML."""

import html
import json
import re
from pathlib import Path
from typing import Any

import latex2mathml.converter
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from avhcurate.cli.options import app

#: What arithmatex leaves of a formula: \(inline\) or \[a line of its own\].
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made from the code: cli.md, and a page a notebook."""
    files.append(File.generated(config, "cli.md", content=command_line()))
    for path in sorted((Path(config.docs_dir) / "notebooks").glob("*.ipynb")):
        made = File.generated(config, f"notebooks/{path.stem}.md", content=notebook_page(path))
        files.append(made)
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML, which browsers draw without a script."""
    return FORMULA.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found[2] == "[" else "inline"
    return latex2mathml.converter.convert(html.unescape(found[3]), display=display)


def command_line() -> str:
    """Every verb with its arguments and options, in the order of the help."""
    group = typer.main.get_command(app)
    text = get_docs_for_click(obj=group, ctx=typer.Context(group), name="avhcurate", title="Command line")
    return text.replace("<", "&lt;").replace("][", r"]\[")


def notebook_page(path: Path) -> str:
    """A notebook's texts, code and what each cell showed."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        shown = "".join(_output(one) for one in cell["outputs"]).rstrip()
        if shown:
            parts.append(f"```text\n{shown}\n```")
    return "\n\n".join(parts) + "\n"


def _output(output: dict[str, Any]) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain", [])
    return "".join(text) + "\n"

"""Hooks of the documentation site: pages made from code and notebooks, formulas as MathML, pictures to enlarge."""

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

from avhcurate.cli import app

#: What arithmatex leaves of a formula: \(inline\) or \[a line of its own\].
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)
#: TeX that the converter draws badly, and the same as it draws it well.
PLAINER = {r"\arg\max": r"\argmax", r"\arg\min": r"\argmin", r"\lVert": r"\|", r"\rVert": r"\|"}
PICTURE = re.compile(r'<img [^>]*?src="([^"]+)"[^>]*>')
#: Code of Markdown, which stands as it is, or a bracket that would begin a tag.
CODE_OR_TAG = re.compile(r"(```.*?```|`[^`\n]*`)|<", re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made from the code: cli.md, a page a notebook, and the changelog; and the app's icon."""
    files.append(File.generated(config, "cli.md", content=command_line()))
    for path in sorted((Path(config.docs_dir) / "notebooks").glob("*.ipynb")):
        made = File.generated(config, f"notebooks/{path.stem}.md", content=notebook_page(path))
        files.append(made)
    root = Path(config.docs_dir).parent
    files.append(File.generated(config, "changelog.md", content=(root / "CHANGELOG.md").read_text(encoding="utf-8")))
    files.append(File.generated(config, "icon.svg", abs_src_path=str(root / "avhcurate" / "ui" / "shell" / "icon.svg")))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML, which browsers draw without a script; a click shows a picture at its full size."""
    return FORMULA.sub(_mathml, PICTURE.sub(r'<a class="picture" href="\1">\g<0></a>', content))


def _mathml(found: re.Match[str]) -> str:
    formula = html.unescape(found[3])
    for written, plainer in PLAINER.items():
        formula = formula.replace(written, plainer)
    return latex2mathml.converter.convert(formula, display="block" if found[2] == "[" else "inline")


def command_line() -> str:
    """Every verb with its arguments and options, in the order of the help."""
    group = typer.main.get_command(app)
    text = get_docs_for_click(obj=group, ctx=typer.Context(group), name="avhcurate", title="Command line")
    for verb, command in group.commands.items():  # whole sentences, where the help in a shell cuts them
        summary = re.compile(rf"^\* `{verb}`: .*$", re.M)
        text = summary.sub(f"* [`{verb}`](#avhcurate-{verb}): {command.get_short_help_str(limit=200)}", text, count=1)
    return CODE_OR_TAG.sub(lambda found: found[1] or "&lt;", text).replace("][", r"]\[")


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
            parts.append(f"```{{ .text .shown }}\n{shown}\n```")
    return "\n\n".join(parts) + "\n"


def _output(output: dict[str, Any]) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain", [])
    return "".join(text) + "\n"

"""Each message that the page Troubleshooting quotes is a message of the package."""

import ast
import re
from pathlib import Path

import pytest

from avhcurate.errors import Option

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^- `(.+?)` ", PAGE, re.M)


def texts(node: ast.AST) -> str:
    """Return a text of the code as the page quotes it, with … for what is put in; empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(texts(part) or "…" for part in parts)
        case ast.FormattedValue(value=ast.Call(func=ast.Name("Option"), args=[ast.Constant(), *_] as given)):
            return str(Option(*map(ast.literal_eval, given)))
        case ast.Call(args=[what], keywords=[ast.keyword(arg="fix", value=fix)]) if texts(fix):
            return f"{texts(what)} {texts(fix)}."
    return ""


@pytest.fixture(scope="module")
def messages() -> str:
    """Every text of the package, one a line."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "avhcurate").rglob("*.py")]
    return "\n".join(texts(node) for source in sources for node in ast.walk(ast.parse(source)))


def test_the_page_quotes_messages():
    assert len(QUOTED) >= 20


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_one_of_the_package(message, messages):
    assert message in messages

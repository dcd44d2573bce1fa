"""Every capability in docs/capabilities.md is shown by a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "capabilities.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!what a user|---)(.+?) \| (.+?) \| (.+?) \|$", TEXT, re.M)


def test_every_capability_names_a_test_that_exists():
    assert len(ROWS) > 150
    missing = []
    for what, _, shown in ROWS:
        found = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", shown)
        if not found:
            missing.append(f"{what}: no test")
        for path, name in found:
            file = ROOT / path
            if not file.is_file():
                missing.append(f"{what}: {path}")
                continue
            if name and f"def {name}(" not in file.read_text():
                missing.append(f"{what}: {path}::{name}")
    assert missing == []

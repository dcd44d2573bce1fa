"""Prints how many lines the repository has now, and had a day, a week and a month before: a trend, which fails nothing.

    make trend

Lines are those of files that git knows, at the commit that was the newest at the time; a clone without that says less.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
_WHAT = {
    "Python": ("avhcurate/**.py", "pages/*.py", "app.py"),
    "front end": ("avhcurate/**.js", "avhcurate/**.ts", "avhcurate/**.css", "avhcurate/**.html"),
    "tests": ("tests/**.py", "tests/**.js", "tests/**.mjs"),
    "benchmarks": ("benchmarks/**.py",),
    "documents": ("*.md",),
}
_WHEN = ("now", "1 day ago", "1 week ago", "1 month ago")


def main() -> None:
    """Print a line for each time."""
    print(f"{'lines':>12}" + "".join(f"{what:>12}" for what in _WHAT))
    for when in _WHEN:
        commit = "HEAD"
        if when != "now":
            commit = _git("rev-list", "-1", f"--before={when}", "HEAD").strip()
        if commit:
            print(f"{when:>12}" + "".join(f"{_lines(commit, files):>12,}" for files in _WHAT.values()))


def _lines(commit: str, files: tuple[str, ...]) -> int:
    """Return the lines of the files at a commit."""
    counted = _git("grep", "--count", "-I", "", commit, "--", *files)
    return sum(int(line.rpartition(":")[2]) for line in counted.splitlines())


def _git(*words: str) -> str:
    """Return what git prints; nothing where it is not there, or knows no such commit."""
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


if __name__ == "__main__":
    main()

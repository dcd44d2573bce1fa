"""Writes the locks: each release that the app and its tests take, with the hashes of its files, for every platform.

    make lock

`locks/requirements.lock` is what the app takes, `locks/requirements-test.lock` what its tests take besides. PyTorch is
left to its range, with the libraries of CUDA that it brings: one release has other files for CPU, CUDA and macOS. What
a lock says already stays as long as the ranges admit it; a removed line is chosen anew.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
APP, TESTS = ROOT / "locks" / "requirements.lock", ROOT / "locks" / "requirements-test.lock"
_LEFT_OUT = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)==")
#: What installs the checkout itself.
_BUILD = ("hatchling>=1.27", "editables")
_OPTIONS = ("--universal", "--generate-hashes", "--no-header", "--no-annotate", "--python-version", "3.11")


def main() -> None:
    """Write both locks."""
    build = ROOT / "build" / "locks"
    build.mkdir(parents=True, exist_ok=True)
    before = "".join(path.read_text(encoding="utf-8") for path in (APP, TESTS) if path.exists())
    every = _locked(build / "test.txt", before.replace(f"-r {APP.name}\n", ""), "--extra", "test", "pyproject.toml")
    (build / "build.in").write_text("\n".join(_BUILD), encoding="utf-8")
    app = _locked(build / "app.txt", "\n".join(every), "requirements.txt", str(build / "build.in"))
    APP.write_text("\n".join(app) + "\n", encoding="utf-8")
    rest = [entry for entry in every if entry not in app]
    TESTS.write_text("\n".join([f"-r {APP.name}", *rest]) + "\n", encoding="utf-8")


def _locked(path: Path, before: str, *sources: str) -> list[str]:
    """Return the entries of a lock of `sources`, each with its hashes; releases of the lock `before` are preferred."""
    path.write_text(before, encoding="utf-8")
    words = [Path(sys.executable).with_name("uv"), "pip", "compile", "-q", *_OPTIONS, *sources, "-o", path]
    subprocess.run([str(word) for word in words], check=True, cwd=ROOT)
    entries = re.findall(r"^\S.*(?:\n .*)*", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [entry for entry in entries if not _LEFT_OUT.match(entry)]


if __name__ == "__main__":
    main()

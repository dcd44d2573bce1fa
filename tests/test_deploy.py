"""Containers, the workflow and the citation name what is there, and what they promise is tried; none is run here."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from avhcurate import __version__
from avhcurate.cli import app

ROOT = Path(__file__).parents[1]
APP, TESTS = "locks/requirements.lock", "locks/requirements-test.lock"


def test_the_image_copies_and_starts_what_is_there():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    (extras,) = re.findall(r'"\.\[(.*?)\]"', "\n".join(lines))
    known = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = ", known, re.MULTILINE) for extra in extras.split(","))
    assert "serve" in [command.name or command.callback.__name__ for command in app.registered_commands]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".streamlit/secrets.toml", "workspace"} <= set(ignored)  # neither secrets nor data in the image
    assert not {path for path in ignored if not path.startswith((".", "*"))} & {"avhcurate", "pages", "data", "app.py"}


def test_the_versions_of_python_that_are_promised_are_those_that_are_tried():
    promised = set(re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text()))
    tested = re.findall(r"^\| Linux, Python (.*?) \|", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert (
        promised == set(jobs["wheel"]["strategy"]["matrix"]["python"]) == set(re.findall(r"3\.\d+", " ".join(tested)))
    )
    first, *_, last = sorted(promised, key=lambda version: int(version[2:]))
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text()
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step] == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").read_text().endswith("exec make test-all\n")
    assert set(jobs["release"]["needs"]) == {"test", "wheel", "docs"}  # what is published was tried
    uploaded = [
        step["with"]["name"] for job in jobs.values() for step in job["steps"] if "upload-artifact" in str(step)
    ]
    asked = [step["with"]["name"] for job in jobs.values() for step in job["steps"] if "download-artifact" in str(step)]
    assert sorted(uploaded) == sorted(asked) == ["dist", "site"]
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    called = {
        step["run"].split()[1]
        for job in ("advisories", "wheel", "docs")
        for step in jobs[job]["steps"]
        if "run" in step
    }
    assert called == {"advisories", "wheel", "docs"} <= set(targets)


def test_only_the_quick_tier_leaves_tests_out():
    makefile = (ROOT / "Makefile").read_text()
    quick, every = re.findall(r"^check(?:-all)?:\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert quick.endswith('$(PYTEST) -m "not slow"\n')
    own, rest = every.splitlines()
    assert own.endswith("$(PYTEST) tests/networks")
    assert rest.endswith("$(PYTEST) --ignore tests/networks")


def _entries(*names):
    """The entries of lock files: (name, version) and whether there is a hash, without what other systems take."""
    for name in names:
        for entry in re.findall(r"^[a-z].*(?:\n .*)*", (ROOT / name).read_text(), re.MULTILINE):
            requirement = Requirement(entry.split(" \\")[0])
            if requirement.marker is None or requirement.marker.evaluate():
                yield canonicalize_name(requirement.name), str(requirement.specifier), "--hash=sha256:" in entry


def test_the_locks_name_files_of_all_that_is_required_and_no_server():
    required = (ROOT / "requirements.txt").read_text().splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for lines, names in ((required, [APP]), (extras["test"], [APP, TESTS])):
        locked = {name: version for name, version, hashed in _entries(*names) if hashed}
        for requirement in map(Requirement, (line for line in lines if not line.startswith("#"))):
            version = locked.get(canonicalize_name(requirement.name), "==0").removeprefix("==")
            assert requirement.name in ("torch", "torchvision") or version in requirement.specifier, requirement
    written = "".join((ROOT / name).read_text() for name in (APP, TESTS))
    assert all(hashed for *_, hashed in _entries(APP, TESTS))
    assert not re.search(r"://|--(extra-)?index|--find-links|^(torch|nvidia)", written, re.MULTILINE)
    exactly, makefile = "--no-deps --require-hashes -r", (ROOT / "Makefile").read_text()
    assert f"{exactly} {APP}" in (ROOT / "Dockerfile").read_text()
    assert f"EXACTLY = {exactly}\n" in makefile
    (locked,) = re.findall(r"^locked = .*", makefile, re.MULTILINE)
    assert locked.count("pip install") == locked.count("$(EXACTLY) $(1)") == 2  # by uv, and by pip without it
    assert re.findall(r"\$\(call locked,(locks/.*?)\)", makefile) == [APP, TESTS]


def test_the_citation_the_guide_to_installing_and_the_changelog_name_this_version():
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == __version__
    assert set(re.findall(r"avhcurate-(.*?)-py3", (ROOT / "docs" / "install.md").read_text())) == {__version__}
    coming, latest, *_ = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert coming == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)}, \d{{4}}-\d\d-\d\d", latest)


def test_the_services_are_built_from_here_and_reach_each_other():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    image = (ROOT / services["app"]["build"]["context"] / "Dockerfile").read_text()
    assert all(f"ARG {name}=" in image and f"=${name} pip" in image for name in services["app"]["build"]["args"])
    mounted = [volume.split(":")[0] for volume in services["app"]["volumes"] if volume.startswith(".")]
    assert all((ROOT / path).is_dir() for path in mounted)
    variables, database = services["app"]["environment"], services["database"]["environment"]
    user, host, name = re.fullmatch(r"postgresql://(\w+):.*@(\w+)/(\w+)", variables["AVHCURATE_DATABASE_URL"]).groups()
    assert (user, name) == (database["POSTGRES_USER"], database["POSTGRES_DB"])
    assert host in services
    assert "ports" not in services["app"]  # the proxy alone is reached from outside
    assert f"--to {next(iter(services))}:8501" in services["proxy"]["command"]
    written = "\n".join(path.read_text() for path in (ROOT / "avhcurate").rglob("*.py"))
    assert all(variable in written for variable in variables)

"""What a shell completes: names of datasets, runs, classes and scores, as the typed line means them."""

import os
import shlex
import subprocess
import sys

import pytest

from tests.test_cli import HEAVY


@pytest.fixture
def pets_root(make_dataset):
    """A workspace with pets, of which one class has a blank and another is called otherwise since, and plants."""
    pets = make_dataset({f"{name}/{name}.png": colour for name, colour in {"golden cat": "red", "dog": "blue"}.items()})
    make_dataset({"a.png": "red"}, "plants")
    dataset = pets.workspace.dataset("pets")
    for run in ("resnet-1", "vit-1"):
        (dataset.root / "runs" / run).mkdir(parents=True)
        (dataset.root / "runs" / run / "run.json").write_text("{}")
    return pets.workspace.root


@pytest.fixture
def completed(cli, pets_root, monkeypatch, tmp_path):
    """`completed(LINE)`: what follows the cursor at its end, as bash asks for it. It has a workspace of its own."""
    monkeypatch.chdir(tmp_path)

    def ask(line):
        words = shlex.split(line.replace("WORKSPACE", str(pets_root)))
        if line.endswith(" "):
            words.append("")
        monkeypatch.setenv("_AVHCURATE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        code, out, err = cli()
        assert (code, err) == (0, "")
        return out.split("\n")[:-1] if out.strip() else []

    return ask


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("avhcurate correlate ", ["pets", "plants"]),
        ("avhcurate correlate pe", ["pets"]),
        ("avhcurate disagree pets --model re", ["resnet-1"]),
        ("avhcurate models pets --runs vit-1,", ["vit-1,resnet-1", "vit-1,vit-1"]),
        ("avhcurate default pets v", ["vit-1"]),
        ("avhcurate models pets --scores avh,relative_", ["avh,relative_avh"]),
        ("avhcurate relabel pets --to g", [r"golden\ cat"]),
        ("avhcurate suspects pets --out-of", ["--out-of-fold"]),
        ("avhcurate diff pl", ["plants"]),
        ("avhcurate score pets --model ", []),  # networks
        ("avhcurate import pe", []),  # a new name
        ("avhcurate correlate nothing --model ", []),
        ("avhcurate correlate --out ", []),  # a file, which the shell knows
    ],
)
def test_names_are_completed_where_the_verb_reads_them(completed, pets_root, monkeypatch, line, names):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(pets_root))
    assert sorted(completed(line)) == names


@pytest.mark.parametrize(
    "line",
    [
        "avhcurate correlate --workspace WORKSPACE pe",
        "avhcurate --workspace WORKSPACE correlate pe",
        "avhcurate correlate --workspace=WORKSPACE pe",
        "avhcurate correlate --workspace = WORKSPACE pe",  # as bash cuts it
    ],
)
def test_the_workspace_of_the_typed_line_is_read(completed, monkeypatch, line):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", "elsewhere")
    assert completed(line) == ["pets"]
    assert completed("avhcurate correlate pe") == []


def test_names_follow_the_file_of_the_project_and_what_people_made_of_classes(cli, completed, pets_root, tmp_path):
    (tmp_path / "avhcurate.toml").write_text(f"workspace = '{pets_root}'\ndataset = 'pets'\n")
    assert completed("avhcurate relabel --to d") == ["dog"]
    os.environ.pop("_AVHCURATE_COMPLETE")
    assert cli("classes", "pets", "--rename", "dog=hound").code == 0
    assert completed("avhcurate relabel pets --to h") == ["hound"]


def test_what_cannot_be_read_is_passed_over_in_silence(completed, pets_root, monkeypatch, tmp_path):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(pets_root))
    assert completed("avhcurate correlate --workspace ") == []
    (pets_root / "datasets" / "pets" / "dataset.json").write_text("{")
    assert completed("avhcurate relabel pets --to ") == []
    assert sorted(completed("avhcurate correlate ")) == ["pets", "plants"]
    monkeypatch.delenv("AVHCURATE_WORKSPACE")
    (tmp_path / "avhcurate.toml").write_text("datset = 3")
    assert completed("avhcurate correlate ") == []


@pytest.fixture
def shell_env(pets_root, tmp_path):
    """What a shell needs to find the program and the workspace."""
    program = tmp_path / "bin" / "avhcurate"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m avhcurate "$@"\n')
    program.chmod(0o755)
    paths = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    return os.environ | {"PATH": paths, "AVHCURATE_WORKSPACE": str(pets_root)}


@pytest.mark.slow
def test_bash_completes_with_the_script_that_it_is_given(shell_env):
    """The function of the script is called as bash calls it, with the words as bash cuts the line."""
    script = """
    eval "$(avhcurate --show-completion bash)"
    COMP_WORDS=(avhcurate relabel pets --to = gol); COMP_CWORD=5
    _avhcurate_completion avhcurate
    printf '%s\n' "${COMPREPLY[@]}"
    """
    ended = subprocess.run(["bash", "-c", script], env=shell_env, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("golden\\ cat\n", "")


@pytest.mark.slow
def test_zsh_is_answered_without_a_heavy_import(shell_env):
    """The words before the cursor come in one text; what is answered is a call of `_arguments`."""
    script = (
        "import sys; from avhcurate import cli\n"
        "try: cli.main()\nfinally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    shell_env |= {"_AVHCURATE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "avhcurate relabel pets --to "}
    ended = subprocess.run([sys.executable, "-c", script], env=shell_env, capture_output=True, text=True, check=True)
    assert ended.stdout == """_arguments '*: :(("dog"\n"golden cat"))'\n"""
    modules = ended.stderr.split()
    assert "avhcurate" in modules
    assert {*modules} & (HEAVY | {"numpy", "pyarrow"}) == set()

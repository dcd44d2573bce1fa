"""Every guide runs from its first block to its last, in a folder that holds what it speaks of."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from avhcurate.cli import app
from tests.fakes.documents import VOTES, code_blocks, run_commands
from tests.fakes.networks import save_clip
from tests.fakes.other_tools import write_other_tools

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = [*sorted((DOCS / "guides").glob("*.md")), *(DOCS / f"{page}.md" for page in ("index", "api", "api-scores"))]
every_page = pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_runs_as_it_is_written(guide, cli, home, twelve_images):
    (home / "votes.csv").write_text("sample,annotator,label\n" + VOTES)
    (home / "corrections.csv").write_text("path,label_name\ncat/001.jpg,dog\n")
    # The seventh image is a dog that looks like a cat.
    np.save(home / "probs.npy", np.eye(2, dtype=np.float32)[[0] * 7 + [1] * 5] * 0.8 + 0.1)
    if guide.stem == "other-tools":
        write_other_tools(home)
    if guide.stem == "find-by-words":
        pytest.importorskip("transformers", reason="the extra transformers is not installed")
        save_clip(home / "clip")
    text = guide.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(bash|python)\n(.*?)^```$", text, re.M | re.S)
    for kind, block in blocks:
        if kind == "bash":
            run_commands(cli, block)
        else:
            exec(block, twelve_images)
    if guide.stem == "label-errors":
        labels = pd.read_csv(home / "labels.csv").set_index("path")
        assert labels.loc["cat/001.jpg", ["label_name", "curated_label_name"]].tolist() == ["cat", "dog"]
        assert len(labels) == 11  # one is excluded
    if guide.stem == "training-dynamics":
        (heard,) = twelve_images["digits"].workspace.dataset("digits").trainings()
        assert heard.epoch_scores("learnt from")["correctness"].mean() > 0.8
    for made in re.findall(r"--(?:out|csv) (\S+)", "".join(block for kind, block in blocks if kind == "bash")):
        assert (home / made).stat().st_size


@every_page
def test_a_command_of_the_app_is_always_run_or_checked(page):
    blocks = re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    unchecked = [block for kind, block in blocks if kind not in ("bash", "console", "python")]
    assert [block for block in unchecked if re.search(r"^(python -m )?avhcurate ", block, re.M)] == []


@every_page
def test_commands_that_are_only_shown_exist(page):
    group = typer.main.get_command(app)
    for block in code_blocks(page.read_text(encoding="utf-8"), "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "avhcurate" not in words:
                continue
            call = group.make_context("avhcurate", words[words.index("avhcurate") + 1 :])  # it has options of all verbs
            verb, *arguments = (*call._protected_args, *call.args)
            group.commands[verb].make_context(verb, arguments)

"""VisDA-17 in small: its lists, its class order, its network, and a dry run of the whole command."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avhcurate.networks.models.loading import ModelSpec, new_model
from avhcurate.workspace.data.workspace import Workspace
from benchmarks import visda17

#: The paper's order.
CLASSES = [
    *("aeroplane", "bicycle", "bus", "car", "horse", "knife", "motorcycle", "person", "plant", "skateboard"),
    *("train", "truck"),
]


@pytest.fixture(scope="module")
def visda(tmp_path_factory) -> Path:
    """Two images a class, in the layout of the classification track; the second part is darker."""
    root, rng = tmp_path_factory.mktemp("visda"), np.random.default_rng(0)
    for part, light in (("train", 1.0), ("validation", 0.6)):
        lines = []
        for label, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 60, (32, 32, 3)) + 190 * (np.arange(3) == label % 3)
                Image.fromarray((light * pixels).astype(np.uint8)).save(root / part / name / f"{number}.png")
                lines.append(f"{name}/{number}.png {label}\n")
        (root / part / "image_list.txt").write_text("".join(lines))
    return root


def test_the_network_is_the_papers():
    model = new_model(ModelSpec(name=visda17.MODEL, resize=32, crop=32), 12)
    shapes = {name: tuple(value.shape) for name, value in model.module.fc.state_dict().items()}
    assert shapes["hidden.weight"] == (512, 2048)
    assert shapes["head.weight"] == (12, 512)
    assert model.head_name == "fc.head"
    assert sum("conv" in name for name, _ in model.module.layer3.named_modules()) == 69


@pytest.mark.slow
def test_the_papers_rules_go_from_estimate_to_table_and_resume_where_they_were_stopped(visda, tmp_path, capsys):
    rules = ["avc"]
    arguments = f"--data {visda} --workspace {tmp_path} --model avhcurate:cnn9 --rules {','.join(rules)} --rounds 1"
    arguments = [*arguments.split(), "--epochs", "1", "--batch-size", "12", "--device", "cpu"]
    assert visda17.main([*arguments, "--minutes", "0"]) == 1
    printed = capsys.readouterr().out
    assert f"| in all | {len(rules)} | {len(rules) * (2 + 3)} |" in printed
    assert "The same command resumes" in printed
    assert not Workspace(tmp_path).dataset("visda-validation").self_trainings()
    assert visda17.main(arguments) == 0
    printed = capsys.readouterr().out
    header = next(line for line in printed.splitlines() if line.startswith("| | aero"))
    assert [cell.strip() for cell in header.split("|")[2:-2]] == CLASSES
    for name, mean in (("CBST", "76.4"), ("CRST", "78.1"), ("proposed", "81.5")):
        row = next(line for line in printed.splitlines() if line.startswith(f"| paper: {name}"))
        assert row.split("|")[-2].strip() == mean
    target = Workspace(tmp_path).dataset("visda-validation")
    assert target.record.classes == CLASSES
    runs = Workspace(tmp_path).dataset("visda-validation").self_trainings()
    assert [(run.record.rule, run.record.seed, run.rounds()) for run in runs] == [(rule, 0, [0, 1]) for rule in rules]
    assert all(f"| {rule}, seed 0 |" in printed for rule in rules)
    assert {round(run.report(1).portion, 2) for run in runs} == {0.2}
    assert visda17.main(arguments) == 0
    assert "| in all | 0 | 0 |" in capsys.readouterr().out

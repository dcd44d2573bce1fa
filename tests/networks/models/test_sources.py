"""The source files that tell an edited network of the user's own from what it was."""

import importlib
import sys
from pathlib import Path

import pytest

from avhcurate.networks.models import sources as module
from avhcurate.networks.models.loading import ModelSpec, find_architecture, new_model
from avhcurate.networks.models.names import ModelName
from avhcurate.networks.models.sources import sources

FILES = {
    "lab1/__init__.py": "",
    "lab1/nets.py": "import torch, os.path\nfrom . import blocks\nfrom lab1.deep.norms import Norm\n",
    "lab1/blocks.py": "def build():\n    import helper1  # only where it is called\n",
    "lab1/deep/norms.py": "import numpy as np\nclass Norm:\n    ...\n",  # a folder without __init__
    "lab1/unused.py": "",
    "helper1.py": "this is no Python\n",
    "factory1.py": "from torch import nn\nFEW = 4\ndef make(num_classes=2):\n    return nn.Sequential(nn.Flatten(),"
    " nn.Linear(3 * 224 * 224, FEW), nn.Linear(FEW, num_classes))\n",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "_READ", {})
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lab1", "helper1", "factory1")]:
        del sys.modules[name]


def test_a_module_has_the_files_of_its_project_that_it_imports_and_no_others(project):
    assert list(sources("lab1.nets")) == ["helper1", "lab1", "lab1.blocks", "lab1.deep.norms", "lab1.nets"]
    assert sources("json.decoder") == {}
    assert list(sources("PIL.Image")) == ["PIL.Image"]  # what is installed has a version


def test_an_edit_counts_once_python_has_loaded_it(project: Path):
    from_disk = sources("lab1.nets")
    nets = importlib.import_module("lab1.nets")
    assert sources("lab1.nets") == from_disk
    (project / "lab1" / "blocks.py").write_text("EDITED = True\n")
    assert sources("lab1.nets") == from_disk  # what this process runs is not edited yet
    importlib.reload(nets.blocks)
    edited = sources("lab1.nets")
    assert [name for name in edited if edited[name] != from_disk[name]] == ["lab1.blocks"]


def test_a_factory_has_them_to_score_and_to_train_and_a_published_network_has_none(project):
    assert list(new_model(ModelSpec(name="factory1:make"), 2).code) == ["factory1"]
    assert find_architecture(ModelName.of("avhcurate:digits")).code is None

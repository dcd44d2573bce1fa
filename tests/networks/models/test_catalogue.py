"""The catalogue of names: what the registry knows, read without torch."""

import subprocess
import sys

import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.models.catalogue import network_names, refuse_unknown
from avhcurate.networks.models.registry import model_names

_READ = "import sys; from avhcurate.ui import job_forms; job_forms.models(); assert 'torchvision' not in sys.modules"


def test_it_lists_every_network_that_the_registry_finds_by_name():
    """A newer torchvision may know more: what is listed there and not here is to be added to the file."""
    assert set(model_names()) <= set(network_names())
    assert len(set(network_names())) == len(network_names())


def test_a_form_lists_it_without_importing_torchvision():
    subprocess.run([sys.executable, "-c", _READ], check=True)


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("resnet5", "avhcurate:resnet56 or torchvision:resnet50"),
        ("torchvision:resnet5O", "Choose torchvision:resnet50 or"),
        ("Cnn9", "Choose avhcurate:cnn9"),
        ("zzzz", "Choose one of the list"),
    ],
)
def test_a_part_of_a_name_is_answered_with_the_names_that_hold_it(typed, near):
    with pytest.raises(CurateError, match="No model is called") as refused:
        refuse_unknown(typed)
    assert near in str(refused.value)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "timm:any", "onnx:net.onnx", "clip:here", "lab.nets:make"])
def test_names_that_are_listed_or_lie_elsewhere_are_left_to_the_job(name):
    refuse_unknown(name)

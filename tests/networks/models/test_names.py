"""Names of networks: what a list knows without torch, near matches, and which of them may import a user's code."""

import functools
import importlib
import os
import subprocess
import sys

import pytest
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.models import extras, torchvision_zoo
from avhcurate.networks.models.factory import check_factory, factory
from avhcurate.networks.models.loading import ModelSpec, find_architecture, load_model
from avhcurate.networks.models.names import ModelName, network_names, refuse_unknown, refuse_unlisted
from avhcurate.networks.models.own import OWN
from avhcurate.workspace.disk.jobs import JOB_VARIABLE
from tests.fakes.refusals import refused


def test_the_list_has_every_network_that_is_found_by_name():
    """A newer torchvision may know more: what is there and not in the list is to be added to the file."""
    own = [f"avhcurate:{name}" for name in OWN]
    expected = [*own, *extras.EFFICIENTNET_LITE, *(f"torchvision:{name}" for name in torchvision_zoo.names())]
    assert set(expected) <= set(network_names())
    assert len(set(network_names())) == len(network_names())
    assert all(find_architecture(ModelName.of(name)).preprocess.crop > 0 for name in own)


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("resnet5", "avhcurate:resnet56 or torchvision:resnet50"),
        ("torchvision:resnet5O", "Choose torchvision:resnet50 or"),
        ("Cnn9", "Choose avhcurate:cnn9"),
        ("efficientnet_lite0", "efficientnet-lite0"),
        ("avhcurate:resnet21", "avhcurate:resnet20"),
        ("zzzz", "PACKAGE.MODULE:FACTORY"),
    ],
)
def test_a_part_of_a_name_is_answered_with_the_names_that_hold_it(typed, near):
    with refused(f"'{typed}'") as caught:
        refuse_unknown(ModelName.of(typed))
    assert near in str(caught.value)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "timm:any", "onnx:net.onnx", "clip:here", "lab.nets:make"])
def test_names_that_are_listed_or_lie_elsewhere_are_left_to_the_job(name):
    refuse_unknown(ModelName.of(name))
    if ":make" not in name:  # they import nothing of the user's
        refuse_unlisted(ModelName.of(name))


@pytest.mark.parametrize("name", ["http.server:test", "os:system", "builtins:exec", "antigravity:geohash"])
def test_nothing_of_the_standard_library_is_imported_or_called(name, monkeypatch):
    def imported(module, *_):
        raise AssertionError(f"{module} was imported")

    monkeypatch.setattr(importlib, "import_module", imported)
    with pytest.raises(CurateError, match="module of Python's own"):
        load_model(ModelSpec(name=name))


@pytest.mark.parametrize(
    "make", [subprocess.Popen, functools.partial(subprocess.Popen, ["ls"]), subprocess.check_output, os.system]
)
def test_what_a_module_has_from_the_standard_library_is_refused_uncalled(make, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "borrowed", make, raising=False)
    with pytest.raises(CurateError, match="module of Python's own"):
        factory(f"{__name__}:borrowed")


def made_in_part(width):
    return nn.Linear(width, 2)


def test_a_part_of_ones_own_function_is_called(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "part", functools.partial(made_in_part, 3), raising=False)
    assert factory(f"{__name__}:part").build(None, 8).in_features == 3


@pytest.mark.parametrize("name", ["lab nets:make", "lab.nets:", ":make", "lab..nets:make", "lab.nets:make()", "../a:b"])
def test_a_name_that_python_does_not_know_is_refused(name):
    with pytest.raises(CurateError, match=r"is not PACKAGE\.MODULE:FACTORY"):
        check_factory(name)


def test_in_a_job_of_the_app_only_listed_factories_are_imported(monkeypatch):
    check_factory("lab.nets:make")
    monkeypatch.setenv(JOB_VARIABLE, "20261125-1")
    for listed, name, allowed in [
        ("", "lab.nets:make", False),
        ("lab.nets:make", "lab.nets:make", True),
        ("lab.nets:make", "lab.nets:other", False),
        ("a.b:c, lab.nets:*", "lab.nets:other", True),
        ("lab.nets:*", "lab.nets:os.path.join", False),
        ("lab:*", "lab.nets:make", False),
    ]:
        monkeypatch.setenv("AVHCURATE_FACTORIES", listed)
        if allowed:
            check_factory(name)
        else:
            with refused("AVHCURATE_FACTORIES"):
                check_factory(name)

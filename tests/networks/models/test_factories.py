"""A factory's name: data on a page, and in a shell never a way to what is no network."""

import functools
import importlib
import io
import os
import subprocess

import pytest
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.factories import check_factory, check_name, refuse_unlisted
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.workspace.disk.jobs import JOB_VARIABLE


class Net(nn.Linear):
    """A class of modules, and makers of one that say so, say less, or say nothing."""

    @staticmethod
    def made() -> nn.Module:
        return Net(2, 2)


def unsaid():
    return Net(2, 2)


def said() -> "Net":
    return Net(2, 2)


def anything() -> object:
    return Net(2, 2)


def unknown() -> "NoSuchName":  # noqa: F821
    return Net(2, 2)


def number() -> int:
    return 2


def nothing() -> None:
    return None


@pytest.mark.parametrize("name", ["http.server:test", "os:system", "builtins:exec", "antigravity:geohash"])
def test_nothing_of_the_standard_library_is_imported_or_called(name, monkeypatch):
    def imported(module, *_):
        raise AssertionError(f"{module} was imported")

    monkeypatch.setattr(importlib, "import_module", imported)
    with pytest.raises(CurateError, match="module of Python's own, which holds no network"):
        load_model(ModelSpec(name=name))


@pytest.mark.parametrize("make", [Net, Net(2, 2), Net.made, unsaid, said, anything, unknown, functools.partial(Net, 2)])
def test_what_can_give_a_module_may_be_called(make):
    check_factory("lab.nets:make", make, nn.Module)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (number, "cannot make a network"),
        (nothing, "cannot make a network"),
        (subprocess.Popen, "cannot make a network"),
        (functools.partial(subprocess.Popen, ["ls"]), "cannot make a network"),
        (subprocess.check_output, "subprocess is a module of Python's own"),
        (os.system, "cannot make a network"),
        (io.StringIO(), "cannot make a network"),
    ],
)
def test_what_cannot_is_refused_uncalled(make, what):
    with pytest.raises(CurateError, match=what):
        check_factory("lab.nets:make", make, nn.Module)


@pytest.mark.parametrize("name", ["lab nets:make", "lab.nets:", ":make", "lab..nets:make", "lab.nets:make()", "../a:b"])
def test_a_name_that_python_does_not_know_is_refused(name):
    with pytest.raises(CurateError, match=r"is not PACKAGE\.MODULE:FACTORY"):
        check_name(name)


def test_in_a_job_of_the_app_only_listed_factories_are_imported(monkeypatch):
    check_name("lab.nets:make")
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
            check_name(name)
        else:
            with pytest.raises(CurateError, match="lists it in AVHCURATE_FACTORIES"):
                check_name(name)


@pytest.mark.parametrize("name", ["timm:resnet18", "clip:a/b", "onnx:a.onnx", "efficientnet-lite0", ""])
def test_names_that_import_nothing_of_the_users_need_no_list(name):
    refuse_unlisted(name)

"""The catalogue of names: what the registry knows, read without torch."""

import subprocess
import sys

from avhcurate.models.catalogue import network_names
from avhcurate.models.registry import model_names

_READ = "import sys; from avhcurate.ui import job_forms; job_forms.models(); assert 'torchvision' not in sys.modules"


def test_it_lists_every_network_that_the_registry_finds_by_name():
    """A newer torchvision may know more: what is listed there and not here is to be added to the file."""
    assert set(model_names()) <= set(network_names())
    assert len(set(network_names())) == len(network_names())


def test_a_form_lists_it_without_importing_torchvision():
    subprocess.run([sys.executable, "-c", _READ], check=True)

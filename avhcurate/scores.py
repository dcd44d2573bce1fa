"""The scores of hardness over arrays: the public name of `avhcurate.measures.scores`."""

from avhcurate.measures.scores import *  # noqa: F403
from avhcurate.measures.scores import __all__ as __all__

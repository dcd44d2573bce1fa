"""The verb that lists and tries plugins."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import import_module

from avhcurate import plugins as plugins_
from avhcurate.cli import options
from avhcurate.errors import CurateError

#: Modules that load the plugins of a group when they are imported.
_LOADERS = (
    "avhcurate.datasets.export.service",
    "avhcurate.datasets.sources.settings",
    "avhcurate.datasets.sources.readers",
    "avhcurate.networks.models.names",
    "avhcurate.notebook.plots",
    "avhcurate.workspace.images.measures",
)


@options.app.command()
def plugins() -> None:
    """List what installed packages add, each tried; exit code 2 where one is broken."""
    import numpy as np

    for module in _LOADERS:
        import_module(module)
    from avhcurate.measures.scores import SCORES, per_sample
    from avhcurate.workspace.disk.app_files import added_pages
    from avhcurate.workspace.images.measures import MEASURES

    added_pages()
    assert import_module("avhcurate.cli").app  # loads all verbs
    rng = np.random.default_rng(0)
    # Four samples of two classes, one without a label, and an image of eight by eight pixels.
    features = rng.normal(size=(4, 3))
    weights = rng.normal(size=(2, 3))
    labels = np.array([0, 1, 0, -1])
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for key, score in SCORES.items():
        if score.plugin:
            _try("scores", key, partial(per_sample, features, weights, None, labels, keys=[key]))
    for key, measure in MEASURES.items():
        if measure.pixels is not None:
            _try("measures", key, partial(lambda function: float(function(pixels)), measure.pixels))
    listed = sorted(plugins_.found.values(), key=lambda plugin: (plugins_.GROUPS.index(plugin.group), plugin.name))
    if not options.printed({"plugins": [asdict(plugin) for plugin in listed]}):
        for plugin in listed:
            print(f"{plugin.group:8}  {plugin.name:20}  {plugin.package} {plugin.version}  {plugin.problem or 'works'}")
        if not listed:
            print("no plugins are installed")
    if broken := [f"{plugin.name} of {plugin.package} ({plugin.problem})" for plugin in listed if plugin.problem]:
        raise CurateError(f"{len(broken)} of {len(listed)} plugins are left out: {'; '.join(broken)}")


def _try(group: str, key: str, call: Callable[[], object]) -> None:
    try:
        call()
    except (CurateError, TypeError, ValueError) as error:
        plugins_.note(group, key, str(error))

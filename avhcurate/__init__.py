"""AVH Curate: see where humans and an image classifier disagree, and leave with a label file."""

from collections.abc import Sequence
from os import PathLike, environ
from sys import modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avhcurate import scores as scores
    from avhcurate.features.classes.study import class_proposals as class_proposals
    from avhcurate.features.compare.study import slices as slices
    from avhcurate.features.correlation.study import correlation as correlation
    from avhcurate.features.disagreement.study import disagreement as disagreement
    from avhcurate.features.payoff.study import payoff as payoff
    from avhcurate.features.pseudo_labels.study import pseudo_labels as pseudo_labels
    from avhcurate.features.quality.study import quality as quality
    from avhcurate.features.suspects.study import suspects as suspects
    from avhcurate.notebook.dataset import Dataset as Dataset

__version__ = "0.3.0"

#: By variable: the library that reads it when it is imported, and the value with which it sends no reports by itself.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": ("ray", "0"),
    "RAY_USAGE_STATS_REPORT_URL": ("ray", "http://127.0.0.1:9"),  # `ray start` reports even that it does not report
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": ("streamlit", "false"),
    "HF_HUB_DISABLE_TELEMETRY": ("huggingface_hub", "1"),
    "DISABLE_SAFETENSORS_CONVERSION": ("transformers", "1"),  # else it asks the hub to convert old checkpoints
}
# Here, because every job and every worker of a cluster imports this first.
for _variable, (_, _value) in QUIET.items():
    environ.setdefault(_variable, _value)
# OpenVINO reports by a package of its own, and does without where that cannot be imported.
modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def dataset(
    name: str,
    source: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    root: str | PathLike[str] | None = None,
    workspace: str | PathLike[str] | None = None,
    force: bool = False,
) -> "Dataset":
    """A dataset of your own images, imported under `name`.

    `source`: a folder with a sub-folder a class, or what else `avhcurate import` reads; a pandas DataFrame, a row an
    image, with a column of paths (from `root`, else from here) or of bytes, PIL images or arrays; uint8 images
    (N, H, W) or (N, H, W, 3), or a list of images of any size, with `labels` (N,), class indices or names, -1 or None
    for none; a Hugging Face Dataset or DatasetDict; an ImageFolder of torchvision. Columns are found, or
    named. `classes`: names by class index.

    Images in memory are copied to the workspace (`workspace`, else AVHCURATE_WORKSPACE, else ./workspace); files stay
    where they are and are never changed. The same call again changes nothing; another content under the same name is
    refused unless `force`, which keeps votes and decisions, by path, and drops runs. Raises CurateError for sources
    that cannot be read, with what to change.

    >>> import tempfile
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset("pets", images, ["cat", "dog", "cat", "dog", "cat", "dog"], workspace=folder)
    Dataset pets: 6 images of 2 classes, no votes, not scored yet
    """
    from pathlib import Path

    from avhcurate.notebook.dataset import Dataset
    from avhcurate.notebook.errors import python_words
    from avhcurate.notebook.given import import_given
    from avhcurate.workspace.data.workspace import find_workspace

    with python_words():
        space = find_workspace(None if workspace is None else Path(workspace))
        import_given(
            space,
            name,
            source,
            labels,
            classes=classes,
            image_column=image_column,
            label_column=label_column,
            split_column=split_column,
            root=root,
            force=force,
        )
    return Dataset(space, name)


def from_hf(
    name: str,
    source: Any,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    workspace: str | PathLike[str] | None = None,
    force: bool = False,
) -> "Dataset":
    """A dataset of a Hugging Face Dataset or DatasetDict, or of a repository OWNER/NAME[:CONFIG/SPLIT] of the hub.

    The options are those of `dataset`. `Dataset.to_hf` goes the other way.
    """
    if isinstance(source, str):
        source = f"hf:{source.removeprefix('hf:')}"
    return dataset(name, source, image_column=image_column, label_column=label_column, workspace=workspace, force=force)


def open(workspace: str | PathLike[str], name: str, model: str | None = None) -> "Dataset":
    """The dataset `name` of a workspace folder, with the scores of `model` (default: its default run).

    Its `table` is a pandas DataFrame with the columns of an export; see `avhcurate.notebook.dataset.Dataset`. Raises
    CurateError, naming what exists, for an unknown dataset or model.

    >>> digits = example()
    >>> len(open(digits.workspace.root, "digits", "avhcurate:digits").table)
    120
    """
    from pathlib import Path

    from avhcurate.notebook.dataset import Dataset
    from avhcurate.notebook.errors import python_words
    from avhcurate.workspace.data.workspace import Workspace

    with python_words():
        return Dataset(Workspace(Path(workspace)), name, model)


def example(*, fresh: bool = False) -> "Dataset":
    """120 handwritten digits with simulated votes, scored, in a temporary folder that goes with this process.

    Made by the first call; `fresh` makes them again.

    >>> len(example())
    120
    """
    from avhcurate.notebook.example import example_dataset

    return example_dataset(fresh=fresh)


#: Where public names live that are imported when they are first asked for.
_LATER = {
    "Dataset": "avhcurate.notebook.dataset",
    "class_proposals": "avhcurate.features.classes.study",
    "correlation": "avhcurate.features.correlation.study",
    "disagreement": "avhcurate.features.disagreement.study",
    "payoff": "avhcurate.features.payoff.study",
    "pseudo_labels": "avhcurate.features.pseudo_labels.study",
    "quality": "avhcurate.features.quality.study",
    "slices": "avhcurate.features.compare.study",
    "suspects": "avhcurate.features.suspects.study",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Return `scores`, or a public name of `_LATER`."""
        from importlib import import_module

        if name == "scores":
            return import_module("avhcurate.scores")
        if name in _LATER:
            return getattr(import_module(_LATER[name]), name)
        from avhcurate.notebook.guesses import no_such

        raise no_such("avhcurate", name, globals())

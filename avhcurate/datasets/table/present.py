"""Whether the samples of a table are still those of its dataset, which may be removed, imported again or changed."""

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder


def present_id(dataset: DatasetFolder, samples: SampleTable) -> str:
    """Return the dataset's id, to write about its samples; raise `CurateError` if it has other samples now."""
    if not (dataset.root / dataset.FILE).exists():
        raise CurateError("The dataset was removed. Choose another one.")
    record = dataset.record
    if record.version != samples.fingerprint or record.parents_of(samples.classes) != samples.parents:
        raise CurateError(f"Dataset {dataset.name!r} was imported again since, or its classes changed: open it again.")
    return dataset.id

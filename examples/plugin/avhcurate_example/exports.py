"""A format: how many samples of each class are in view, as CSV."""

from pathlib import Path


def counts(samples, selection, path: Path) -> None:
    """A row a class, the most frequent first; writes the file `path`."""
    labels = samples.frame(selection.filters, columns=["label_name"])["label_name"]
    labels.value_counts().rename_axis("label_name").reset_index(name="n").to_csv(path, index=False)

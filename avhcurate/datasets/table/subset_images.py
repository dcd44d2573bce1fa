"""Decoded images of the samples to train on, read once and kept in the workspace's cache."""

from collections.abc import Sequence

from avhcurate.datasets.table.subset import Subset
from avhcurate.errors import CurateError
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.training.image_cache import ImageCache
from avhcurate.networks.training.images import LabelledImages
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress


def image_caches(workspace: Workspace, subsets: Sequence[Subset], preprocess: Preprocess) -> list[ImageCache]:
    """Return where the images of these subsets are decoded to; nothing is decoded yet."""
    return [ImageCache(workspace.root / "cache", subset.dataset, preprocess) for subset in subsets]


def decode_images(
    subsets: Sequence[Subset], caches: Sequence[ImageCache], progress: Progress, *, again: bool = True
) -> None:
    """Decode what is missing; images that could not be read before are tried `again`."""
    missing = [len(cache.missing(subset.ids, again=again)) for subset, cache in zip(subsets, caches, strict=True)]
    done = 0
    for subset, cache, count in zip(subsets, caches, missing, strict=True):
        cache.decode(subset.ids, again=again, progress=progress.after(done, sum(missing)))
        done += count


def readable_images(subset: Subset, cache: ImageCache) -> tuple[Subset, LabelledImages]:
    """Return the samples that could be decoded, with their images. Raises CurateError where there are none."""
    readable = subset.readable(cache.whole(subset.ids))
    shape = cache.preprocess
    if not len(readable.ids):
        raise CurateError(
            f"None of the {len(subset.ids)} images of {subset.dataset.name!r} could be read. Check that they are still "
            "where they were imported from."
        )
    return readable, LabelledImages(cache.images(), readable.labels, shape.mean, shape.std, rows=readable.ids)

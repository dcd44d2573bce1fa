"""Decoded images of the samples to train on, read once and kept in the workspace's cache."""

from collections.abc import Sequence

from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Progress
from avhcurate.errors import CurateError
from avhcurate.models.preprocess import Preprocess
from avhcurate.table.subset import Subset
from avhcurate.training.distributed import ProcessGroup
from avhcurate.training.image_cache import ImageCache
from avhcurate.training.images import LabelledImages


def image_caches(workspace: Workspace, subsets: Sequence[Subset], preprocess: Preprocess) -> list[ImageCache]:
    """Where the images of these subsets are decoded to; nothing is decoded yet."""
    return [ImageCache(workspace.root / "cache", subset.dataset, preprocess) for subset in subsets]


def decode_images(
    subsets: Sequence[Subset],
    caches: Sequence[ImageCache],
    group: ProcessGroup,
    progress: Progress,
    *,
    again: bool = True,
) -> list[tuple[Subset, LabelledImages]]:
    """The readable samples of each subset with their images; the leader of the group decodes what is missing.

    Images that could not be read before are tried `again`. `progress` counts decoded images. Raises CurateError where
    none of a subset can be read.
    """
    if group.leads:
        missing = [len(cache.missing(subset.ids, again=again)) for subset, cache in zip(subsets, caches, strict=True)]
        for number, (subset, cache) in enumerate(zip(subsets, caches, strict=True)):

            def tell(done: int, _: int, message: str, before: int = sum(missing[:number])) -> None:
                progress.report(before + done, sum(missing), message)

            cache.decode(subset.ids, again=again, progress=progress.through(tell))
    group.broadcast(None)  # the others wait until all is decoded
    return [_readable(subset, cache) for subset, cache in zip(subsets, caches, strict=True)]


def _readable(subset: Subset, cache: ImageCache) -> tuple[Subset, LabelledImages]:
    readable, shape = subset.readable(cache.whole(subset.ids)), cache.preprocess
    if not len(readable.ids):
        raise CurateError(
            f"none of the {len(subset.ids)} images of {subset.dataset.name!r} could be read: check that "
            "they still lie where they were imported from"
        )
    return readable, LabelledImages(cache.images(), readable.labels, shape.mean, shape.std, rows=readable.ids)

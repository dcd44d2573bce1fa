"""Push an export to a dataset repository of the Hugging Face hub."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from avhcurate.datasets.sources.hubs import endpoint
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import taken
from avhcurate.workspace.disk.remote import check_host, words_of

#: What a place on the hub begins with: hf:OWNER/NAME, or hf:OWNER/NAME/FILE for one file of it.
HUB = "hf:"


def is_repository(place: str) -> bool:
    """Return whether a place is a whole repository.

    >>> is_repository("hf:org/pets.v2"), is_repository("hf:org/pets/labels.csv"), is_repository("labels.csv")
    (True, False, False)
    """
    return place.startswith(HUB) and place.count("/") == 1


def push(place: str, write: Callable[[Path], int], *, force: bool) -> int:
    """Send what `write` makes to the hub as one commit, and return what it returns; a new repository is private.

    Raises CurateError for a repository or file that is there, unless `force`: then the commit replaces its data.
    """
    from huggingface_hub import HfApi, get_token

    parts = place.removeprefix(HUB).split("/")
    # No part leads elsewhere, as .. does.
    if len(parts) < 2 or not all(part.strip(".") and part.isprintable() for part in parts):
        raise CurateError(f"{place} is not a place on the hub. Write hf:OWNER/NAME, or hf:OWNER/NAME/FILE.")
    check_host(endpoint())
    api = HfApi(endpoint=endpoint(), token=get_token())
    repository = "/".join(parts[:2])
    file = "/".join(parts[2:])
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / parts[-1]
        with _answers(place):
            there = api.repo_exists(repository, repo_type="dataset")
            if there and file:
                there = api.file_exists(repository, file, repo_type="dataset")
        if there and not force:
            raise taken(place)
        count = write(made)
        sent = made
        within = ""
        if file:  # with its manifest
            sent = Path(folder)
            within = str(PurePosixPath(file).parent)
        with _answers(place):
            api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
            api.upload_folder(
                repo_id=repository,
                repo_type="dataset",
                folder_path=sent,
                path_in_repo=within,
                delete_patterns=None if file else "data/*",
                commit_message="Curated labels by AVH Curate",
            )
    return count


@contextmanager
def _answers(place: str) -> Iterator[None]:
    """Say in one line what the hub did not do."""
    try:
        yield
    except Exception as problem:  # the hub's library uses one of several clients
        raise CurateError(
            f"{place} could not be written at {endpoint()} ({words_of(problem)}). Check the network, and sign in by "
            "`hf auth login` or set HF_TOKEN to a token that may write."
        ) from problem

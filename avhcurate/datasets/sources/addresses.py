"""Sources at an address: a folder of classes in a bucket or on a server, or a manifest; images stay where they are."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from avhcurate.datasets.sources.folder import FolderScan, is_image_in, read_folder
from avhcurate.datasets.sources.manifest import read_manifest
from avhcurate.datasets.sources.parquet import holds_images
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable
from avhcurate.datasets.sources.tool_sources import read_label_file
from avhcurate.errors import CurateError, Option, Text
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.listing import files_below
from avhcurate.workspace.disk.remote import MissingPackage, RemoteError, below, is_url, read_url
from avhcurate.workspace.disk.tabular import is_csv, is_parquet

#: Bytes of a manifest.
_MOST = 1 << 30
_JSON_LINES = (".jsonl", ".ndjson")
#: Parameters of signed addresses, which are as good as a password.
_SIGNATURES = frozenset(("x-amz-signature", "x-goog-signature", "signature", "sig"))
_CREDENTIALS = (
    "Check the address; credentials are those of the cloud's own tools: environment variables, profiles, ~/.netrc, "
    "HF_TOKEN"
)


def check_source(source: str) -> None:
    """Refuse an address with a password or a signature, since datasets and jobs keep the addresses of their sources."""
    place = source.removeprefix("wds:")
    if not is_url(place):
        return
    parts = urlsplit(place)
    signed = {name.casefold() for name, _ in parse_qsl(parts.query)} & _SIGNATURES
    # A container of Azure stands before an @, as a user does elsewhere.
    if parts.password is not None or signed or (parts.username and parts.scheme in ("http", "https")):
        raise CurateError(
            "The address of a source is kept with the dataset, and this one holds a password or a signature.",
            fix="Give it without: credentials are read from the environment, profiles or ~/.netrc",
        )


def stem_of(address: str) -> str:
    """Return what a source at an address is called.

    >>> stem_of("s3://bucket/photos/"), stem_of("https://x.org/pets.csv?raw=1"), stem_of("gs://bucket")
    ('photos', 'pets', 'bucket')
    """
    parts = urlsplit(address)
    return Path(unquote(parts.path)).stem or Path(parts.netloc).stem


def read_address(address: str, options: ImportOptions) -> SourceTable:
    """Return the samples of a folder of classes or a manifest at an address; no image is read but three, to try.

    Raises CurateError where it does not exist, cannot be listed, or none of those three can be read.
    """
    name = Path(unquote(urlsplit(address).path))
    read = _read_folder
    if is_csv(name) or is_parquet(name) or name.suffix.casefold() in _JSON_LINES:
        read = _read_table
    table = read(address, options)
    files = table.samples["_file"]
    _try([files[place].as_py() for place in sorted({0, len(files) // 2, len(files) - 1})], address)
    return table


def _read_folder(address: str, options: ImportOptions) -> SourceTable:
    scan = FolderScan()
    with _asking(address):
        files = files_below(address)
    if not files:
        raise CurateError(f"{address} does not exist, or nothing lies there.", fix=_CREDENTIALS)
    for file in files:
        if any(part.startswith(".") for part in file.path.split("/")[:-1]):
            scan.skipped["hidden files or folders"] += 1
        elif is_image_in(file.path, scan):
            scan.images.append(file)
    if scan.images:
        return read_folder(lambda path: below(address, path), scan, options)
    if scan.parquet:
        raise CurateError(
            f"{address} holds {listed(scan.parquet, 3)}. Give the address of a manifest itself. Parquet files with "
            "images are imported from a folder of this machine, or by hf:REPO."
        )
    raise CurateError(f"{address} holds no images. Files that lie there: {listed(scan.others, 3)}.")


def _read_table(address: str, options: ImportOptions) -> SourceTable:
    """Return the samples of a manifest, whose relative paths start where it lies, or at `options.root`."""
    root = options.root or address.partition("?")[0].rpartition("/")[0]
    if not is_url(str(root)):
        raise CurateError(
            f"A manifest at an address names images at addresses, and {root} is a folder of this machine.",
            fix=f"Leave {Option('root')} out, or give an address",
        )
    with _asking(address):
        content = read_url(address, most=_MOST)
    name = Path(unquote(urlsplit(address).path)).name
    with tempfile.TemporaryDirectory(prefix="avhcurate-") as folder:
        file = Path(folder, name)
        file.write_bytes(content)
        with _called(file, address):
            if is_parquet(file) and holds_images(file, options):
                raise CurateError(f"{file} holds the images themselves. Download it, and import the file.")
            table = _read_copy(file, replace(options, root=root))
    # It may be anybody's: what lies on this machine is none of its business.
    here = next((place for place in table.samples["_file"].to_pylist() if not is_url(place)), None)
    if here is not None:
        raise CurateError(
            f"{address} names {here}, a file of this machine. Download the manifest, and import the file."
        )
    return table


def _read_copy(file: Path, options: ImportOptions) -> SourceTable:
    if file.suffix.casefold() in _JSON_LINES:
        return read_label_file(file, options)
    return read_manifest(file, options)


@contextmanager
def _called(file: Path, address: str) -> Iterator[None]:
    """Name the address in a mistake that names its copy."""
    try:
        yield
    except CurateError as problem:
        parts = [part.replace(str(file), address) if isinstance(part, str) else part for part in problem.text]
        raise CurateError(Text(*parts)) from problem


@contextmanager
def _asking(address: str) -> Iterator[None]:
    try:
        yield
    except MissingPackage as problem:
        raise CurateError(f"{problem}.") from problem
    except RemoteError as problem:
        if isinstance(problem.__cause__, FileNotFoundError):
            raise CurateError(f"{address} does not exist.", fix=_CREDENTIALS) from problem
        raise CurateError(f"{address} cannot be read ({problem}).", fix=_CREDENTIALS) from problem


def _try(files: list[str], address: str) -> None:
    """Refuse images of which none can be read; a few may be broken, and are recorded as such."""
    for file in files:
        try:
            read_url(file, size=1, most=1)
        except RemoteError as problem:
            why = f"first {file}: {problem}"
        else:
            return
    raise CurateError(
        f"None of {len(files)} images of {address} that were tried can be read ({why}).", fix=_CREDENTIALS
    )

"""HTTP routes next to the app: images by dataset and id, and a health check."""

import asyncio
import threading
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.ui.base.answers import NEVER_KEPT, base_path, kept
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace, find_workspace
from avhcurate.workspace.images.decoding import DRAFT, THUMBNAIL, BrokenImage, decode, encode_thumbnail
from avhcurate.workspace.images.source import ImageSource

Size = Literal["", "full", "whole"]

#: Thumbnails of one answer, at most.
_MOST = 60
#: Digits of an id, at most, and of the fingerprint of an import.
_LONGEST_ID = 19
_DIGITS = 12
#: Longer side in pixels, at most: of a thumbnail, of an image to look at, and of one whose own pixels count.
_SIDES: dict[Size, int] = {"": THUMBNAIL, "full": 1600, "whole": 8192}
#: One dataset is opened at a time, and two images are decoded at a time: a large one takes half a gigabyte.
_OPENING = threading.Lock()
_DECODING = threading.BoundedSemaphore(2)
#: So many images are read at a time: a server that hangs holds at most these of the threads that all routes share.
_READING = CapacityLimiter(16)
_PLACEHOLDER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8a93a6"/>'
    b'<path d="M24 66l14-18 10 12 8-10 16 16z" fill="#fff" opacity=".55"/>'
    b'<path d="M26 26l44 44" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)


class NoSuchImage(CurateError):
    """No sample has that id in a dataset of that name."""


class AnotherImport(CurateError):
    """The address is of an import that another has replaced: the id may mean another sample now."""


def image_url(samples: SampleTable, id: int | str, *, size: Size = "") -> str:
    """Return the address of a sample's image, `/images/digits/7?v=3f0c…`, which the browser keeps.

    It names the import, whose images stay as they are, whatever becomes of its classes. The id "{id}" gives a pattern
    of such addresses.
    """
    query = {"v": samples.imported[:_DIGITS]}
    if size:
        query["size"] = size
    return f"{base_path()}/images/{quote(samples.name, safe='')}/{id}?{urlencode(query)}"


def health_url() -> str:
    """Return the address of the health check."""
    return f"{base_path()}/health"


async def several(request: Request) -> Response:
    """Answer with thumbnails, one behind the other, by their addresses; the header Sizes has the bytes of each."""
    addresses = request.query_params.getlist("at")[:_MOST]
    pictures = await asyncio.gather(*map(_read, addresses))
    sizes = ",".join(str(len(picture)) for picture in pictures)
    data = b"".join(pictures)
    kind = "application/octet-stream"
    if all(pictures):
        answer = kept(request, data, blake2b(data, digest_size=12).hexdigest(), kind, for_good=True)
    else:  # the next time one may be there
        answer = Response(data, 200, NEVER_KEPT, kind)
    answer.headers["Sizes"] = sizes
    return answer


async def _read(address: str) -> bytes:
    async with _READING:
        return await run_in_threadpool(picture_at, find_workspace(), address)


async def image(request: Request) -> Response:
    """Answer with a thumbnail, or the image itself with a `size`."""
    async with _READING:
        if await request.is_disconnected():
            return Response(status_code=499)
        return await run_in_threadpool(_image, request)


def _image(request: Request) -> Response:
    dataset = request.path_params["dataset"]
    version = request.query_params.get("v", "")
    size: Size = next((size for size in _SIDES if size == request.query_params.get("size")), "")
    try:
        data = read_image(find_workspace(), dataset, _id_of(request.path_params["id"]), size=size, version=version)
    except NoSuchImage as error:
        return PlainTextResponse(str(error), 404, NEVER_KEPT)
    except AnotherImport:
        return Response(_PLACEHOLDER, 409, NEVER_KEPT, "image/svg+xml")
    except BrokenImage:
        # A browser draws the body of a 404 in an <img>, so that a page full of broken images still looks like one.
        return Response(_PLACEHOLDER, 404, NEVER_KEPT, "image/svg+xml")
    kind = "image/jpeg"
    if data.startswith(b"\x89PNG"):
        kind = "image/png"
    return kept(request, data, blake2b(data, digest_size=12).hexdigest(), kind, for_good=bool(version))


def _id_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _LONGEST_ID):
        raise NoSuchImage("No image has such an id.")
    return int(text)


def read_image(workspace: Workspace, dataset: str, id: int, *, size: Size = "", version: str = "") -> bytes:
    """Return the thumbnail that scoring stored, else one made now; with a `size` the image itself.

    It is encoded again, so that no foreign byte reaches the browser. Raises NoSuchImage, AnotherImport if the import
    is not that of `version` (of any, where that is ""), and BrokenImage if the image cannot be read.
    """
    folder, images, fingerprint = _find(workspace, dataset)
    if version and version != fingerprint[:_DIGITS]:
        raise AnotherImport(f"Dataset {dataset!r} was imported again. Load the page again.")
    if not size and id < len(images) and (stored := folder.thumbnails.get(id)):
        return stored
    try:
        data = images.read_one(id)
    except IndexError as error:
        raise NoSuchImage(f"Dataset {dataset!r} has no image {id}.") from error
    with _DECODING:
        return encode_thumbnail(decode(data, DRAFT * _SIDES[size]), _SIDES[size])


def picture_at(workspace: Workspace, address: str) -> bytes:
    """Return the image at an address of `image_url`, b"" where there is none."""
    try:
        url = urlsplit(address)
        dataset, id = map(unquote, url.path.split("/")[-2:])
        return read_image(workspace, dataset, _id_of(id), version=dict(parse_qsl(url.query))["v"])
    except (CurateError, BrokenImage, ValueError, KeyError):
        return b""


def _find(workspace: Workspace, dataset: str) -> tuple[DatasetFolder, ImageSource, str]:
    """Return a dataset, its images and its fingerprint; NoSuchImage if it cannot be read."""
    try:
        home = workspace.dataset(dataset).root
        stamp = tuple((home / file).stat().st_mtime_ns for file in ("dataset.json", "samples.parquet"))
    except (OSError, CurateError) as error:
        raise NoSuchImage(f"Unknown dataset {dataset!r}.") from error
    try:
        with _OPENING:
            return _open(workspace.root, dataset, stamp)
    except CurateError as error:  # damaged, or of a newer version: the pages say so
        raise NoSuchImage(f"Dataset {dataset!r} cannot be read.") from error


@lru_cache(maxsize=8)
def _open(root: Path, dataset: str, stamp: tuple[int, ...]) -> tuple[DatasetFolder, ImageSource, str]:
    """As `_find`; `stamp` changes when it is imported again, also from other places, and not with its classes."""
    folder = Workspace(root).dataset(dataset)
    folder.as_imported = True
    return folder, folder.images(), folder.record.fingerprint


def health(_: Request) -> Response:
    """Tell a supervisor that the server runs, and the number of datasets in its workspace."""
    status = {"status": "ok", "datasets": len(find_workspace().names())}
    return JSONResponse(status, headers={"Cache-Control": "no-store"})


def routes() -> list[Route]:
    """Return the routes, below `server.baseUrlPath` like Streamlit's own."""
    return [
        Route(f"{base_path()}/images/several", several),
        Route(f"{base_path()}/images/{{dataset}}/{{id}}", image),
        Route(health_url(), health),
    ]

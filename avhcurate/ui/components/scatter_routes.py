"""HTTP route of a scatter chart's points: one binary answer, under a key that cannot be guessed.

It is not compressed: gzip takes 0.4 s for a million points and saves a tenth.
"""

import secrets
import threading
from dataclasses import dataclass
from hashlib import blake2b
from weakref import WeakValueDictionary

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.ui.base.answers import NEVER_KEPT, base_path, kept
from avhcurate.ui.components.scatter import SHADES, Window

#: Steps of a coordinate, from one end of the bounds to the other.
_STEPS = 65_535
#: The shade of a point without a group or a value.
NO_SHADE = SHADES - 1

_SECRET = secrets.token_bytes(32)
_CLOUDS: "WeakValueDictionary[str, PointCloud]" = WeakValueDictionary()
_NAMING = threading.Lock()


@dataclass(frozen=True)
class PointCloud:
    """Points as they are sent: `body` holds x and y of each as shares of the bounds, in 16 bits, then a shade each.

    `bounds` are left, right, low and high. It can be read by its `key` while somebody holds it.
    """

    key: str
    bounds: Window
    body: bytes

    @property
    def url(self) -> str:
        return f"{base_path()}/points/{self.key}"


def point_cloud(x: np.ndarray, y: np.ndarray, shades: np.ndarray) -> PointCloud:
    """Points (n,) in the order in which they are drawn; `shades` (n,) are whole numbers from 0 to 255."""
    bounds = []
    sides = []
    for side in (x, y):
        low, high = (float(side.min()), float(side.max())) if len(side) else (0.0, 1.0)
        high = high if high > low else low + 1.0
        bounds += [low, high]
        sides.append(np.rint((side.astype(np.float64) - low) * (_STEPS / (high - low))).astype("<u2"))
    body = np.stack(sides, axis=1).tobytes() + shades.astype(np.uint8).tobytes()
    key = blake2b(body + repr(bounds).encode(), key=_SECRET, digest_size=16).hexdigest()
    cloud = PointCloud(key, (bounds[0], bounds[1], bounds[2], bounds[3]), body)
    with _NAMING:
        return _CLOUDS.setdefault(key, cloud)


def points(request: Request) -> Response:
    """Return the bytes of a cloud, which never change under its key."""
    cloud = _CLOUDS.get(request.path_params["key"])
    if cloud is None:
        return PlainTextResponse("These points are no longer open.", status_code=404, headers=NEVER_KEPT)
    answer = kept(request, cloud.body, cloud.key, "application/octet-stream", for_good=True)
    answer.headers["Content-Encoding"] = "identity"  # else Streamlit's middleware would compress it
    return answer


def routes() -> list[Route]:
    """Return the route, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/points/{{key}}", points)]

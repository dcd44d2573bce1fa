"""How a Ray cluster is reached or started, and what it has room for."""

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from avhcurate.errors import CurateError

#: Ray's variable, read when it is imported: 0 makes a cluster of this machine listen to this machine only, because
#: whoever reaches Ray's ports can run code. If Ray was imported before, the cluster listens at the machine's address.
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
#: Ray's variables: the mode and the token without which a cluster does not answer.
_MODE = "RAY_AUTH_MODE"
_TOKEN = "RAY_AUTH_TOKEN"
#: Seconds within which a cluster's port must open and answer.
_OPEN_S = 10
#: How HTTP/2 begins, with an empty frame of settings, and the type of that frame, which the answer has too (RFC 9113).
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = b"\4"
#: CPUs of an actor: as many batches at once as `models.engine` makes on a CPU.
_MOST_CPUS = 16
#: Bytes of shared memory of a cluster that is started for one run: the network and a few results.
_OBJECTS = 512 << 20


def set_variables(address: str) -> None:
    """Set what Ray reads when it is imported, and what it starts: a token for everybody."""
    if address == "local":
        os.environ.setdefault(_CLUSTERS, "0")
        # Else Ray would make one and leave it in the home folder, where it changes every cluster that is started later.
        os.environ.setdefault(_TOKEN, secrets.token_hex())
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if os.environ.get(_TOKEN) or file.is_file():
        os.environ.setdefault(_MODE, "token")


def connect(address: str) -> None:
    """Connect to the cluster at an address, or start one of this machine; CurateError says why it cannot be reached."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECTS}
    try:
        url = urlsplit(address if "://" in address else f"//{address}")
        if url.hostname and url.port:
            _check_port(url.hostname, url.port)
        ray.init(address, **options)
    # Some of Ray's own are of no class of theirs, as that of a start that takes too long.
    except Exception as problem:
        if "Authentication" in f"{problem!r} {problem.__cause__!r}":
            raise CurateError(
                f"The Ray cluster at the address {address} wants another token than this process has. Set {_TOKEN} to "
                "what `ray get-auth-token` prints on the machine where the cluster was started."
            ) from problem
        words = " ".join(str(problem).split())[:200]
        raise CurateError(
            f"No Ray cluster answers at the address {address} ({words}). Set RAY_ADDRESS to HOST:PORT, auto or local."
        ) from problem


def _check_port(host: str, port: int) -> None:
    """Raise OSError where nothing answers as Ray does, by HTTP/2: Ray itself would try for minutes."""
    with socket.create_connection((host, port), _OPEN_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") == "0":
            connection.sendall(_HELLO)
            if connection.recv(4)[3:] != _SETTINGS:
                raise OSError("something else listens there")


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs in a cluster's actors, how many actors there is room for, with and without a GPU, and machines."""

    cpus: int
    actors: int
    gpu_cpus: int
    gpus: int
    machines: int = 1

    def of_actor(self, device: str) -> dict[str, Any]:
        """Return what Ray keeps for one actor or task."""
        if device.startswith("cuda"):
            return {"num_cpus": self.gpu_cpus, "num_gpus": 1}
        return {"num_cpus": self.cpus, "num_gpus": 0}


def resources_of(nodes: Sequence[dict[str, Any]]) -> Resources:
    """Read the nodes as `ray.nodes()` lists them: on CPUs an actor takes the smallest machine whole.

    >>> def node(cpus, gpus=0):
    ...     return {"Alive": True, "Resources": {"CPU": cpus, "GPU": gpus}}
    >>> resources_of([node(8), node(4)]), resources_of([node(8), node(32, 4)]).of_actor("cuda")
    (Resources(cpus=4, actors=3, gpu_cpus=1, gpus=0, machines=2), {'num_cpus': 8, 'num_gpus': 1})
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    pairs = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in alive]
    cpus = min([count for count, _ in pairs if count] or [1])
    cpus = min(cpus, _MOST_CPUS)
    gpu_cpus = min((count // gpus for count, gpus in pairs if gpus), default=1)
    actors = sum(count // cpus for count, _ in pairs)
    return Resources(cpus, max(1, actors), max(1, gpu_cpus), sum(gpus for _, gpus in pairs), len(alive))

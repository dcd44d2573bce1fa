"""Whether this machine may reach others, as far as it says so itself: nobody is asked."""

import os
from pathlib import Path
from urllib.request import getproxies

#: Linux's routes by IPv4 and IPv6.
_ROUTES = Path("/proc/net/route")
_ROUTES_6 = Path("/proc/net/ipv6_route")


def has_network() -> bool:
    """Return False where no other machine can be reached: without a route or a proxy. True where that is not known."""
    if getproxies() or not _ROUTES.exists():
        return True
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    return _leads_out(_ROUTES, "00000000", 1, 0) or _leads_out(_ROUTES_6, "0" * 32, 0, 9)


def _leads_out(routes: Path, everywhere: str, destination: int, device: int) -> bool:
    """Return whether a table of routes has a default one that is not of the machine itself."""
    if not routes.exists():
        return False
    lines = (line.split() for line in routes.read_text().splitlines())
    return any(line[destination] == everywhere and line[device] != "lo" for line in lines if len(line) > device)

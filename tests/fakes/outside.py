"""Runs programs in a home folder of their own, and tells what they left in it and which other machines they asked."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def can_trace() -> bool:
    """Return whether strace is installed and may be used."""
    tried = ["strace", "-qq", "-e", "trace=none", "true"]
    return bool(shutil.which("strace")) and not subprocess.run(tried, capture_output=True).returncode


class Outside:
    """A new home folder for a program, and a record of the addresses that it and its children connect to.

    Libraries in other languages than Python are seen too, where strace is installed and may be used.
    """

    def __init__(self, folder: Path) -> None:
        self.home, self._log = folder / "home", folder / "calls"
        self.home.mkdir(parents=True)
        # The home counts, not the folders that the tests of this machine have named.
        folders = ("HF_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TORCH_HOME")
        self.environment = {name: value for name, value in os.environ.items() if name not in folders}
        self.environment["HOME"] = str(self.home)
        self.watches = can_trace()

    def command(self, *words: str) -> Sequence[str]:
        """Return a command that is recorded."""
        if not self.watches:
            return words
        calls = "trace=connect,sendto,sendmsg,sendmmsg"
        return ["strace", "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", str(self._log), *words]

    def left(self) -> list[str]:
        """Return the files in the home folder."""
        return sorted(str(file.relative_to(self.home)) for file in self.home.rglob("*") if file.is_file())

    def asked(self) -> list[str]:
        """Return the addresses of other machines that it spoke to, with their ports."""
        if not self.watches:
            return []
        text = self._log.read_text(errors="replace")
        found = re.findall(r'sin6?_port=htons\((\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"', text)
        return sorted({f"{host}:{port}" for port, host in found if not host.startswith(("127.", "::1", "::ffff:127."))})

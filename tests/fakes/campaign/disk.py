"""A full disk: every verb ends with one line, reading works, and with room again so does writing."""

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.fakes.campaign.kills import damage
from tests.fakes.campaign.outcome import Outcome
from tests.fakes.child import Said, avhcurate, in_child

LEAST = 2
READING = (("correlate", "digits"), ("disagree", "digits"), ("list",), ("history", "digits"), ("models", "digits"))
WRITING = (
    ("export", "digits", "--format", "csv", "--out", "{}/labels.csv"),
    ("export", "digits", "--format", "folder", "--out", "{}/folder"),
    ("score", "digits", "--model", "avhcurate:resnet20", "--weights", "random"),
    ("suspects", "digits", "--sources", "angular,neighbours"),
    ("quality", "digits"),
    ("tag", "digits", "odd", "--ids", "1,2"),
    ("select", "digits", "--rule", "avc", "--portion", "0.5", "--out", "{}/pseudo.csv"),
    ("train", "digits", "--model", "avhcurate:resnet20", "--epochs", "1"),
    ("report", "digits", "--out", "{}/report.html"),
    ("import", "more", "{}/ws/downloads/digits"),
)


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, disk = Outcome(), folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        outcome.skipped = "a small disk cannot be mounted here"
        return outcome
    try:
        space = ("--workspace", str(disk / "ws"))
        in_child(lambda: avhcurate("demo", *space))
        _fill(disk / "filler")
        end = time.monotonic() + seconds
        for call in (*READING, *WRITING):
            words = [word.format(disk) for word in call]
            ended = in_child(lambda words=words: avhcurate(*words, *space))  # type: ignore[misc]
            fine = _one_line(ended.code, ended.value, call in READING)
            outcome.check(fine, f"{call[0]}: {ended.code}, {str(ended.value)[:300]}")
            if time.monotonic() > end:
                break
        _repair_on_full(disk, space, outcome)
        again = in_child(lambda: avhcurate("tag", "digits", "odd", "--ids", "1,2", *space))
        outcome.check(isinstance(again.value, Said) and again.value.code == 0, f"with room again: {again.value}")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
        shutil.rmtree(disk, ignore_errors=True)
    return outcome


def _repair_on_full(disk: Path, space: tuple[str, str], outcome: Outcome) -> None:
    """Repair a damaged database on the full disk, where it must stay as it is, and again with room."""
    database = disk / "ws" / "annotations.db"
    damage(database)
    before = database.read_bytes()
    full = in_child(lambda: avhcurate("check", "--repair", *space))
    same = database.read_bytes() == before and not list((disk / "ws").glob("damaged/*/*"))
    outcome.check(same and _one_line(full.code, full.value, reading=False), f"repair on a full disk: {full.value}")
    (disk / "filler").unlink()
    again = in_child(lambda: avhcurate("check", "--repair", *space))
    outcome.check(isinstance(again.value, Said) and again.value.code == 0, f"repair with room again: {again.value}")


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while stream.write(b"x" * size):
                    pass


def _one_line(code: int, said: object, reading: bool) -> bool:
    if code or not isinstance(said, Said) or "Traceback" in said.err:
        return False
    return said.code == 0 if reading else said.code in (0, 2) and said.err.count("\n") <= 4

"""Two of everything on one workspace: servers, signed-in people, shells, jobs, datasets of one name; prints figures.

    python -m tests.campaign.together --minutes 5

Exits with 1 where an answer is lost or doubled, a job is neither done nor refused, a page has an exception, or an image
of another dataset is shown.
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from tests.campaign import annotators, soak
from tests.campaign.served import Server, Session, served

PEOPLE, SHELLS, WINDOWS = 20, 3, 6
_SECRET = "0" * 64
_SECRETS = f"""
[auth]
redirect_uri = "ADDRESS/oauth2callback"
cookie_secret = "{_SECRET}"
client_id = "avhcurate"
client_secret = "any"
server_metadata_url = "http://localhost:1/.well-known/openid-configuration"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    seconds = 60 * parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="together-") as place:
        figures, faults = together(Path(place), seconds)
    for name, value in figures.items():
        print(f"| {name} | {value} |")
    for fault in faults:
        print(f"FELL {fault}")
    return int(bool(faults))


def together(folder: Path, seconds: float) -> tuple[dict[str, str], list[str]]:
    """Return figures by name, and what fell."""
    workspace = folder / "ws"
    _prepare(workspace)
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(_SECRETS)
    faults: list[str] = []
    login = {"HOME": str(folder)}
    with served(workspace, **login) as one, served(workspace, **login) as two, ThreadPoolExecutor(PEOPLE) as pool:
        servers = (one, two)
        before = [soak._reading(server.pid)[0] for server in servers]
        shells = [annotators._start(workspace, number) for number in range(SHELLS)]
        end = time.monotonic() + seconds
        walks = [pool.submit(_walk, servers[number % 2], number, end) for number in range(PEOPLE)]
        jobs = _jobs_at_once(workspace)
        shown = [_of_one_name(folder, server, turn) for turn in range(2) for server in servers]
        opened = [page for walk in walks for page in walk.result()]
        acknowledged = [line for shell in shells for line in annotators._kill(shell)]
        after = [soak._reading(server.pid)[0] for server in servers]
    kept = _answers(workspace)
    lost, doubled = [line for line in acknowledged if not kept[line]], [line for line in kept if kept[line] > 1]
    faults += [f"lost: {line}" for line in lost] + [f"doubled: {line}" for line in doubled]
    faults += [f"{who} on {page}: an exception, or no end" for fine, who, page, _ in opened if not fine]
    faults += [f"an image of another dataset: {said}" for said in shown if said]
    if not set(jobs) <= {0, 2}:
        faults.append(f"jobs at once by their exit codes: {dict(jobs)}")
    took = np.array([each for *_, each in opened])
    figures = {
        "pages of 20 signed-in people on two servers": f"{len(opened):,}, {sum(not fine for fine, *_ in opened)} fell",
        "seconds a page": f"median {np.median(took):.1f}, 95 % {np.quantile(took, 0.95):.1f}",
        "memory of each server, MB": ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(before, after, strict=True)),
        "answers acknowledged by shells": f"{len(acknowledged):,}, {len(lost)} lost, {len(doubled)} doubled",
        "jobs begun at once": f"{WINDOWS}: {jobs[0]} ran, {jobs[2]} refused in one line",
        "datasets of one name, one after the other": f"{len(shown)} looks, {sum(map(bool, shown))} wrong",
    }
    return figures, faults


def _prepare(workspace: Path) -> None:
    from avhcurate.datasets.curate.roles import grant
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.votes import collect, make_labelled

    subprocess.run(
        [sys.executable, "-m", "avhcurate", "demo", "--workspace", str(workspace)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    make_labelled(Workspace(workspace), [0, 1, 2] * 1000)
    collect(open_table(Workspace(workspace), "pets"))
    for number in range(PEOPLE):
        grant(Workspace(workspace), f"p{number}@example.org", "curator" if number % 2 else "annotator")


def _sign_in(server: Server, who: str) -> str:
    """Return the cookies of a browser in which a person has signed in."""
    user = {"origin": f"http://{server.address}", "is_logged_in": True, "email": who, "email_verified": True}
    signed = create_signed_value(_SECRET, "_streamlit_user", json.dumps(user)).decode()
    cookies = f"_streamlit_user={signed}"
    session = Session(server, cookies)
    session.open("", "", seconds=300)
    session.close()
    token = re.search('data-token="([^"]+)"', "".join(session.html))
    if not token:
        raise RuntimeError(f"{who} cannot sign in")
    answer = httpx.post(f"http://{server.address}/session", content=token[1], timeout=60)
    answer.raise_for_status()
    return f"{cookies}; {answer.headers['set-cookie'].partition(';')[0]}"


def _walk(server: Server, number: int, end: float) -> list[tuple[bool, str, str, float]]:
    """Open pages as one signed-in person; return whether each came to its end, who, which, and its seconds."""
    who, rng, opened = f"p{number}@example.org", np.random.default_rng(number), []
    session = Session(server, _sign_in(server, who))
    while time.monotonic() < end:
        page, started = str(rng.choice([*soak.PAGES, "annotate"])), time.monotonic()
        dataset = "pets" if page == "annotate" else "digits"
        fine = session.open(page, f"dataset={dataset}", seconds=300)
        opened.append((fine, who, page, time.monotonic() - started))
    session.close()
    return opened


def _jobs_at_once(workspace: Path) -> Counter[int]:
    """Begin jobs in several windows of a terminal at once; return how often each exit code came."""
    words = [sys.executable, "-m", "avhcurate", "quality", "digits", "--workspace", str(workspace)]
    windows = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(WINDOWS)]
    return Counter(window.wait() for window in windows)


def _of_one_name(folder: Path, server: Server, turn: int) -> str:
    """Look at an image of a dataset that is made anew each time under one name; return what is wrong with it."""
    tone = int(np.random.default_rng(time.monotonic_ns()).integers(20, 230))
    place = folder / f"again-{tone}-{turn}"
    for label in "ab":
        (place / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (tone, tone, tone)).save(place / label / "0.png")
    for words in (("remove", "again", "--yes"), ("import", "again", str(place))):
        command = [sys.executable, "-m", "avhcurate", *words, "--workspace", str(folder / "ws")]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cookies = _sign_in(server, "p1@example.org")
    session = Session(server, cookies)
    session.open("gallery", "dataset=again", seconds=300)
    session.close()
    answer = httpx.get(f"http://{server.address}/images/again/0", headers={"Cookie": cookies}, timeout=120)
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    seen = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L")).mean()
    if abs(seen - tone) > 3:
        return f"tone {seen:.0f} in place of {tone}"
    return ""


def _answers(workspace: Path) -> Counter[str]:
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.annotate.annotators import responses
    from avhcurate.workspace.data.workspace import Workspace

    found = responses(open_table(Workspace(workspace), "pets"), controls=True)
    return Counter(f"{who} {id}" for who, id in zip(found["annotator"], found["id"], strict=True))


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    sys.exit(main())

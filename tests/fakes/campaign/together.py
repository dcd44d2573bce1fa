"""Two servers, twenty signed-in people, shells and a notebook on one workspace: nothing lost or wrong, memory flat."""

import io
import itertools
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import httpx
import numpy as np
from PIL import Image
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value, generate_xsrf_token_string

from tests.fakes.campaign.outcome import Outcome
from tests.fakes.campaign.served import PATIENCE_S, XSRF, Server, Session, served
from tests.fakes.child import avhcurate, in_child
from tests.fakes.databases import NoPostgres, postgres_away, postgres_server
from tests.fakes.waiting import wait_until

#: Signed-in people, every second one a curator; the others annotate.
PEOPLE, SAMPLES, CLASSES = 20, 1797, 10
LEAST = 40
PAGES = ("", "gallery", "disagreement", "correlation", "models", "suspects", "quality", "saved", "toy", "map")
#: What the second half of the time may have more than the first: megabytes, threads, open files.
GROWTH = (150, 12, 40)
#: Streamlit keeps closed sessions for two minutes, so that a tab may come back, and no more of them than this.
CLOSED_KEPT = 128
#: Files of the event loop that a session has, open or kept: the loop's own, and two sockets that wake it.
A_LOOP = 3
_SECRET, _USER = "0" * 64, "_streamlit_user"
_LOGIN = f"""
[auth]
redirect_uri = "http://127.0.0.1/oauth2callback"
cookie_secret = "{_SECRET}"
client_id = "avhcurate"
client_secret = "any"
server_metadata_url = "http://localhost:1/.well-known/openid-configuration"
"""
#: A notebook: it shows the dataset, and goes on until its input ends.
_NOTEBOOK = "import avhcurate, sys; print(avhcurate.open(sys.argv[1], 'digits').show(), flush=True); sys.stdin.read()"
#: Who did what to which image: a tag, or the number of the class that was answered.
Act = tuple[str, str, int]


class Did(NamedTuple):
    """A page that was opened or an act that was sent, its seconds, and whether it came to its end."""

    what: str
    seconds: float
    fine: bool
    act: Act | None = None


def attack(folder: Path, seconds: float) -> Outcome:
    try:
        with postgres_server() as address:
            os.environ["AVHCURATE_DATABASE_URL"] = address
            return _attack(folder, seconds, address)
    except NoPostgres:
        return _attack(folder, seconds, "")
    finally:
        os.environ.pop("AVHCURATE_DATABASE_URL", None)


def _attack(folder: Path, seconds: float, postgres: str) -> Outcome:
    outcome, workspace = Outcome(), folder / "ws"
    begun = in_child(lambda: _prepare(workspace), limit=600)
    if begun.code:
        raise RuntimeError(f"the campaign could not begin: {begun.value}")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(_LOGIN)
    login = {"HOME": str(folder)}
    with served(workspace, **login) as one, served(workspace, **login) as two, ThreadPoolExecutor(PEOPLE + 2) as pool:
        servers, began = (one, two), Barrier(PEOPLE, timeout=PATIENCE_S)
        cookies = list(pool.map(lambda number: _sign_in(servers[number % 2], _name(number)), range(PEOPLE)))
        end = time.monotonic() + seconds
        work: list[Callable[[], list[Did]]] = [
            *(lambda n=n: _walk(servers[n % 2], n, cookies[n], began, end) for n in range(PEOPLE)),  # type: ignore[misc]
            lambda: _shell(folder, [(servers[n], cookies[n]) for n in (0, 1)], end),
            lambda: _notebook(workspace, end),
        ]
        doing, readings = [pool.submit(each) for each in work], []
        while not all(done.done() for done in doing):
            time.sleep(1)
            readings.append([_reading(server.pid) for server in servers])
        did = [each for done in doing for each in done.result()]
        if postgres:
            _judge_away(postgres, one, cookies[0], outcome)
        outcome.check(all(_reading(server.pid)[1] for server in servers), "a server has died")
    _judge_acts(did, in_child(lambda: _kept(workspace)).value, outcome)
    for number, of_one in enumerate(np.array(readings).transpose(1, 0, 2), 1):
        _judge_growth(f"server {number}", of_one, outcome)
    _judge_jobs(workspace, outcome)
    return outcome


def _prepare(workspace: Path) -> None:
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.workspace.data.logs import open_events
    from avhcurate.workspace.data.roles import grant
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.votes import collect

    avhcurate("demo", "--workspace", str(workspace))
    collect(open_dataset(Workspace(workspace), "digits"), target=PEOPLE)
    for number in range(PEOPLE):
        grant(open_events(Path(workspace)), _name(number), ("annotator", "curator")[_is_curator(number)])


def _name(number: int) -> str:
    return f"p{number}@example.org"


def _is_curator(number: int) -> bool:
    return number % 4 >= 2  # some on each server


def _sign_in(server: Server, who: str) -> dict[str, str]:
    """The cookies of a browser in which a person has signed in."""
    user = {"origin": f"http://{server.address}", "is_logged_in": True, "email": who, "email_verified": True}
    cookies = {XSRF: generate_xsrf_token_string()}
    cookies[_USER] = create_signed_value(_SECRET, _USER, json.dumps(user)).decode()
    session = Session(server, cookies)
    session.open("", "")
    session.close()
    token = re.search('data-token="([^"]+)"', session.html)
    if not token:
        raise RuntimeError(f"{who} cannot sign in")
    answer = httpx.post(f"http://{server.address}/session", content=token[1], timeout=PATIENCE_S)
    return cookies | dict(answer.raise_for_status().cookies)


# --- who works --------------------------------------------------------------------------------------------------


def _walk(server: Server, number: int, cookies: dict[str, str], began: Barrier, end: float) -> list[Did]:
    """A person opens pages and acts between them, in a new session now and then; what came of it."""
    rng, did = np.random.default_rng(number), []
    for turn in itertools.count():
        if turn % 5 == 0:
            session = Session(server, cookies)
        if turn == 0:
            session.open("quality", "dataset=digits")
            began.wait()
            if _is_curator(number):  # all at once
                did.append(_timed("job", partial(session.press, "quality.start")))
        page = str(rng.choice(PAGES))
        did.append(_timed(f"page {page}", partial(session.open, page, "dataset=digits")))
        if _is_curator(number):
            session.open("gallery", "dataset=digits")
            did.append(_tag(session, _name(number), f"t{number}-{turn}", int(rng.integers(SAMPLES))))
        else:
            session.open("annotate", "dataset=digits")
            did += [_answer(session, _name(number)) for _ in range(3)]
        if turn % 5 == 4 or time.monotonic() > end:
            session.close()
        if time.monotonic() > end:
            break
    return did


def _tag(session: Session, who: str, tag: str, id: int) -> Did:
    decision = _about(session.data("samples")["actions"]) | {"kind": "tag", "value": tag, "ids": [[id, id + 1]]}
    return _timed("act", lambda: not session.decide(decision), (who, tag, id))


def _about(data: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": data["dataset"], "version": data["version"], "nonce": uuid.uuid4().hex}


def _answer(session: Session, who: str) -> Did:
    card = session.data("annotate.card")
    id, task = card["items"][0]["id"], card["items"][0]["task"]
    decision = _about(card) | {"kind": "answer", "who": card["who"], "task": task, "ids": [[id, id + 1]]}
    decision |= {"choice": id % CLASSES, "ms": 500}
    seen = {"scope": card["scope"], "turn": card["echo"] + 1}

    def done() -> bool:
        taken = not session.decide(decision)
        fine = session.send("annotate.card", "seen", seen)
        return taken and fine and session.data("annotate.card")["echo"] == seen["turn"]

    return _timed("act", done, (who, str(id % CLASSES), id))


def _timed(what: str, done: Callable[[], bool], act: Act | None = None) -> Did:
    started = time.monotonic()
    fine = done()
    return Did(what, time.monotonic() - started, fine, act)


def _shell(folder: Path, viewers: list[tuple[Server, dict[str, str]]], end: float) -> list[Did]:
    """A shell tags, and makes a dataset of one name anew each time; a viewer of each server looks at it."""
    did = []
    for turn in itertools.count():
        ended = _call(folder, "tag", "digits", f"shell-{turn}", "--ids", str(turn))
        did.append(Did("shell", 0, ended == 0, ("", f"shell-{turn}", turn)))
        tone = 20 + 37 * turn % 200
        place = folder / f"again-{turn}" / f"tone-{tone}" / "0.png"
        place.parent.mkdir(parents=True)
        Image.new("RGB", (16, 16), (tone, tone, tone)).save(place)
        if turn % 2:
            _call(folder, "remove", "again", "--yes")
        ended = _call(folder, "import", "again", str(place.parents[1]), "--force")
        did.append(Did("shell", 0, ended == 0))
        did += [_timed("look", partial(_sees, server, cookies, tone)) for server, cookies in viewers]
        if time.monotonic() > end:
            break
    return did


def _call(folder: Path, *words: str) -> int:
    """Call the command line until no job or other change of the dataset is in its way."""
    command = [sys.executable, "-m", "avhcurate", *words, "--workspace", str(folder / "ws")]
    for _ in range(60):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if "is running" not in ended.stderr:
            return ended.returncode
        time.sleep(1)
    return ended.returncode


def _sees(server: Server, cookies: dict[str, str], tone: int) -> bool:
    """Whether the page and its picture show the newest import."""
    session = Session(server, cookies)
    session.open("gallery", "dataset=again")
    (tile,) = session.data("samples")["tiles"]
    session.close()
    answer = httpx.get(f"http://{server.address}{tile['src']}", cookies=cookies, timeout=PATIENCE_S)
    seen = np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)).convert("L")).mean()
    return tile["title"] == f"tone-{tone}" and abs(float(seen) - tone) < 4


def _notebook(workspace: Path, end: float) -> list[Did]:
    """A notebook shows the dataset on a server of its own, and its user tags."""
    command = [sys.executable, "-c", _NOTEBOOK, str(workspace)]
    started, did = time.monotonic(), []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout is not None
        address = httpx.URL(notebook.stdout.readline().strip())
        did.append(Did("show", time.monotonic() - started, address.path == "/gallery"))
        session = Session(Server(address.netloc.decode()))
        for turn in itertools.count():
            fine = session.open("gallery", address.query.decode())
            did += [Did("page gallery", 0, fine), _tag(session, "", f"show-{turn}", turn)]
            if time.monotonic() > end:
                break
        session.close()
    return did


# --- what came of it --------------------------------------------------------------------------------------------


def _kept(workspace: Path) -> Counter[Act]:
    """How often each act is in the logs."""
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.features.annotate.annotators import responses
    from avhcurate.workspace.data.workspace import Workspace

    opened = open_dataset(Workspace(workspace), "digits")
    ids = dict(opened.samples.query("SELECT path, id FROM samples"))
    events, _ = opened.decisions.log.history(opened.dataset.id, actions=["tag"], limit=10**6)
    paths = opened.decisions.log.paths_of([event.id for event in events])
    kept = Counter((_person(event.who), event.name, ids[path]) for event in events for path in paths[event.id])
    answers = responses(opened.votes, controls=True)
    kept.update(zip(answers["annotator"], answers["label"].astype(str), answers["id"], strict=True))
    return kept


def _person(who: str) -> str:
    """Return the address of a signed-in person, "" for the account of a shell."""
    return who if "@" in who else ""


def _judge_acts(did: list[Did], kept: Counter[Act], outcome: Outcome) -> None:
    for each in did:
        outcome.check(each.fine, f"{each.what} {each.act or ''}: an exception, no end, or not what was asked")
    sent = [each.act for each in did if each.act]
    answered = [each.act for each in did if each.act and each.fine]
    lost = [act for act in answered if not kept[act]]
    wrong = [act for act, count in kept.items() if count > 1 or act not in set(sent)]
    outcome.check(not lost, f"acknowledged and not kept: {lost[:5]}")
    outcome.check(not wrong, f"twice, or by nobody: {wrong[:5]}")
    outcome.figures["acts"] = f"{len(answered):,} of {len(sent):,} acknowledged, {len(lost)} lost, {len(wrong)} wrong"
    for name, most in (("act", "act"), ("page", "page"), ("look", "look at an import"), ("show", "show()")):
        took = [each.seconds for each in did if each.what.startswith(name) and each.seconds]
        if took:
            middle, late = np.quantile(took, (0.5, 0.95))
            outcome.figures[most] = f"{middle:.1f} s (95 % {late:.1f}, n {len(took)})"


def _judge_away(postgres: str, server: Server, cookies: dict[str, str], outcome: Outcome) -> None:
    """While PostgreSQL is away each page says so in a sentence, to an open session and to new ones; then it goes on."""
    known = Session(server, cookies)
    known.open("gallery", "dataset=digits")
    with postgres_away(postgres):
        for number, page in enumerate((*PAGES, "annotate")):
            session = (known, Session(server, cookies))[number % 2]
            fine = session.open(page, "dataset=digits")
            outcome.check(fine and "database" in " ".join(session.said), f"PostgreSQL away, {page}: {session.said}")
    fine = known.open("gallery", "dataset=digits")
    outcome.check(fine and not known.said, f"PostgreSQL is back: {known.said}")
    outcome.figures["PostgreSQL away"] = f"{len(PAGES) + 1} pages"


def _judge_jobs(workspace: Path, outcome: Outcome) -> None:
    """Of jobs that were asked for at once, one runs; each other was refused, in one line."""
    from avhcurate.workspace.disk.jobs import Jobs

    jobs = Jobs(workspace)
    wait_until(lambda: not any(job.active for job in jobs.all()))
    ended = [job for job in jobs.all() if job.verb == "quality"]
    done = [job for job in ended if job.state == "done"]
    outcome.check(bool(done), "no job was done")
    for job in ended:
        outcome.check(job in done or "is running" in job.message, f"job {job.id}: {job.state}, {job.message}")
    outcome.figures["jobs"] = f"{len(done)} of {sum(map(_is_curator, range(PEOPLE)))} asked for at once"


def _judge_growth(name: str, readings: np.ndarray, outcome: Outcome) -> None:
    """Compares the end with the middle: at the start caches fill."""
    middle, last = (np.median(part, axis=0) for part in np.array_split(readings[:, :3], 4)[1::2])
    for kind, before, after, most in zip(("MB", "threads", "open files"), middle, last, GROWTH, strict=True):
        outcome.check(after - before <= most, f"{name}: {kind} grew from {before:.0f} to {after:.0f}")
    sessions = int(readings[:, 3].max())
    outcome.check(sessions <= CLOSED_KEPT + PEOPLE, f"{name}: {sessions} sessions were kept")
    outcome.figures[name] = (
        f"{middle[0]:.0f} to {last[0]:.0f} MB, threads {middle[1]:.0f} to {last[1]:.0f}, "
        f"open files {middle[2]:.0f} to {last[2]:.0f}"
    )


def _reading(pid: int) -> tuple[float, int, int, int]:
    """Memory in MB, threads, open files beside those of sessions, and sessions of a server; zeros where it is gone."""
    try:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        files = [_target(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return 0.0, 0, 0, 0
    loops = files.count("anon_inode:[eventpoll]") - 1  # one is the server's own
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(files) - A_LOOP * loops, loops


def _target(file: Path) -> str:
    """What a descriptor leads to, "" for one that was closed since."""
    try:
        return os.readlink(file)
    except OSError:
        return ""

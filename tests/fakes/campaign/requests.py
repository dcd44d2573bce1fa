"""Hostile addresses, headers and conditions: nothing for a stranger, no error of the server's, no long work."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

from tests.fakes.campaign.outcome import Outcome
from tests.fakes.campaign.served import served
from tests.fakes.child import in_child

LEAST = 20
#: Seconds and megabytes that one condition may take, with a margin for a busy machine.
SECONDS, BOUND = 15, 1500
PLACES = (
    *("-1", "1e9", "9" * 5000, "../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%00", "%2e%2e/", "1;ls", ""),
    *("nan", "1%0d%0aX: y", "\u0661", "1/../../2", "%c0%ae%c0%ae/", "'", '"><script>', "{}", "true"),
)
HOSTS = ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "evil.example:80", "0", "[::ffff:1.2.3.4]")
READING = (
    *("read_text('/etc/passwd') IS NOT NULL", "(SELECT 1) = 1", "id IN (SELECT id FROM samples)"),
    *("1=1; DROP TABLE samples", "read_csv('/etc/passwd') = 1", "glob('/*') IS NOT NULL", "getenv('HOME') = 'x'"),
    *("current_setting('home_directory') = ''", "id = 1 UNION SELECT 1", "EXISTS (FROM '/etc/passwd')"),
    *("pragma_version() = 1", "list_filter(tags, x -> true) = []", "eval('1')", "query('SELECT 1') = 1"),
    *("query_table('samples') = 1", "nextval('s') = 1", "setseed(0.1) IS NULL", "sleep_ms(100000) = 1"),
)
GROWING = ("replace", "repeat", "lpad", "concat", "regexp_replace", "list_concat", "string_split", "format", "printf")


def attack(folder: Path, seconds: float) -> Outcome:
    outcome = Outcome()
    in_child(lambda: _prepare(folder))
    with served(folder) as server:
        _requests(server.address, outcome)
    requests, slowest, peak = outcome.tried, 0.0, 0.0
    end = time.monotonic() + seconds / 2
    for condition in itertools.chain(READING, itertools.islice(_nested(), 400)):
        ended = in_child(lambda condition=condition: _ask(folder, condition), limit=60)  # type: ignore[misc]
        said = ended.value if ended.code == 0 else ended.code
        outcome.check(said in ("refused", "answered"), f"{condition[:80]}: {said}")
        outcome.check(condition not in READING or said == "refused", f"{condition[:80]}: {said}")
        outcome.check(ended.seconds < SECONDS, f"{condition[:80]}: {ended.seconds:.0f} s")
        outcome.check(ended.megabytes < BOUND, f"{condition[:80]}: {ended.megabytes:.0f} MB")
        slowest, peak = max(slowest, ended.seconds), max(peak, ended.megabytes)
        if time.monotonic() > end:
            break
    outcome.figures = {"requests": str(requests), "slowest condition": f"{slowest:.1f} s", "peak": f"{peak:.0f} MB"}
    return outcome


def _prepare(folder: Path) -> None:
    from avhcurate.datasets.sources.demo import prepare_demo
    from avhcurate.workspace.data.workspace import Workspace

    prepare_demo(Workspace(folder))


def _ask(folder: Path, condition: str) -> str:
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.errors import CurateError
    from avhcurate.workspace.data.workspace import Workspace

    try:
        open_dataset(Workspace(folder), "digits").samples.count(Filters(where=condition))
    except CurateError:
        return "refused"
    return "answered"


def _nested() -> Iterator[str]:
    """Calls in calls of what makes text or lists longer, compared with something."""
    rng = np.random.default_rng(0)
    while True:
        text = "path"
        for name in rng.choice(GROWING, int(rng.integers(1, 9))):
            more = {"replace": f"'', {text}", "repeat": "100000", "lpad": "100000000, 'x'", "concat": text}.get(
                name, "'x'"
            )
            text = f"{name}({text}, {more})"
        yield f"length({text}) > 1"


def _requests(address: str, outcome: Outcome) -> None:
    with httpx.Client(base_url=f"http://{address}", timeout=30) as client:
        for path in (
            f"/images/{dataset}/{place}" for dataset in ("digits", "../digits", "%2e%2e", "none") for place in PLACES
        ):
            _no_leak(client, path, {}, outcome)
        for path in (f"/grid/{place}/{verb}?start={place}&n={place}" for place in PLACES for verb in ("rows", "place")):
            _no_leak(client, path, {}, outcome)
        places = ("/", "/images/digits/1", "/health", "/_stcore/health")
        for path, header, host in itertools.product(places, ("host", "origin"), HOSTS):
            status = _status(client, path, {header: host if header == "host" else f"http://{host}"})
            strict = header == "host"  # a page of another site may cause a GET; it may not read it, nor open a socket
            outcome.check(status == 400 if strict else status < 500, f"{path} with {header} {host}: {status}")
        headers = {"x-forwarded-host": "evil.example", "cookie": "x" * 8000, "range": "bytes=9-1", "x": "\x7f"}
        for name, value in headers.items():
            _no_leak(client, "/images/digits/1", {name: value}, outcome)


def _status(client: httpx.Client, path: str, headers: dict[str, str]) -> int:
    try:
        return client.get(path, headers=headers).status_code
    except (httpx.InvalidURL, httpx.LocalProtocolError):
        return 0  # not a request that can be sent
    except httpx.HTTPError:
        return 599


def _no_leak(client: httpx.Client, path: str, headers: dict[str, str], outcome: Outcome) -> None:
    try:
        answer = client.get(path, headers=headers)
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError):
        return
    except httpx.HTTPError as error:
        outcome.check(False, f"{path[:80]}: {error!r}")
        return
    outcome.check(answer.status_code < 500 and b"root:x:" not in answer.content, f"{path[:80]}: {answer.status_code}")

"""Answers at a page whose connections are cut: each is followed from the key to the server's word and the log."""

import random
from dataclasses import dataclass, field

import pytest

from tests.browser.pages import NOTHING_KEPT
from tests.fakes.proxy import CuttingProxy

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

#: A card whose image was seen for long enough to be judged.
READY = ".card:not(.waiting):not(.empty)"
#: Seconds after which a page has stopped, and pauses in milliseconds between an answer and a cut, at most.
PATIENCE_S, PAUSES_MS = 60, (0, 5, 20, 50, 100, 200, 400, 800, 1500)
#: Milliseconds in which a page connects again, so that a second cut meets it there.
CONNECTS_MS = 1200
#: Runs before the page's own scripts, also after a reload, and notes what it decides and what the server says of it.
NOTE_DECISIONS = """(() => {
  const keep = Storage.prototype.setItem, ask = window.fetch;
  const note = (name, one) => {
    const noted = JSON.parse(sessionStorage.getItem(name) ?? '[]');
    keep.call(sessionStorage, name, JSON.stringify([...noted, one]));
  };
  Storage.prototype.setItem = function (key, value) {
    keep.call(this, key, value);
    if (key.startsWith('avhcurate:outbox:')) note('test:given', JSON.parse(value));
  };
  window.fetch = async (...asked) => {
    const answer = await ask(...asked);
    if (String(asked[0]).endsWith('/decisions/new') && answer.ok) {
      for (const one of (await answer.clone().json()).outcomes) note('test:told', one);
    }
    return answer;
  };
})();"""

#: What a page that has stopped says of itself.
STATE = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const stage = document.querySelector('[data-testid^=stBidiComponent]') && [...document.querySelectorAll('*')]
    .flatMap(node => [...node.shadowRoot?.querySelectorAll('.stage img') ?? []]);
  return JSON.stringify({
    connection: app?.dataset.testConnectionState, script: app?.dataset.testScriptState,
    pictures: stage?.map(image => [image.complete, image.naturalWidth, image.className]),
    elements: document.querySelectorAll('[data-testid=stElementContainer]').length,
    kept: Object.keys(localStorage).length, says: document.querySelector('#avhcurate-saving')?.shadowRoot.textContent,
    text: document.body.innerText.slice(0, 500), page: document.body.outerHTML.slice(0, 1500),
  });
}"""


@dataclass
class Story:
    """What became of the answers at a page.

    `given` and `refused` by nonce: image and class, and why it does not count. `skipped` are tasks whose pictures the
    page called broken, `stuck` is what it showed when it had stopped, "" where it never did. `errors` are Streamlit's
    own, say of a message whose forerunners a cut has taken.
    """

    keys: int = 0
    cuts: int = 0
    loads: int = 0
    given: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    stuck: str = ""
    errors: list[str] = field(default_factory=list)

    def counted(self) -> list[tuple[int, int]]:
        return sorted(said for nonce, said in self.given.items() if nonce not in self.refused)


def answer_through_cuts(context, address: str, seed: int, *, rounds: int) -> Story:
    """In a new page, answer and cut the connections, also while it connects again; at least one answer a round."""
    proxy, rng, story = CuttingProxy(address), random.Random(seed), Story()
    context.add_init_script(NOTE_DECISIONS)
    page = context.new_page()
    asked = _requests(page)
    page.on("pageerror", lambda error: story.errors.append(str(error)))
    page.on("load", lambda _: setattr(story, "loads", story.loads + 1))
    page.goto(f"{proxy.address}/annotate?annotate.name=ada")
    try:
        for _ in range(rounds):
            _answer(page, rng, story, rng.randrange(1, 5))
            page.wait_for_timeout(rng.choice(PAUSES_MS) * rng.random())
            proxy.cut()
            for _ in range(rng.choice((0, 0, 1, 2))):
                page.wait_for_timeout(rng.randrange(CONNECTS_MS))
                proxy.cut()
        page.wait_for_function(NOTHING_KEPT, timeout=1000 * PATIENCE_S)
    except sync_api.TimeoutError as problem:
        story.stuck = f"{problem}\n{page.evaluate(STATE)}"
    story.cuts = proxy.cuts
    story.given = {one["nonce"]: (one["ids"][0][0], one["choice"]) for one in _noted(page, "given")}
    story.refused = {one["nonce"]: one["why"] for one in _noted(page, "told") if one["why"]}
    story.skipped = {task for tasks in asked for task in tasks}
    context.close()
    proxy.close()
    return story


def _answer(page, rng: random.Random, story: Story, number: int) -> None:
    """Presses class keys until so many answers are given: the card refuses a key that comes too early."""
    wanted = len(_noted(page, "given")) + number
    while len(_noted(page, "given")) < wanted:
        page.locator(READY).first.wait_for(timeout=1000 * PATIENCE_S)
        page.keyboard.press(str(rng.randrange(10)))
        story.keys += 1


def _noted(page, name: str) -> list[dict]:
    """What the page has noted; it may be loading again just now."""
    while True:
        try:
            return page.evaluate("name => JSON.parse(sessionStorage.getItem(`test:${name}`) ?? '[]')", name)
        except sync_api.Error as problem:
            if "context was destroyed" not in str(problem):
                raise
            page.wait_for_load_state()


def _requests(page) -> list[list[str]]:
    """The tasks that each request of the card calls broken, as the page sends it."""
    asked: list[list[str]] = []

    def hear(frame) -> None:
        if isinstance(frame, bytes) and b'"broken":[' in frame:
            told = frame.split(b'"broken":[', 1)[1].split(b"]", 1)[0].decode()
            asked.append([task.strip('"') for task in told.split(",") if task])

    page.on("websocket", lambda socket: socket.on("framesent", hear))
    return asked

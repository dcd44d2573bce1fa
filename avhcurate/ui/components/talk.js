// What a component tells Python, and what it shows until Python has done it.

/** @import { Act, Component } from "./events.js" */

const ANSWER_MS = 10000; // without an answer, what was asked is sent again after so long, then after twice as long
const LAST_ANSWER_MS = 40000;
const between = new EventTarget(); // what components tell each other: { from, acts on their way, handled }

// What is asked of Python are acts with growing numbers. At a server that is busy a newer message takes the place of an
// older one, so each brings all acts that Python has not said it has `handled`; after a pause of `rest` for fast hands.
// Until then a component draws what it has with the acts on their way, its own and those of others that it `shares` them
// with, and after that what Python says: so what was refused is turned back. What others did `stays` until Python has
// spoken here too. `lost()` is called when nobody answers at all, `changed()` when others have other acts.
/** @param {{ shares?: boolean, stays?: boolean, rest?: number, lost?: () => void, changed?: () => void }} options */
export function createTalk({
  shares = false,
  stays = false,
  rest = 0,
  lost = () => undefined,
  changed = () => undefined,
} = {}) {
  let component = /** @type {Component} */ (/** @type {unknown} */ (null));
  let acts = /** @type {Act[]} */ ([]); // { sent: what Python reads, and what the browser alone knows of it }
  const theirs = /** @type {Map<unknown, Act[]>} */ (new Map()); // another talk -> its acts
  let done = /** @type {Act[]} */ ([]); // theirs that stay
  let newest = 0;
  let timer = 0;
  let patience = ANSWER_MS;

  function sendActs() {
    if (!acts.length) return;
    component.setTriggerValue(
      "act",
      acts.map(({ sent }) => sent),
    );
    after(patience, again);
  }

  /** @param {number} wait @param {() => void} then */
  function after(wait, then) {
    clearTimeout(timer);
    timer = setTimeout(then, wait);
  }

  function again() {
    patience *= 2;
    if (patience <= LAST_ANSWER_MS) return sendActs();
    drop();
    lost();
  }

  function drop() {
    acts = [];
    share(false);
  }

  function share(handled = true) {
    if (shares) between.dispatchEvent(new CustomEvent("acts", { detail: { from: listen, acts, handled } }));
  }

  /** @param {Event} event */
  function listen(event) {
    const { from, acts: received, handled } = /** @type {CustomEvent} */ (event).detail;
    const before = theirs.get(from) ?? [];
    if (from === listen || !(received.length || before.length)) return;
    theirs.set(from, received);
    if (stays && handled) done.push(...before.filter((act) => !received.includes(act)));
    changed();
  }
  if (shares) between.addEventListener("acts", listen);

  return {
    /** @param {string} name @param {unknown} value */
    send(name, value) {
      sendActs();
      component.setTriggerValue(name, value);
    },
    // `replaced(sent)` is true of earlier acts that this one makes needless; components alone read what is `known` of it.
    /** @param {Record<string, unknown>} asked @param {Omit<Act, "sent"> & { replaced?: (sent: Act["sent"]) => boolean }} known */
    act(asked, { replaced = () => false, ...known } = {}) {
      newest = Math.max(newest + 1, Date.now());
      acts = [...acts.filter(({ sent }) => !replaced(sent)), { ...known, sent: { ...asked, at: newest } }];
      patience = ANSWER_MS;
      share();
      if (rest) after(rest, sendActs);
      else sendActs();
    },
    pending: () => acts,
    all: () => [...theirs.values(), acts, done].flat().sort((a, b) => a.sent.at - b.sent.at),
    /** @param {Component} next @param {number} handled */
    receive(next, handled) {
      component = next;
      newest = Math.max(newest, handled);
      done = [];
      acts = acts.filter(({ sent }) => sent.at > handled);
      if (!acts.length) clearTimeout(timer);
      share();
    },
    destroy() {
      clearTimeout(timer);
      between.removeEventListener("acts", listen);
      drop();
    },
  };
}

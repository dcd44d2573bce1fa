// What a component tells Python, and what it shows until Python has done it.

/** @import { Act, Component } from "./events.js" */

const ANSWER_MS = 10000; // without an answer, what was asked is sent again after so long, then after twice as long
const LAST_ANSWER_MS = 40000;
export const NOT_SAVED = "The server does not answer: what you did last is not saved";
const ON_IMAGES = "acts"; // what components tell each other: { from, acts on images that are on their way }
const between = new EventTarget();

// What is asked of Python are acts with growing numbers. At a server that is busy a newer message takes the place of an
// older one, so each brings all acts that Python has not said it has `handled`; after a pause of `rest` for fast hands.
// Until then a component draws what it has with the acts that are `pending`, and after that what Python says: so what
// was refused is turned back. `lost()` is called when nobody answers at all, `changed()` when another component that
// shows images has an act on its way, or has none any more.
/** @param {{ rest?: number, lost?: () => void, changed?: () => void }} options */
export function createTalk({ rest = 0, lost = () => undefined, changed = () => undefined } = {}) {
  /** @type {Component} */
  let component;
  /** @type {Act[]} */
  let acts = []; // { sent: what Python reads, and what the browser alone knows of it }
  const theirs = new Map(); // another talk -> its acts on images
  let newest = 0;
  let timer = 0;
  let patience = ANSWER_MS;

  function send() {
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
    if (patience <= LAST_ANSWER_MS || component.reliable) return send();
    acts = [];
    share();
    lost();
  }

  const onImages = () => acts.filter(({ ids }) => ids);

  function share() {
    between.dispatchEvent(new CustomEvent(ON_IMAGES, { detail: { from: listen, acts: onImages() } }));
  }

  /** @param {any} event */
  function listen({ detail: { from, acts: told } }) {
    if (from === listen || (!told.length && !theirs.delete(from))) return;
    if (told.length) theirs.set(from, told);
    changed();
  }
  between.addEventListener(ON_IMAGES, listen);

  return {
    /** @param {string} name @param {unknown} value */
    tell(name, value) {
      send();
      component.setTriggerValue(name, value);
    },
    // `replaced(sent)` is true of earlier acts that this one makes needless; `ids` are those of the images it is about.
    /**
     * @param {Record<string, unknown>} asked
     * @param {{ replaced?: (sent: any) => boolean, ids?: Set<number> }} known
     */
    act(asked, { replaced = () => false, ...known } = {}) {
      newest = Math.max(newest + 1, Date.now());
      acts = [...acts.filter(({ sent }) => !replaced(sent)), { ...known, sent: { ...asked, at: newest } }];
      patience = ANSWER_MS;
      share();
      if (rest) after(rest, send);
      else send();
    },
    pending: () => acts,
    onImages: () => [...theirs.values(), onImages()].flat().sort((a, b) => a.sent.at - b.sent.at),
    /** @param {Component} next @param {number} handled */
    hear(next, handled) {
      component = next;
      newest = Math.max(newest, handled);
      acts = acts.filter(({ sent }) => sent.at > handled);
      if (!acts.length) clearTimeout(timer);
      share();
    },
    destroy() {
      clearTimeout(timer);
      between.removeEventListener(ON_IMAGES, listen);
      acts = [];
      share();
    },
  };
}

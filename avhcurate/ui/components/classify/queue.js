// What the classify card asks: the images that Python offers, but for those answered here, and first those taken back.

/** @import { Classify, Outbox } from "../messages.js" */

/** @typedef {Classify.Item} Item */
/** @typedef {Partial<Outbox.Entry>} Entry */

const REMEMBERED = 50;

// Samples with an answer on its way; the last word counts, since an answer may be retracted and given again.
/** @param {Entry[]} entries */
function waiting(entries) {
  const ids = new Set();
  for (const { kind, id } of entries) {
    if (kind === "back") ids.delete(id);
    else ids.add(id);
  }
  return ids;
}

// `entries()` are on their way to Python. Items are { id, task, src }.
/** @param {() => Entry[]} entries */
export function createQueue(entries) {
  let listed = /** @type {Item[]} */ ([]); // what Python offers, in its order
  let returned = /** @type {Item[]} */ ([]); // taken back here: they come before anything else
  /** @type {{ item: Item, nonce: string, choice: number | null }[]} */
  let given = []; // what was answered here, newest last: { item, nonce, choice }
  let answered = 0;

  /** @param {Item} item */
  function leave({ id }) {
    returned = returned.filter((other) => other.id !== id);
  }

  return {
    // What can be shown now. A sample taken back is in Python's list again under a new task, which then is the one.
    items() {
      const gone = waiting(entries());
      const offered = new Map(listed.map((item) => [item.id, item]));
      const items = new Map();
      for (const item of [...returned, ...listed]) {
        if (!gone.has(item.id)) items.set(item.id, offered.get(item.id) ?? item);
      }
      return [...items.values()];
    },
    answered: () => answered,
    last: () => given.at(-1),
    leave,
    /** @param {Item} item @param {string} nonce @param {number | null} choice */
    give(item, nonce, choice) {
      leave(item);
      given = [...given, { item, nonce, choice }].slice(-REMEMBERED);
      answered += 1;
    },
    takeBack() {
      const last = given.pop();
      if (!last) return null;
      returned = [last.item, ...returned];
      answered -= 1;
      return last;
    },
    // Refused answers are unanswered again: their images come back with what Python offers.
    /** @param {Item[]} items @param {{ nonce: string }[]} refused */
    hear(items, refused) {
      const nonces = new Set(refused.map(({ nonce }) => nonce));
      const known = given.length;
      given = given.filter(({ nonce }) => !nonces.has(nonce));
      answered -= known - given.length;
      const back = new Set(entries().flatMap(({ kind, id }) => (kind === "back" ? [id] : [])));
      returned = returned.filter(({ id }) => back.has(id));
      listed = items;
    },
  };
}

// How many answers there are with those on their way, in words, and as a share of the goal if there is one.
/** @param {{ done: number, goal: number, apart?: string }} data @param {Entry[]} entries */
export function progress({ done, goal, apart }, entries) {
  /** @param {unknown[]} kinds */
  const count = (...kinds) => entries.filter(({ kind }) => kinds.includes(kind)).length;
  const all = Math.max(0, done + count("answer", "skip") - count("back"));
  const [text, of] = [all, goal].map((number) => number.toLocaleString("en"));
  const says = [goal ? `${text} of ${of} answered` : `${text} answered`, apart].filter(Boolean);
  return { text: says.join(" · "), max: goal || 1, value: Math.min(all, goal || 1) };
}

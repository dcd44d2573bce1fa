// What the classify card asks: the images that Python offers, but for those answered here, and first those taken back.

/** @import { Decided } from "../events.js" */
/** @import { Classify } from "../messages.js" */

/** @typedef {Classify.Item} Item */
/** @typedef {Pick<Decided, "kind" | "ids">} Waiting */

const REMEMBERED = 50;

// Samples with an answer on its way; the last word counts, since an answer may be retracted and given again.
/** @param {Waiting[]} decisions */
function waiting(decisions) {
  const ids = new Set();
  for (const one of decisions) {
    if (one.kind === "back") ids.delete(imageOf(one));
    else ids.add(imageOf(one));
  }
  return ids;
}

/** @param {Waiting} decision */
const imageOf = ({ ids }) => ids?.[0]?.[0] ?? -1;

// `unshown()` are decisions that Python's data may lack. Items are { id, task, src }.
/** @param {() => Waiting[]} unshown */
export function createQueue(unshown) {
  let listed = /** @type {Item[]} */ ([]); // what Python offers, in its order
  let returned = /** @type {Item[]} */ ([]); // taken back here: they come before anything else
  const answered = /** @type {Set<number>} */ (new Set()); // images, whatever data of before say of them
  const refused = /** @type {Map<number, number>} */ (new Map()); // image -> the request whose data say what it is now
  /** @type {{ item: Item, nonce: string, choice: number | null }[]} */
  let given = []; // what was answered here, newest last
  let count = 0;

  /** @param {Item} item */
  function leave({ id }) {
    returned = returned.filter((other) => other.id !== id);
    answered.add(id);
  }

  return {
    // What can be shown now. A sample taken back is in Python's list again under a new task, which then is the one.
    items() {
      const gone = waiting(unshown());
      const offered = new Map(listed.map((item) => [item.id, item]));
      const items = new Map();
      for (const item of [...returned, ...listed]) {
        if (!answered.has(item.id) && !gone.has(item.id)) items.set(item.id, offered.get(item.id) ?? item);
      }
      return [...items.values()];
    },
    answered: () => count,
    last: () => given.at(-1),
    leave,
    /** @param {Item} item @param {number | null} choice */
    give(item, choice) {
      leave(item);
      given = [...given, { item, nonce: "", choice }].slice(-REMEMBERED);
      count += 1;
    },
    // The newest answer is on its way under a nonce.
    /** @param {string} nonce */
    sent(nonce) {
      given[given.length - 1].nonce = nonce;
    },
    takeBack() {
      const last = given.pop();
      if (!last) return null;
      returned = [last.item, ...returned];
      answered.delete(last.item.id);
      count -= 1;
      return last;
    },
    // An answer does not count; the data of the request `turn` tell whether its image is still asked about.
    /** @param {Waiting & { nonce: string }} decided @param {number} turn */
    refuse(decided, turn) {
      const known = given.length;
      given = given.filter(({ nonce }) => nonce !== decided.nonce);
      count -= known - given.length;
      refused.set(imageOf(decided), turn);
    },
    /** @param {Item[]} items @param {number} echo */
    receive(items, echo) {
      for (const [id, turn] of refused) {
        if (turn > echo) continue;
        refused.delete(id);
        answered.delete(id);
      }
      const back = new Set(unshown().flatMap((one) => (one.kind === "back" ? [imageOf(one)] : [])));
      returned = returned.filter(({ id }) => back.has(id));
      listed = items;
    },
  };
}

// How many answers there are with those on their way, in words, and as a share of the goal if there is one.
/** @param {{ done: number, goal: number, apart?: string }} data @param {Pick<Decided, "kind">[]} decisions */
export function progress({ done, goal, apart }, decisions) {
  /** @param {string[]} kinds */
  const count = (...kinds) => decisions.filter(({ kind }) => kinds.includes(kind)).length;
  const all = Math.max(0, done + count("answer", "skip") - count("back"));
  const [text, of] = [all, goal].map((number) => number.toLocaleString("en"));
  const parts = [goal ? `${text} of ${of} answered` : `${text} answered`, apart].filter(Boolean);
  return { text: parts.join(" · "), max: goal || 1, value: Math.min(all, goal || 1) };
}

// What has been decided on the review card, and what a decision on its way makes of a suspect.

/** @import { Outbox, Review } from "../messages.js" */

/** @typedef {Review.Suspect} Suspect */
/** @typedef {Outbox.Entry} Entry */
/** @typedef {Pick<Suspect, "state" | "tags" | "excluded">} Standing */
/** @typedef {{ action?: string, choice?: number, value?: any, label?: string }} Act */

const REMEMBERED = 200;
const STATES = ["accepted", "kept"];
/** @type {Record<string, any>} */
const BACK = { tag: "untag", untag: "tag", relabel: "relabel", exclude: "include" }; // what takes an action back

/** @type {Record<string, (now: Standing, entry: any) => Standing>} */
const BECOMES = {
  answer: (now, { choice }) => ({ ...now, state: STATES[choice] }),
  back: (now) => ({ ...now, state: "" }),
  relabel: (now, { value }) => ({ ...now, state: value === null ? "" : "accepted" }),
  tag: (now, { value }) => ({ ...now, tags: [...now.tags, value] }),
  untag: (now, { value }) => ({ ...now, tags: now.tags.filter((tag) => tag !== value) }),
  exclude: (now) => ({ ...now, excluded: true }),
  include: (now) => ({ ...now, excluded: false }),
};

// What a suspect has become: the `entries` on their way count, in their order.
/** @param {Standing & { id: number }} suspect @param {Entry[]} entries */
export function standing({ id, state, tags, excluded }, entries) {
  const own = entries.filter((entry) => entry.id === id);
  return own.reduce((/** @type {Standing} */ now, entry) => BECOMES[entry.action ?? entry.kind]?.(now, entry) ?? now, {
    state,
    tags,
    excluded,
  });
}

// Why a suspect cannot be decided so, "" where it can: `choice` is 0 to accept, 1 to keep.
/** @param {Suspect} suspect @param {Standing} now @param {number} choice */
export function undecidable(suspect, now, choice) {
  if (choice === 0 && !suspect.suggested) return "No source names another label: keep or skip.";
  return now.state ? "Decided already: undo first." : "";
}

// Why an act on a suspect is not worth telling, "" where it is; `label` is the name of the one it would have.
/** @param {Suspect} suspect @param {Standing} now @param {Act} act */
export function needless(suspect, now, { action, value, label }) {
  /** @type {Record<string, [unknown, string][]>} */
  const reasons = {
    relabel: [
      [now.state, "Decided already: undo first."],
      [label === suspect.given, "It has this label already."],
    ],
    tag: [[now.tags.includes(value), "It has this tag already."]],
    untag: [[!now.tags.includes(value), "It has no such tag."]],
    exclude: [[now.excluded, "It is excluded already."]],
  };
  return reasons[action ?? ""]?.find(([holds]) => holds)?.[1] ?? "";
}

// What was decided or done, in words.
/** @param {Suspect} suspect @param {Act} act */
export function words(suspect, { action, choice, value, label }) {
  if (choice === 1) return `Kept ${suspect.given}.`;
  /** @type {Record<string, string>} */
  const told = { tag: `Tagged ${value}.`, untag: `No longer ${value}.`, exclude: `Excluded image ${suspect.id}.` };
  return told[action ?? ""] ?? `${suspect.given} is now ${label}.`;
}

// What was done here, newest last, and how it is taken back by the outbox.
/** @param {Pick<import("../outbox.js").Outbox, "put">} outbox */
export function createDecisions(outbox) {
  /** @type {{ id: number, place: number, nonce: string, back?: Partial<Entry> }[]} */
  let given = []; // { id, place, nonce }, and `back`, what takes an act back

  /** @param {Suspect} suspect @param {Omit<Entry, "nonce">} entry @param {Partial<Entry>} [back] */
  function give(suspect, entry, back) {
    const nonce = outbox.put({ ...entry, id: suspect.id });
    given = [...given, { id: suspect.id, place: suspect.place, nonce, back }].slice(-REMEMBERED);
  }

  return {
    /** @param {Suspect} suspect @param {number} choice @param {number} ms */
    decide: (suspect, choice, ms) => give(suspect, { kind: "answer", task: suspect.task, choice, ms }),
    /** @param {Suspect} suspect @param {any} action @param {any} value */
    act: (suspect, action, value) =>
      give(
        suspect,
        { kind: "act", action, value },
        {
          kind: "act",
          action: BACK[action],
          value: action === "relabel" ? null : value,
        },
      ),
    // Takes back the newest; returns its place, null if there is none.
    undo() {
      const last = given.pop();
      if (!last) return null;
      outbox.put({ kind: "back", ...(last.back ?? { of: last.nonce }), id: last.id });
      return last.place;
    },
    // What Python has refused cannot be taken back.
    /** @param {{ nonce: string }[]} refused */
    refuse(refused) {
      given = given.filter(({ nonce }) => !refused.some((entry) => entry.nonce === nonce));
    },
    some: () => given.length > 0,
    forget() {
      given = [];
    },
  };
}

// What has been decided on the review card, and what a decision on its way makes of a suspect.

import { rangesHas } from "../grid/ranges.js";

/** @import { Decided, Value } from "../events.js" */
/** @import { Review } from "../messages.js" */

/** @typedef {Review.Suspect} Suspect */
// The class that is suggested, of those that are named; nothing where none is.
/** @param {Suspect} suspect */
export const suggestion = ({ choices, suggested }) => choices.find(({ label }) => label === suggested);

// The classes that are named beside it.
/** @param {Suspect} suspect */
export const others = ({ choices, suggested }) => choices.filter(({ label }) => label !== suggested);

/** @typedef {Pick<Suspect, "state" | "tags" | "excluded">} Standing */
/** @typedef {{ action: string, value?: Value, label?: string }} Act */

const REMEMBERED = 200;

/** @type {Record<string, (now: Standing, decided: { value?: Value }) => Standing>} */
const BECOMES = {
  accept: (now) => ({ ...now, state: "accepted" }),
  keep: (now) => ({ ...now, state: "kept" }),
  relabel: (now, { value }) => ({ ...now, state: value === null ? "" : "accepted" }),
  tag: (now, { value }) => ({ ...now, tags: [...now.tags, String(value)] }),
  untag: (now, { value }) => ({ ...now, tags: now.tags.filter((tag) => tag !== value) }),
  exclude: (now) => ({ ...now, excluded: true }),
  include: (now) => ({ ...now, excluded: false }),
};

// What a suspect has become: the decisions on their way count, in their order, but for those that are taken back; of one
// that Python shows already, only Python knows what is left.
/** @param {Standing & { id: number }} suspect @param {Decided[]} decisions */
export function standing({ id, state, tags, excluded }, decisions) {
  const back = new Map(decisions.flatMap(({ kind, of }) => (kind === "undo" && of ? [[of, true]] : [])));
  const own = decisions.filter(({ nonce, ids }) => rangesHas(ids ?? [], id) && !back.has(nonce));
  const undone = own.some(({ kind }) => kind === "undo");
  return own.reduce((/** @type {Standing} */ now, one) => BECOMES[one.kind]?.(now, one) ?? now, {
    state: undone ? "" : state,
    tags,
    excluded,
  });
}

// Why a suspect cannot be decided so, "" where it can.
/** @param {Standing} now @param {string} kind @param {Review.NamedClass | undefined} choice */
export function undecidable(now, kind, choice) {
  if (kind === "accept" && !choice) return "Nothing of weight names another class: keep or skip.";
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
    tag: [[now.tags.includes(String(value)), "It has this tag already."]],
    untag: [[!now.tags.includes(String(value)), "It has no such tag."]],
    exclude: [[now.excluded, "It is excluded already."]],
  };
  return reasons[action]?.find(([holds]) => holds)?.[1] ?? "";
}

// What was decided or done, in words.
/** @param {Suspect} suspect @param {Act} act */
export function words(suspect, { action, value, label }) {
  /** @type {Record<string, string>} */
  const texts = {
    keep: `Kept ${suspect.given}.`,
    ask: `Three people are asked about image ${suspect.id}.`,
    tag: `Tagged ${value}.`,
    untag: `No longer ${value}.`,
    exclude: `Excluded image ${suspect.id}.`,
  };
  return texts[action] ?? `${suspect.given} is now ${label}.`;
}

// What was decided here, newest last, and how it is taken back.
/** @param {(decision: Partial<Decided> & { kind: string }) => string} decide */
export function createDecisions(decide) {
  let given = /** @type {{ id: number, place: number, nonce: string }[]} */ ([]);

  return {
    /** @param {Suspect} suspect @param {Partial<Decided> & { kind: string }} decision */
    give({ id, place }, decision) {
      const nonce = decide({ ...decision, ids: [[id, id + 1]] });
      given = [...given, { id, place, nonce }].slice(-REMEMBERED);
    },
    // Takes back the newest; returns its place, null if there is none.
    undo() {
      const last = given.pop();
      if (!last) return null;
      decide({ kind: "undo", of: last.nonce, ids: [[last.id, last.id + 1]] });
      return last.place;
    },
    // What was refused cannot be taken back.
    /** @param {string} refused */
    refuse(refused) {
      given = given.filter(({ nonce }) => nonce !== refused);
    },
    some: () => given.length > 0,
    forget() {
      given = [];
    },
  };
}

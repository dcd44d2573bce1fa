// How a row looks once the decisions on their way are done: grid and viewer show that at once, and what Python says when
// it has it.

import { rangesHas } from "./ranges.js";

/** @import { Decided, Row, Value } from "../events.js" */

// What each act makes of a row; one that changes nothing is not worth an entry.
/** @type {Record<string, (row: Row, value: Value, classes: string[]) => Row>} */
export const CHANGES = {
  exclude: (row) => ({
    ...row,
    muted: true,
    badges: ["excluded", ...row.badges.filter((badge) => badge !== "excluded")],
  }),
  accept: (row) => ({ ...row, muted: true, badges: ["accepted", ...row.badges] }),
  keep: (row) => ({ ...row, muted: true, badges: ["kept", ...row.badges] }),
  include: (row) => ({ ...row, muted: false, badges: row.badges.filter((badge) => badge !== "excluded") }),
  tag: (row, tag) => ({ ...row, badges: [...new Set([...row.badges, String(tag)])] }),
  untag: (row, tag) => ({ ...row, badges: row.badges.filter((badge) => badge !== tag) }),
  // Which label an image was given first, Python knows, and the viewer.
  relabel: (row, label, classes) => ({
    ...row,
    title: (label === null ? row.given : classes[Number(label)]) ?? row.title,
  }),
};
/** @type {Record<string, string>} */
const CHANGES_NOTHING = {
  exclude: "It is excluded already",
  include: "It is not excluded",
  tag: "It has this tag already",
  untag: "It has no such tag",
  relabel: "It has this label already",
};

// Decisions that count: an undo takes back the newest before it, or the one that it names; one that names an entry is
// about what was done long ago.
/** @param {Decided[]} decisions */
function standing(decisions) {
  let left = /** @type {Decided[]} */ ([]);
  for (const one of decisions) {
    if (one.kind === "undo" && one.of) left = left.filter(({ nonce }) => nonce !== one.of);
    else if (one.kind === "undo" && (one.value ?? null) === null) left.pop();
    else if (one.kind in CHANGES) left.push(one);
  }
  return left;
}

// `row` as it will be; itself if nothing is on its way for it.
/** @param {Row} row @param {Decided[]} decisions @param {string[]} classes */
export function withDecided(row, decisions, classes) {
  return standing(decisions).reduce(
    (now, { kind, value, ids }) => (rangesHas(ids ?? [], row.id) ? CHANGES[kind](now, value ?? null, classes) : now),
    row,
  );
}

// Why an act on one image is not worth telling, "" where it is.
/** @param {Row} row @param {string} action @param {Value} value @param {string[]} classes */
export function needless(row, action, value, classes) {
  const label = action === "relabel" && value === null;
  const same = !label && JSON.stringify(CHANGES[action](row, value, classes)) === JSON.stringify(row);
  return same ? CHANGES_NOTHING[action] : "";
}

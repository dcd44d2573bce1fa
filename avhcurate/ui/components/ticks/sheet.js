// The sheet of the tick grid: where keys move, and the ticks that are not submitted yet, kept in this browser.

import { createStore } from "../shared.js";

const DRAFT = "avhcurate:ticks:";

// Where a key moves to from a place among `count` in rows of `columns`; undefined where it does not move.
/** @param {string} key @param {number} at @param {number} columns @param {number} count */
export function moved(key, at, columns, count) {
  const row = at - (at % columns);
  /** @type {Record<string, number | undefined>} */
  const targets = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    ArrowDown: at + columns,
    ArrowUp: at - columns,
    Home: row,
    End: Math.min(count, row + columns) - 1,
  };
  const to = targets[key];
  if (to === undefined) return undefined;
  return to >= 0 && to < count ? to : at;
}

// A draft is that of a task within a `scope`; without storage a reload loses it, no more.
/** @param {string} scope */
export function createDraft(scope) {
  const store = createStore("localStorage");
  /** @param {string} task */
  const keyOf = (task) => `${DRAFT}${scope}:${task}`;

  return {
    /** @param {string} task @param {Set<number>} ticked */
    keep: (task, ticked) => store.keep(keyOf(task), [...ticked]),
    recall: (/** @type {string} */ task) => store.recall(keyOf(task)),
    forget: (/** @type {string} */ task) => store.forget(keyOf(task)),
  };
}

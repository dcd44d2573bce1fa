// The sheet of the tick grid: where keys move, and the ticks that are not submitted yet, kept in this browser.

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

// A draft is that of a task within a `scope`.
/** @param {string} scope */
export function createDraft(scope) {
  /** @param {string} task */
  const keyOf = (task) => `${DRAFT}${scope}:${task}`;

  // Without storage a reload loses the draft, no more.
  /** @param {(storage: Storage) => any} act */
  function attempt(act) {
    try {
      return act(window.localStorage);
    } catch {
      return null;
    }
  }

  return {
    /** @param {string} task @param {Set<number>} ticked */
    keep: (task, ticked) => attempt((storage) => storage.setItem(keyOf(task), JSON.stringify([...ticked]))),
    /** @param {string} task */
    recall: (task) => attempt((storage) => JSON.parse(storage.getItem(keyOf(task)) ?? "null")),
    /** @param {string} task */
    forget: (task) => attempt((storage) => storage.removeItem(keyOf(task))),
  };
}

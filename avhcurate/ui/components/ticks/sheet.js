// The sheet of the tick grid: where keys move, and the ticks that are not submitted yet, kept in this browser.

const DRAFT = "avhcurate:ticks:";

// Where a key moves to from a place among `count` in rows of `columns`; undefined where it does not move.
export function moved(key, at, columns, count) {
  const row = at - (at % columns);
  const targets = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns,
    Home: row, End: Math.min(count, row + columns) - 1,
  };
  const to = targets[key];
  if (to === undefined) return undefined;
  return to >= 0 && to < count ? to : at;
}

// A draft is that of a task within a `scope`.
export function createDraft(scope) {
  const keyOf = (task) => `${DRAFT}${scope}:${task}`;

  // Without storage a reload loses the draft, no more.
  function attempt(act) {
    try {
      return act(window.localStorage);
    } catch {
      return null;
    }
  }

  return {
    keep: (task, ticked) => attempt((storage) => storage.setItem(keyOf(task), JSON.stringify([...ticked]))),
    recall: (task) => attempt((storage) => JSON.parse(storage.getItem(keyOf(task)))),
    forget: (task) => attempt((storage) => storage.removeItem(keyOf(task))),
  };
}

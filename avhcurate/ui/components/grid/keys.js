// What the grid's own keys do, for the list of keys.

/** @typedef {ReturnType<typeof import("./layout.js").gridLayout>} Layout */
/** @typedef {{ offset: () => number, window: () => number, to: (y: number) => void }} Scroller */

/** @type {[string, string][]} */
export const GRID_KEYS = [
  ["arrows", "move"],
  ["Enter", "open"],
  ["Shift + Enter", "selected side by side"],
  ["Space", "select or not"],
  ["Shift + arrows", "select a range"],
  ["Ctrl + A", "select all that match"],
  ["Esc", "clear the selection"],
  ["Home, End", "first and last"],
];

// The rows that a window shows, and the place to step from: wherever the focus was left, a window's step goes on from
// what is in sight.
/** @param {number} place @param {Layout} layout @param {Scroller} scroller */
function inSight(place, layout, scroller) {
  const seen = layout.rowAt(scroller.offset());
  const windowful = Math.max(1, layout.rowAt(scroller.offset() + scroller.window()) - seen);
  const row = layout.rowOf(place);
  return { windowful, from: row >= seen && row <= seen + windowful ? place : layout.first(seen) };
}

/** @param {number} place @param {Layout} layout @param {Scroller} scroller @param {number} sign */
function paged(place, layout, scroller, sign) {
  if (!layout.rows) return 0;
  const { windowful, from } = inSight(place, layout, scroller);
  return layout.below(from, sign * windowful);
}

// Where each key moves the focus to from a place.
/** @type {Record<string, (place: number, layout: Layout, scroller: Scroller) => number>} */
export const STEPS = {
  ArrowRight: (place) => place + 1,
  ArrowLeft: (place) => place - 1,
  ArrowDown: (place, layout) => (layout.rows && layout.rowOf(place) < layout.rows - 1 ? layout.below(place, 1) : place),
  ArrowUp: (place, layout) => (layout.rows && layout.rowOf(place) > 0 ? layout.below(place, -1) : place),
  Home: () => 0,
  End: () => Infinity,
  PageDown: (place, layout, scroller) => paged(place, layout, scroller, 1),
  PageUp: (place, layout, scroller) => paged(place, layout, scroller, -1),
};

/** @param {number} sign @param {Layout} layout @param {Scroller} scroller */
export function turnPage(sign, layout, scroller) {
  if (!layout.rows) return;
  const seen = layout.rowAt(scroller.offset());
  const { windowful } = inSight(layout.first(seen), layout, scroller);
  scroller.to(layout.top(Math.max(0, Math.min(layout.rows - 1, seen + sign * windowful))));
}

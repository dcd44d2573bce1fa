// What is selected: ranges of places, which the browser keeps, and carries along when the same samples come in another
// order or fewer of them are left.

import { createStore, placesIn } from "../shared.js";
import { rangesCount, rangesUnion } from "./ranges.js";

/** @import { Ranges } from "../events.js" */

/** @typedef {{ key: string, about: string, order: string, count: number, source: string }} View */
/** @typedef {View & { ranges: Ranges }} Selected */
/** @typedef {Selected & { shown: boolean, done?: Promise<void> }} Carried */

/** @type {View} */
const NO_VIEW = { key: "", about: "", order: "", count: 0, source: "" };
const KEPT = "avhcurate:selection"; // in this window, also after a reload

const store = createStore("sessionStorage"); // a selection too large for it is lost with a reload, no more
// What was selected in a grid that is gone, in case its samples are shown again.
let left = /** @type {Selected | null} */ (store.recall(KEPT));

/** @param {() => void} changed */
export function createSelection(changed) {
  let view = NO_VIEW;
  let ranges = /** @type {Ranges} */ ([]);
  /** @type {Carried | null} */
  let carrying = null; // what was selected in another view, until its places in this one are known

  // `keep`: also what is carried, and not shown yet, stays selected.
  /** @param {Ranges} next */
  function set(next, keep = false) {
    const goes = carrying !== null && (carrying.shown || !keep);
    if (goes) carrying = null;
    else if (JSON.stringify(next) === JSON.stringify(ranges)) return;
    ranges = next;
    tell();
  }

  function tell() {
    store.keep(KEPT, { ...view, ranges });
    changed();
  }

  /** @param {View} next */
  function move(next) {
    if (view === NO_VIEW) {
      view = left ?? NO_VIEW;
      ranges = left?.ranges ?? [];
    }
    if (next.key === view.key) return;
    const from = carrying ?? { ...view, ranges };
    view = next;
    carrying = null;
    follow(from);
    tell();
  }

  // What was selected in another view, in this one: nothing among other samples, all where all were selected.
  /** @param {Selected} from */
  function follow(from) {
    const [[first, end] = []] = from.ranges;
    if (from.about !== view.about || first === undefined || !view.count) ranges = [];
    else if (first === 0 && end === from.count) ranges = [[0, view.count]];
    else carry({ ...from, shown: from.order === view.order && from.count === view.count });
  }

  /** @param {Carried} from */
  function carry(from) {
    carrying = from;
    ranges = from.shown ? from.ranges : [];
    from.done = placesIn(view.source, from.key, from.ranges).then((there) => {
      if (carrying !== from) return;
      carrying = null;
      ranges = from.shown ? there : rangesUnion(ranges, there);
      tell(); // also where nothing is left, which was counted until now
    });
  }

  return {
    set,
    move,
    ranges: () => ranges,
    count: () => rangesCount(ranges.length || !carrying ? ranges : carrying.ranges),
    // Ends when the places are those of the view that is shown.
    settled: () => carrying?.done,
    destroy() {
      left = ranges.length ? { ...view, ranges } : left?.about === view.about ? null : left;
    },
  };
}

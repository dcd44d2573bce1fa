// What is selected: ranges of places, which the browser keeps, and carries along when the same samples come in another
// order or fewer of them are left.

import { placesIn } from "../shared.js";
import { rangesCount, rangesUnion } from "./ranges.js";

const KEPT = "avhcurate:selection"; // in this window, also after a reload

let left = recalled(); // what was selected in a grid that is gone, in case its samples are shown again

function recalled() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

function keep(selected) {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(selected));
  } catch {
    // A selection too large for the browser's storage is lost with a reload only.
  }
}

export function createSelection(changed) {
  let view = null;
  let ranges = [];
  let carrying = null; // what was selected in another view, until its places in this one are known

  function set(next) {
    if (carrying?.shown) carrying = null; // what is seen counts from now on
    if (JSON.stringify(next) === JSON.stringify(ranges)) return;
    ranges = next;
    keep({ ...view, ranges });
    changed();
  }

  function move(next) {
    if (!view) {
      view = left ?? { key: "", about: "", order: "", count: 0, source: "" };
      ranges = left?.ranges ?? [];
    }
    if (next.key === view.key) return;
    const from = carrying ?? { ...view, ranges };
    view = next;
    carrying = null;
    follow(from);
    keep({ ...view, ranges });
    changed();
  }

  // What was selected in another view, in this one: nothing among other samples, all where all were selected.
  function follow(from) {
    const [[first, end] = []] = from.ranges;
    if (from.about !== view.about || first === undefined || !view.count) ranges = [];
    else if (first === 0 && end === from.count) ranges = [[0, view.count]];
    else carry({ ...from, shown: from.order === view.order && from.count === view.count });
  }

  function carry(from) {
    carrying = from;
    ranges = from.shown ? from.ranges : [];
    carrying.done = placesIn(view.source, from.key, from.ranges).then((there) => {
      if (carrying !== from) return;
      carrying = null;
      set(from.shown ? there : rangesUnion(ranges, there));
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
      left = ranges.length ? { ...view, ranges } : left?.about === view?.about ? null : left;
    },
  };
}

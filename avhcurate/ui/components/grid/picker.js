// Selecting tiles one by one, or as a range from where one began.

import { rangesHas, rangesUnion, rangesWithout } from "./ranges.js";
/** @import { Ranges } from "../events.js" */

// Only a tile whose image is there can be picked by itself.
/**
 * @param {{ ranges: () => Ranges, set: (ranges: Ranges, keep: boolean) => void }} selection
 * @param {{ fresh: (place: number) => boolean }} rows
 */
export function createPicker(selection, rows) {
  let anchor = /** @type {number | null} */ (null);

  return {
    /** @param {number} place */
    toggle(place) {
      if (!rows.fresh(place)) return;
      const selected = selection.ranges();
      anchor = place;
      const had = rangesHas(selected, place);
      const next = had ? rangesWithout(selected, place, place + 1) : rangesUnion(selected, [[place, place + 1]]);
      selection.set(next, true);
    },
    // Selects from the tile that was picked last, or else that at `from`, to a place; `keep`: with what is selected.
    /** @param {number} from @param {number} place @param {boolean} keep */
    extend(from, place, keep) {
      anchor ??= from;
      /** @type {Ranges} */
      const span = [[Math.min(anchor, place), Math.max(anchor, place) + 1]];
      selection.set(keep ? rangesUnion(selection.ranges(), span) : span, keep);
    },
    forget() {
      anchor = null;
    },
  };
}

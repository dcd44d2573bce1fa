// Selecting tiles one by one, or as a range from where one began.

import { rangesHas, rangesUnion, rangesWithout } from "./ranges.js";

export function createPicker(selection) {
  let anchor = null;

  return {
    toggle(place) {
      const selected = selection.ranges();
      anchor = place;
      const had = rangesHas(selected, place);
      selection.set(had ? rangesWithout(selected, place, place + 1) : rangesUnion(selected, [[place, place + 1]]));
    },
    // Selects from the tile that was picked last, or else that at `from`, to a place; `keep`: with what is selected.
    extend(from, place, keep) {
      anchor ??= from;
      const span = [[Math.min(anchor, place), Math.max(anchor, place) + 1]];
      selection.set(keep ? rangesUnion(selection.ranges(), span) : span);
    },
    forget() {
      anchor = null;
    },
  };
}

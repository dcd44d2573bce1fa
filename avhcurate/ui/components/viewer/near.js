// The images before and behind the one that is shown, in the order of its view.

/** @import { Viewer } from "../messages.js" */

// The id that lies `by` places from an image at `place`, or from the gap that it left, and where; undefined if it is not
// known.
/** @param {Pick<Viewer.Nearby, "next" | "ids" | "first">} near @param {number | null} place @param {number} by */
export function stepped({ next, ids, first }, place, by) {
  if (place === null && next === null) return undefined;
  const at = place === null ? Number(next) + Math.min(by, 0) : place + by;
  const id = ids[at - first];
  return id === undefined ? undefined : { at, id };
}

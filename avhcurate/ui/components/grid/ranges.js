// Sets of places as sorted, disjoint ranges [from, to): a million selected rows are one pair of numbers.

/** @import { Ranges } from "../events.js" */

/** @param {Ranges} ranges @param {number} place */
export function rangesHas(ranges, place) {
  let low = 0,
    high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle][1] > place) high = middle;
    else low = middle + 1;
  }
  return low < ranges.length && ranges[low][0] <= place;
}

/** @param {Ranges} ranges @param {Ranges} more */
export function rangesUnion(ranges, more) {
  const joined = /** @type {Ranges} */ ([]);
  for (const [from, to] of [...ranges, ...more].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (to > from) joined.push([from, to]);
  }
  return joined;
}

/** @param {Ranges} ranges @param {number} from @param {number} to @returns {Ranges} */
export function rangesWithout(ranges, from, to) {
  /** @type {(range: [number, number]) => Ranges} */
  const left = ([a, b]) => [
    [a, Math.min(b, from)],
    [Math.max(a, to), b],
  ];
  return ranges.flatMap(left).filter(([x, y]) => x < y);
}

// Some numbers, in any order, as ranges.
/** @param {Iterable<number>} numbers */
export function rangesOf(numbers) {
  return rangesUnion(
    [],
    [...numbers].map((one) => [one, one + 1]),
  );
}

/** @param {Ranges} ranges */
export function rangesCount(ranges) {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}

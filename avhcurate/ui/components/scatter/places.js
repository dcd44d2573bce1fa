// Where points lie: which is the nearest to a place, and which lie in a polygon.

const CELL_POINTS = 4; // points a cell of the index, about

// How often a ray to the right crosses the outline with corners (xs, ys).
/** @param {number} x @param {number} y @param {number[]} xs @param {number[]} ys */
function crossings(x, y, xs, ys) {
  let count = 0;
  for (let one = 0, other = xs.length - 1; one < xs.length; other = one++) {
    if (ys[one] > y === ys[other] > y) continue;
    if (x < xs[one] + ((y - ys[one]) * (xs[other] - xs[one])) / (ys[other] - ys[one])) count += 1;
  }
  return count;
}

// `places`: x and y of each point in 16 bits; the last of several at one place is the one on top.
/** @param {Uint16Array} places */
export function createPlaces(places) {
  const count = places.length / 2;
  let bits = 0; // of the number of cells a side
  while (bits < 10 && CELL_POINTS << (2 * bits) < count) bits += 1;
  const shift = 16 - bits;
  /** @param {number} x @param {number} y */
  const cellOf = (x, y) => ((y >> shift) << bits) | (x >> shift);
  const starts = new Uint32Array((1 << (2 * bits)) + 1);
  const order = new Uint32Array(count);
  for (let point = 0; point < count; point++) starts[cellOf(places[2 * point], places[2 * point + 1]) + 1] += 1;
  for (let cell = 1; cell < starts.length; cell++) starts[cell] += starts[cell - 1];
  const next = starts.slice(0, -1);
  for (let point = 0; point < count; point++) order[next[cellOf(places[2 * point], places[2 * point + 1])]++] = point;

  /** @param {number} value */
  const cell = (value) => Math.max(0, Math.min(65535, Math.round(value))) >> shift;

  return {
    // The nearest point to a place of those that count, at most `reach` away, which are half axes; -1 for none.
    /** @param {number[]} place @param {number[]} reach @param {(point: number) => boolean} counts */
    nearest([x, y], [across, up], counts) {
      let [found, least] = [-1, 1];
      for (let row = cell(y - up); row <= cell(y + up); row++) {
        const last = starts[((row << bits) | cell(x + across)) + 1];
        for (let index = starts[(row << bits) | cell(x - across)]; index < last; index++) {
          const point = order[index];
          const distance = ((places[2 * point] - x) / across) ** 2 + ((places[2 * point + 1] - y) / up) ** 2;
          if (distance > least || (distance === least && point < found) || !counts(point)) continue;
          [found, least] = [point, distance];
        }
      }
      return found;
    },
    // A byte for each point: 1 inside the polygon with corners (xs, ys).
    /** @param {number[]} xs @param {number[]} ys */
    inside(xs, ys) {
      const flags = new Uint8Array(count);
      const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      for (let point = 0; point < count; point++) {
        const [x, y] = [places[2 * point], places[2 * point + 1]];
        if (x < left || x > right || y < low || y > high) continue;
        flags[point] = crossings(x, y, xs, ys) % 2;
      }
      return flags;
    },
  };
}

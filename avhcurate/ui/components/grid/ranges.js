// Sets of places as sorted, disjoint ranges [from, to): a million selected rows are one pair of numbers.

export function rangesHas(ranges, place) {
  let low = 0, high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle][1] > place) high = middle;
    else low = middle + 1;
  }
  return low < ranges.length && ranges[low][0] <= place;
}

export function rangesUnion(ranges, more) {
  const joined = [];
  for (const [from, to] of [...ranges, ...more].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (to > from) joined.push([from, to]);
  }
  return joined;
}

export function rangesWithout(ranges, from, to) {
  return ranges.flatMap(([a, b]) => [[a, Math.min(b, from)], [Math.max(a, to), b]].filter(([x, y]) => x < y));
}

export function rangesCount(ranges) {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}

// Where the rows of a grid lie: all of one height, or below the names of their groups.

import { createTile, drawTile, EMPTY, hasSecond } from "./tile.js";
/** @import { Ranges, Row } from "../events.js" */
/** @import { Grid } from "../messages.js" */

export const GAP = 10;
const HEADING = 32; // pixels of a group's heading
const AHEAD = 1.5; // windows drawn beyond the one in sight, in the direction of travel
const BEHIND = 0.5;
const SMALL = 110; // pixels below which a tile has one line of small words

/**
 * @typedef {object} Rows Where the rows lie, and which places they hold.
 * @property {number} rows
 * @property {number} height
 * @property {(place: number) => number} rowOf
 * @property {(y: number) => number} rowAt
 * @property {(row: number) => number} top
 * @property {(row: number) => number} bottom
 * @property {(row: number) => number} first
 * @property {(row: number) => number} end
 * @property {(row: number) => Heading | null} heading
 */
/** @typedef {{ x: number, y: number }} Point */
/** @typedef {{ title: string, places: [number, number], lacks: string[], asks: Record<string, string> }} Heading What stands above the first row of a group. */

// `columns` of `width` pixels in rows of `rowHeight`.
/** @param {number} count @param {{ columns: number, width: number, rowHeight: number }} sizes @param {Grid.Group[]} groups */
export function gridLayout(count, { columns, width, rowHeight }, groups) {
  const rows = groups.length ? groupedLayout(groups, columns, rowHeight) : flatLayout(count, columns, rowHeight);
  return {
    ...rows,
    // The place some rows further, in the same column or the row's last.
    /** @param {number} place @param {number} steps */
    below(place, steps) {
      const row = Math.max(0, Math.min(rows.rows - 1, rows.rowOf(place) + steps));
      return Math.min(rows.first(row) + place - rows.first(rows.rowOf(place)), rows.end(row) - 1);
    },
    // The places of the tiles that a box touches.
    /** @param {Point} from @param {Point} to */
    covered(from, to) {
      const spans = /** @type {Ranges} */ ([]);
      const [first, last] = [from, to].map(({ x }) =>
        Math.max(0, Math.min(columns - 1, Math.floor(x / (width + GAP)))),
      );
      for (let row = rows.rowAt(from.y); row <= rows.rowAt(to.y) && rows.rows; row++) {
        if (rows.bottom(row) < from.y) continue;
        spans.push([rows.first(row) + first, Math.min(rows.end(row), rows.first(row) + last + 1)]);
      }
      return spans.filter(([a, b]) => a < b);
    },
  };
}

// The rows to draw for a window of `seen` pixels at `top`, the places in sight, and the spans that are wanted, the most
// urgent first: more in the direction of travel; `alone`, only what is in sight.
/** @param {Rows} layout @param {{ top: number, seen: number, travel: number, alone: boolean }} window */
export function around(layout, { top, seen, travel, alone }) {
  const beyond = travel < 0 ? [AHEAD, BEHIND] : [BEHIND, AHEAD];
  const [less, more] = alone ? [0, 0] : beyond;
  const [from, to] = [layout.rowAt(top - less * seen), layout.rowAt(top + seen + more * seen)];
  /** @type {[number, number]} */
  const insight = [layout.first(layout.rowAt(top)), layout.end(layout.rowAt(top + seen - 1))];
  const [first, end] = [layout.first(from), layout.end(to)];
  /** @type {Ranges} */
  const wanted = [insight, [first, end]];
  if (travel >= 0) wanted.push([end, end + 1]);
  return { from, to, insight, wanted };
}

// How many columns of tiles of about `size` fit, how wide they are and how high their rows; the board is told.
/** @param {HTMLElement} board @param {number} size @param {boolean} bare */
export function tileSizes(board, size, bare) {
  const all = board.clientWidth;
  board.closest(".image-grid")?.classList.toggle("small", size < SMALL);
  const columns = Math.max(1, Math.floor((all + GAP) / (size + GAP)));
  const width = (all - GAP * (columns - 1)) / columns;
  const rowHeight = Math.ceil(width + captionHeight(board, bare) + GAP + 2);
  board.style.setProperty("--columns", String(columns));
  board.style.setProperty("--row", `${rowHeight - GAP}px`);
  return { columns, width, rowHeight };
}

/** @param {HTMLElement} board @param {boolean} bare */
function captionHeight(board, bare) {
  if (bare) return 0;
  const probe = createTile();
  drawTile(probe, { ...EMPTY, id: -1, title: "x", percentile: 50, sub: "x", note: "x" }, false);
  board.appendChild(probe.root);
  const height = probe.caption.offsetHeight + probe.meter.offsetHeight;
  probe.root.remove();
  return height;
}

// Whether no tile has a second line of words, or none at all.
/** @param {{ tiles: Row[] }} data */
export function wordsOf({ tiles }) {
  const single = !tiles.some(hasSecond);
  return { single, bare: single && tiles.every((row) => !row.title && !row.score) };
}

/** @param {number} count @param {number} columns @param {number} rowHeight @returns {Rows} */
function flatLayout(count, columns, rowHeight) {
  const rows = Math.ceil(count / columns);
  return {
    rows,
    height: Math.max(0, rows * rowHeight - GAP),
    rowOf: (place) => Math.floor(place / columns),
    rowAt: (y) => Math.max(0, Math.min(rows - 1, Math.floor(y / rowHeight))),
    top: (row) => row * rowHeight,
    bottom: (row) => (row + 1) * rowHeight - GAP,
    first: (row) => row * columns,
    end: (row) => Math.min(count, (row + 1) * columns),
    heading: () => null,
  };
}

/** @param {Grid.Group[]} groups @param {number} columns @param {number} rowHeight @returns {Rows} */
function groupedLayout(groups, columns, rowHeight) {
  const rows = /** @type {{ heading: Heading | null, first: number, end: number, top: number }[]} */ ([]);
  let y = 0;
  let end = 0;
  for (const { title, count, lacks, asks = {} } of groups) {
    const places = /** @type {[number, number]} */ ([end, end + count]);
    for (let first = end; first < places[1]; first = end) {
      end = Math.min(first + columns, places[1]);
      const heading = first === places[0] ? { title, places, lacks, asks } : null;
      rows.push({ heading, first, end, top: y });
      y += rowHeight + (heading ? HEADING : 0);
    }
  }
  // The last row that begins at `value` or before.
  /** @param {"first" | "top"} key @param {number} value */
  function lastAt(key, value) {
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle][key] > value) high = middle;
      else low = middle + 1;
    }
    return Math.max(0, low - 1);
  }
  return {
    rows: rows.length,
    height: Math.max(0, y - GAP),
    rowOf: (place) => lastAt("first", place),
    rowAt: (y) => lastAt("top", y),
    top: (row) => rows[row].top,
    bottom: (row) => (rows[row + 1]?.top ?? y) - GAP,
    first: (row) => rows[row].first,
    end: (row) => rows[row].end,
    heading: (row) => rows[row].heading,
  };
}

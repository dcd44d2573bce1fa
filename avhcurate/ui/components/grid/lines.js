// The rows of tiles that are drawn: nodes are kept while they are in or near sight, and drawn into again.

import { element } from "../shared.js";
import { createTile, drawPicture, drawTile } from "./tile.js";

/** @import { Row } from "../events.js" */

/** @param {Tile} tile */
const hasPicture = ({ data, image, frame }) =>
  data && ((image.src && image.complete) || frame.classList.contains("broken"));

// `layout()` says where rows lie, `base()` relative to what, `rowAt(place)` what is shown at a place, and `headed(group)`
// draws what stands above it.
/**
 * @typedef {import("./tile.js").Tile} Tile
 * @param {HTMLElement} board
 * @param {{
 *   layout: () => import("./layout.js").Rows, base: () => number,
 *   rowAt: (place: number) => Row | null,
 *   headed: (heading: import("./layout.js").Heading) => HTMLElement,
 * }} has
 */
export function createLines(board, { layout, base, rowAt, headed }) {
  const lines = /** @type {Map<number, { node: HTMLElement, tiles: Tile[] }>} */ (new Map()); // row -> { node, tiles }
  const spare = /** @type {Tile[]} */ ([]); // tiles out of sight, to be drawn into again

  /** @param {number} row @param {boolean} pictures */
  function drawLine(row, pictures) {
    const line = lines.get(row) ?? newLine(row);
    const next = lines.get(row + 1)?.node ?? null;
    if (line.node.parentNode !== board || line.node.nextSibling !== next) board.insertBefore(line.node, next);
    line.node.style.transform = `translateY(${layout().top(row) - base()}px)`;
    for (const tile of line.tiles) drawTile(tile, rowAt(tile.place), pictures);
  }

  /** @param {number} row */
  function newLine(row) {
    const [heading, first] = [layout().heading(row), layout().first(row)];
    const look = { className: "row", role: "row", ariaRowIndex: String(row + 1) };
    const line = { node: element("div", look), tiles: /** @type {Tile[]} */ ([]) };
    if (heading) line.node.appendChild(headed(heading));
    for (let place = first; place < layout().end(row); place++) {
      const tile = spare.pop() ?? createTile();
      tile.place = place;
      tile.data = undefined;
      tile.root.dataset.place = String(place);
      tile.root.setAttribute("tabindex", "-1");
      tile.root.setAttribute("aria-colindex", String(place - first + 1));
      line.node.appendChild(tile.root);
      line.tiles.push(tile);
    }
    lines.set(row, line);
    return line;
  }

  /** @param {number} row */
  function drop(row) {
    const { node: gone, tiles } = /** @type {{ node: HTMLElement, tiles: Tile[] }} */ (lines.get(row));
    lines.delete(row);
    gone.remove();
    for (const tile of tiles) drawPicture(tile, "");
    spare.push(...tiles);
  }

  return {
    /** @param {number} from @param {number} to @param {boolean} pictures */
    draw(from, to, pictures) {
      for (const row of [...lines.keys()]) if (row < from || row > to) drop(row);
      for (let row = to; row >= from; row--) drawLine(row, pictures);
    },
    clear() {
      for (const row of [...lines.keys()]) drop(row);
    },
    tiles: () => [...lines.values()].flatMap(({ tiles }) => tiles),
    /** @param {number} place */
    tileAt: (place) =>
      layout().rows ? lines.get(layout().rowOf(place))?.tiles.find((tile) => tile.place === place) : undefined,
    // Whether some are drawn, with all pictures there, or known to be broken.
    arrived: () => lines.size > 0 && [...lines.values()].every(({ tiles }) => tiles.every(hasPicture)),
  };
}

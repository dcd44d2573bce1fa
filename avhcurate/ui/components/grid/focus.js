// The focus of a grid: one tile is in the tab order, arrows move it, and it stays with its image where that has moved.

/**
 * @param {HTMLElement} node
 * @param {ReturnType<typeof import("./lines.js").createLines>} lines
 * @param {{ rows: import("./rows.js").Rows, hasFocus: () => boolean }} has
 */
export function createFocus(node, lines, { rows, hasFocus }) {
  let place = 0;
  let id = /** @type {number | null} */ (null); // of the image at the place, once it is known

  function paint() {
    for (const tile of lines.tiles()) tile.root.setAttribute("tabindex", tile.place === place ? "0" : "-1");
    node.tabIndex = lines.tileAt(place) ? -1 : 0; // the grid itself while its tile is out of sight
  }

  /** @param {number} to */
  function set(to) {
    place = to;
    id = rows.at(place)?.id ?? null;
    paint();
  }

  return {
    place: () => place,
    set,
    paint,
    // The rows have changed: the place of the same image, unless it has gone.
    /** @param {number} count */
    follow(count) {
      const had = hasFocus();
      const to = id === null ? null : rows.find(id, place);
      if (to !== null && to !== place) {
        set(to);
        if (had) lines.tileAt(to)?.root.focus({ preventScroll: true });
      } else if (place >= count) set(Math.max(0, count - 1));
      else id = rows.at(place)?.id ?? id;
    },
    /** @param {number} to */
    begin(to) {
      place = to;
      id = null;
    },
  };
}

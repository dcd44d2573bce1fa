// The focus of a grid: one tile is in the tab order, arrows move it, and it stays with its image where that has moved.

// `at(place)` is the row at a place, `find(id, near)` the place of an image among the rows that are known.
export function createFocus(node, lines, { at, find, hasFocus }) {
  let place = 0;
  let id = null; // of the image at the place, once it is known

  function paint() {
    for (const tile of lines.tiles()) tile.root.setAttribute("tabindex", tile.place === place ? "0" : "-1");
    node.tabIndex = lines.tileAt(place) ? -1 : 0; // the grid itself while its tile is out of sight
  }

  function set(to) {
    place = to;
    id = at(place)?.id ?? null;
    paint();
  }

  return {
    place: () => place,
    set,
    paint,
    // The rows have changed: the place of the same image, unless it has gone.
    follow(count) {
      const had = hasFocus();
      const to = id === null ? null : find(id, place);
      if (to !== null && to !== place) {
        set(to);
        if (had) lines.tileAt(to)?.root.focus({ preventScroll: true });
      } else if (place >= count) set(Math.max(0, count - 1));
      else id = at(place)?.id ?? id;
    },
    begin(to) {
      place = to;
      id = null;
    },
  };
}

// The grid beside the details: it marks the image that they show, and has the focus back when they are closed.

const SHOWN = "avhcurate-shown"; // what the details tell the page: { view, place }
const PATIENCE_MS = 3000;

/** @param {import("./grid.js").Grid} grid */
export function createDetails(grid) {
  let place = /** @type {number | null} */ (null);
  let last = /** @type {number | null} */ (null); // the place shown last: an image may be open that is not in this view

  /** @param {WindowEventMap["avhcurate-shown"]} event */
  function shown({ detail }) {
    if (detail.view !== grid.data?.view || detail.place === place) return;
    place = detail.place;
    last = place ?? last;
    if (place !== null) grid.painting.show(place);
    grid.painting.paintSelection();
  }
  addEventListener(SHOWN, shown);

  return {
    place: () => place,
    opened: (/** @type {number} */ at) => (place = last = at),
    // The keys go on from the image that was shown last.
    closed() {
      if (last === null) return;
      const to = last;
      const until = performance.now() + PATIENCE_MS;
      place = last = null;
      grid.painting.paintSelection();
      const look = () => {
        if (document.querySelector("[role=dialog]") && performance.now() < until) requestAnimationFrame(look);
        else if (!grid.hasFocus()) grid.moveFocus(to, false);
      };
      requestAnimationFrame(look);
    },
    destroy: () => removeEventListener(SHOWN, shown),
  };
}

// Where a click on a chart leads: each mark that counts images has the address of their gallery. The marks are looked at
// here, since Plotly looks only every 50 ms at what lies under the mouse, and hears no click before it has.

/** @typedef {{ type: string, meta?: { n: number[], to: string | string[] } }} Trace */
/** @typedef {Element & { layout: { hoverdistance?: number } }} Plot */

const STILL_PX = 5; // a hand moves so much in a click
const EDGE_PX = 3; // around a bar
const AROUND_PX = 20; // around the middle of other marks: as far as Plotly shows what they are
const AGAIN_MS = 500; // a second click of a double click

/** @param {(address: string) => void} go */
export function watchMarks(go) {
  let pressed = /** @type {{ plot: Plot, x: number, y: number } | null} */ (null);
  let went = Number.NEGATIVE_INFINITY;

  function press(/** @type {PointerEvent} */ { target, button, clientX, clientY }) {
    const area = /** @type {Element} */ (target).closest?.(".js-plotly-plot .drag");
    const plot = /** @type {Plot | null | undefined} */ (area?.closest(".js-plotly-plot"));
    pressed = plot && !button ? { plot, x: clientX, y: clientY } : null;
  }

  function release(/** @type {PointerEvent} */ { clientX, clientY, timeStamp }) {
    if (!pressed || timeStamp < went + AGAIN_MS) return;
    const { plot, x, y } = pressed;
    pressed = null;
    const address = Math.hypot(clientX - x, clientY - y) <= STILL_PX && addressAt(plot, x, y);
    if (!address) return;
    went = timeStamp;
    go(address);
  }

  addEventListener("pointerdown", press, true);
  addEventListener("pointerup", release, true);
}

// The address of the mark nearest to a place in the window, "" where none is near.
/** @param {Plot} plot @param {number} x @param {number} y */
function addressAt(plot, x, y) {
  let nearest = Number.POSITIVE_INFINITY;
  let address = "";
  for (const point of plot.querySelectorAll(".point")) {
    const { type, meta } = /** @type {Trace} */ (drawnFrom(point.closest(".trace"))?.[0].trace ?? {});
    const place = drawnFrom(point)?.i;
    if (!meta?.n[place]) continue;
    const bar = type === "bar";
    const distance = distanceTo(point.getBoundingClientRect(), x, y, bar);
    const reach = bar ? EDGE_PX : (plot.layout.hoverdistance ?? AROUND_PX);
    if (distance > reach || distance >= nearest) continue;
    nearest = distance;
    address = typeof meta.to === "string" ? meta.to : meta.to[place];
  }
  return address;
}

// What D3 has drawn an element from.
/** @param {Element | null} element */
const drawnFrom = (element) => /** @type {any} */ (element)?.__data__;

// From the edge of a bar, from the middle of another mark.
/** @param {DOMRect} box @param {number} x @param {number} y @param {boolean} edge */
function distanceTo({ left, top, width, height }, x, y, edge) {
  const away = (/** @type {number} */ from, /** @type {number} */ size) =>
    Math.max(0, Math.abs(from - size / 2) - (edge ? size / 2 : 0));
  return Math.hypot(away(x - left, width), away(y - top, height));
}

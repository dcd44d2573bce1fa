// What the pointer does on the stage: draws a lasso or a box, drags the map, or clicks.

const CLICK_PX = 4; // a press that moves less is a click
const CORNER_PX = 3; // between two corners of a lasso
const WHEEL = 0.0015; // of a zoom, a pixel of the wheel
const LINE_PX = 40; // of a wheel's line

// `tool()` is "lasso", "select" (a box) or "pan". Called are `drawing(corners)` with corners in pixels while one draws,
// null when it is given up, `drawn(corners)` at its end, `dragged(across, down)`, `turned(factor, left, top)`,
// `clicked(left, top)`, `over(left, top, event)` and `away()`.
/**
 * @typedef {[number, number]} Place
 * @param {HTMLElement} stage
 * @param {{
 *   tool: () => string | undefined, drawing: (corners: Place[] | null) => void, drawn: (corners: Place[]) => void,
 *   dragged: (across: number, down: number) => void, turned: (factor: number, left: number, top: number) => void,
 *   clicked: (left: number, top: number) => void, over: (left: number, top: number, event: PointerEvent) => void,
 *   away: () => void,
 * }} on
 */
export function createPointer(stage, on) {
  let start = /** @type {Place | null} */ (null);
  /** @type {Place} */
  let last = [0, 0];
  let corners = /** @type {Place[]} */ ([]);

  /** @returns {[number, number]} */
  const here = (/** @type {MouseEvent} */ event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  /** @param {Place} from @param {Place} to @param {number} distance */
  const far = ([x, y], [left, top], distance) => Math.hypot(x - left, y - top) >= distance;
  /** @param {Place} from @param {Place} to @returns {Place[]} */
  const boxed = ([left, top], [right, low]) => [
    [left, top],
    [right, top],
    [right, low],
    [left, low],
  ];

  function cancel() {
    start = null;
    on.drawing(null);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    on.away();
    start = last = here(event);
    corners = [start];
  });

  stage.addEventListener("pointermove", (event) => {
    const at = here(event);
    if (!start) return void on.over(...at, event);
    if (on.tool() === "pan") on.dragged(at[0] - last[0], at[1] - last[1]);
    else if (on.tool() === "select") corners = boxed(start, at);
    else if (far(corners[corners.length - 1], at, CORNER_PX)) corners.push(at);
    if (on.tool() !== "pan" && far(start, at, CLICK_PX)) on.drawing(corners);
    last = at;
  });

  stage.addEventListener("pointerup", (event) => {
    if (!start) return;
    const [from, to] = [start, here(event)];
    const moved = far(from, to, CLICK_PX) || corners.some((corner) => far(from, corner, CLICK_PX));
    start = null;
    if (moved && on.tool() !== "pan" && corners.length > 2) return on.drawn(corners); // stays until it is the region
    on.drawing(null);
    if (!moved) on.clicked(...to);
  });

  stage.addEventListener("pointercancel", cancel);
  stage.addEventListener("pointerleave", () => start || on.away());
  stage.addEventListener(
    "wheel",
    (event) => {
      if (on.tool() !== "pan" && !event.ctrlKey) return;
      event.preventDefault();
      on.away();
      on.turned(Math.exp(-event.deltaY * (event.deltaMode === 1 ? LINE_PX : 1) * WHEEL), ...here(event));
    },
    { passive: false },
  );

  return { cancel, rest: () => start || on.drawing(null) };
}

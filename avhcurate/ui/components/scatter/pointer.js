// What the pointer does on the stage: draws a lasso or a box, drags the map, or clicks.

const CLICK_PX = 4; // a press that moves less is a click
const CORNER_PX = 3; // between two corners of a lasso
const WHEEL = 0.0015; // of a zoom, a pixel of the wheel
const LINE_PX = 40; // of a wheel's line

/** @typedef {[number, number]} Place */

/** @param {import("./scatter.js").Chart} chart */
export function createPointer(chart) {
  const { stage, camera, overlay } = chart;
  const tool = () => chart.data?.tool; // "lasso", "select" (a box) or "pan"
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

  /** @param {number} across @param {number} down */
  const drag = (across, down) => chart.move(() => camera.panBy(across, down));

  function cancel() {
    start = null;
    overlay.draft(null);
  }

  stage.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    chart.away();
    start = last = here(event);
    corners = [start];
  });

  stage.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const at = here(event);
    if (!start) return void chart.over(...at, event);
    if (tool() === "pan") drag(at[0] - last[0], at[1] - last[1]);
    else if (tool() === "select") corners = boxed(start, at);
    else if (far(corners[corners.length - 1], at, CORNER_PX)) corners.push(at);
    if (tool() !== "pan" && far(start, at, CLICK_PX)) overlay.draft(corners);
    last = at;
  });

  stage.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
    if (!start) return;
    const [from, to] = [start, here(event)];
    const moved = far(from, to, CLICK_PX) || corners.some((corner) => far(from, corner, CLICK_PX));
    start = null;
    // What was drawn stays until it is the region.
    if (moved && tool() !== "pan" && corners.length > 2) return chart.sendRegion(corners, tool() === "select");
    overlay.draft(null);
    if (!moved) chart.clicked(...to);
  });

  stage.addEventListener("pointercancel", cancel);
  stage.addEventListener("pointerleave", () => start || chart.away());
  stage.addEventListener(
    "wheel",
    (/** @type {WheelEvent} */ event) => {
      if (tool() !== "pan" && !event.ctrlKey) return;
      event.preventDefault();
      chart.away();
      const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? LINE_PX : 1) * WHEEL);
      chart.move(() => camera.zoomBy(factor, ...here(event)));
    },
    { passive: false },
  );

  return { cancel, rest: () => start || overlay.draft(null) };
}

// Selecting by a box: press beside or on a tile and drag; near an edge the grid scrolls along.

const THRESHOLD = 6; // pixels before a press becomes a drag
const EDGE = 36;
const SPEED = 18; // pixels a frame

// `covered(from, to)` is called with two corners in the grid's pixels while the box grows; true of `wanted` starts one.
/**
 * @typedef {{ x: number, y: number }} Point
 * @param {HTMLElement} node
 * @param {HTMLElement} box
 * @param {{ offset: () => number, to: (y: number) => void }} scroller
 * @param {{ wanted: () => boolean, begins: (keep: boolean) => void, covered: (from: Point, to: Point) => void }} does
 */
export function createBox(node, box, scroller, { wanted, begins, covered }) {
  let drag = /** @type {{ start: Point, last: PointerEvent, on: boolean, keep: boolean } | null} */ (null);
  let ended = false;

  /** @param {PointerEvent} event */
  function spot(event) {
    const frame = node.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  function grow() {
    if (!drag?.on) return;
    const { x, y } = spot(drag.last);
    const pull = y < EDGE ? -SPEED : y > node.clientHeight - EDGE ? SPEED : 0;
    if (pull) scroller.to(scroller.offset() + pull);
    const here = { x, y: y + scroller.offset() };
    const [left, right] = [drag.start.x, here.x].sort((a, b) => a - b);
    const [top, bottom] = [drag.start.y, here.y].sort((a, b) => a - b);
    Object.assign(box.style, {
      left: `${left}px`,
      width: `${right - left}px`,
      top: `${top - scroller.offset()}px`,
      height: `${bottom - top}px`,
    });
    covered({ x: left, y: top }, { x: right, y: bottom });
    if (pull) requestAnimationFrame(grow);
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (!drag) return;
    drag.last = event;
    const { x, y } = spot(event);
    const far = Math.hypot(x - drag.start.x, y + scroller.offset() - drag.start.y) > THRESHOLD;
    if (!drag.on && far) {
      drag.on = true;
      box.hidden = false;
      begins(drag.keep);
    }
    grow();
  }

  function end() {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    ended = Boolean(drag?.on);
    drag = null;
    box.hidden = true;
    setTimeout(() => (ended = false)); // the click that follows is none
  }

  node.addEventListener("pointerdown", (event) => {
    const { x, y } = spot(event);
    const onBar = x >= node.clientWidth || y >= node.clientHeight;
    if (event.button !== 0 || event.pointerType !== "mouse" || onBar || !wanted()) return;
    drag = {
      start: { x, y: y + scroller.offset() },
      last: event,
      on: false,
      keep: event.ctrlKey || event.metaKey || event.shiftKey,
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  });

  return { ended: () => ended, destroy: end };
}

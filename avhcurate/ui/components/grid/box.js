// Selecting by a box: press beside or on a tile and drag; near an edge the grid scrolls along.

import { rangesUnion } from "./ranges.js";

/** @import { Ranges } from "../events.js" */

const THRESHOLD = 6; // pixels before a press becomes a drag
const EDGE = 36;
const SPEED = 18; // pixels a frame

/** @param {import("./grid.js").Grid} grid */
export function createBox(grid) {
  const { node, scroller, selection } = grid;
  const box = grid.part("box");
  let before = /** @type {Ranges} */ ([]); // what was selected when the box was begun
  let drag = /** @type {{ start: { x: number, y: number }, last: PointerEvent, on: boolean, keep: boolean } | null} */ (
    null
  );
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
    const covered = grid.painting.layout.covered({ x: left, y: top }, { x: right, y: bottom });
    selection.set(rangesUnion(before, covered), drag.keep);
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
      before = drag.keep ? selection.ranges() : [];
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

  node.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    const { x, y } = spot(event);
    const onBar = x >= node.clientWidth || y >= node.clientHeight;
    if (event.button !== 0 || event.pointerType !== "mouse" || onBar || !grid.data.selectable) return;
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

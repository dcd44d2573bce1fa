// Beside the tile under the pointer, or with the focus by keys: why its image is hard, as a route says.

import { consume, readJson } from "../shared.js";
import { drawWhy } from "../why/why.js";

const REST_MS = 400; // on a tile, before it is asked
const GAP = 6;

/** @param {import("./grid.js").Grid} grid */
export function createReason(grid) {
  const card = grid.part("why");
  let tile = /** @type {HTMLElement | null} */ (null);
  let timer = 0;

  /** @param {Event} event */
  function near(event) {
    const at = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".tile"));
    const touched = event instanceof PointerEvent && event.pointerType === "touch";
    if (at === tile || touched || (event.type === "focusin" && !at?.matches(":focus-visible"))) return;
    hide();
    tile = at;
    if (grid.data.why && at?.dataset.id) timer = setTimeout(() => show(at, Number(at.dataset.id)), REST_MS);
  }

  /** @param {HTMLElement} at @param {number} id */
  async function show(at, id) {
    const reason = (await readJson(`${grid.data.source}/why?id=${id}`))?.reason;
    if (!reason || tile !== at || at.dataset.id !== String(id)) return;
    drawWhy(card, reason);
    place(at);
    at.setAttribute("aria-describedby", card.id);
  }

  // To the right of the tile, or to its left where there is no room.
  /** @param {HTMLElement} at */
  function place(at) {
    const [box, { width, height }] = [at, card].map((node) => node.getBoundingClientRect());
    const right = box.right + GAP;
    const left = right + width > innerWidth ? Math.max(0, box.left - GAP - width) : right;
    const top = Math.max(0, Math.min(box.top, innerHeight - height));
    card.style.transform = `translate(${left}px, ${top}px)`;
  }

  function hide() {
    clearTimeout(timer);
    tile?.removeAttribute("aria-describedby");
    tile = null;
    card.hidden = true;
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    if (event.key === "Escape" && !card.hidden) consume(event);
    hide();
  }

  for (const event of ["pointerover", "focusin"]) grid.board.addEventListener(event, near);
  for (const event of ["pointerleave", "pointerdown", "focusout"]) grid.board.addEventListener(event, hide);
  grid.root.addEventListener("keydown", pressed, true);
  addEventListener("scroll", hide, true);
  return { destroy: () => removeEventListener("scroll", hide, true) };
}

// How large the tiles are and whether pictures fill them: sliders and switches that act at once.

import { createStore } from "../shared.js";

const FILL = "avhcurate:fill"; // kept in this browser, for all grids
const LOOK = "avhcurate-look";
const SEND_MS = 400;

/** @param {import("./grid.js").Grid} grid */
export function createLook(grid) {
  const node = grid.part("look");
  const slider = /** @type {HTMLInputElement} */ (node.querySelector("input"));
  const fill = /** @type {HTMLButtonElement} */ (node.querySelector("button"));
  const store = createStore("localStorage");
  let timer = 0;

  function paint() {
    const fills = Boolean(store.recall(FILL));
    grid.root.classList.toggle("fills", fills);
    fill.setAttribute("aria-pressed", String(fills));
  }

  function send() {
    if (grid.size !== grid.data.size) grid.talk.send("size", grid.size);
  }

  slider.oninput = () => {
    grid.size = Number(slider.value);
    grid.painting.layOut();
    clearTimeout(timer);
    timer = setTimeout(send, SEND_MS);
  };
  fill.onclick = () => {
    store.keep(FILL, fill.ariaPressed === "true" ? 0 : 1);
    dispatchEvent(new Event(LOOK));
  };
  addEventListener(LOOK, paint);
  paint();

  return {
    /** @param {boolean} shown @param {number} size */
    update(shown, size) {
      node.hidden = !shown;
      if (grid.parent.activeElement !== slider) slider.value = String(size);
    },
    destroy() {
      clearTimeout(timer);
      removeEventListener(LOOK, paint);
    },
  };
}

// How large the tiles are and whether pictures fill them: sliders and switches that act at once.

const FILL = "avhcurate:fill"; // kept in this browser, for all grids
const LOOK = "avhcurate-look";
const TELL_MS = 400;

// `resized(size)` is called as the slider moves, `kept(size)` when it rests.
/**
 * @param {HTMLElement} root
 * @param {HTMLElement} node
 * @param {{ resized: (size: number) => void, kept: (size: number) => void }} does
 */
export function createLook(root, node, { resized, kept }) {
  const slider = /** @type {HTMLInputElement} */ (node.querySelector("input"));
  const fill = /** @type {HTMLButtonElement} */ (node.querySelector("button"));
  let timer = 0;

  function paint() {
    const fills = localStorage.getItem(FILL) === "1";
    root.classList.toggle("fills", fills);
    fill.setAttribute("aria-pressed", String(fills));
  }

  slider.oninput = () => {
    resized(Number(slider.value));
    clearTimeout(timer);
    timer = setTimeout(() => kept(Number(slider.value)), TELL_MS);
  };
  fill.onclick = () => {
    localStorage.setItem(FILL, fill.ariaPressed === "true" ? "0" : "1");
    dispatchEvent(new Event(LOOK));
  };
  addEventListener(LOOK, paint);
  paint();

  return {
    /** @param {boolean} shown @param {number} size */
    update(shown, size) {
      node.hidden = !shown;
      if (/** @type {ShadowRoot} */ (root.getRootNode()).activeElement !== slider) slider.value = String(size);
    },
    destroy() {
      clearTimeout(timer);
      removeEventListener(LOOK, paint);
    },
  };
}

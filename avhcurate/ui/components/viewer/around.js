// The details around the viewer: a dialog that the Escape key closes.

const DETAILS = ".st-key-details";
const CLOSE = `${DETAILS} .st-key-detail-close button`;
const ABOVE = "[data-testid=stDialog], [data-testid=stPopoverBody]";

// The details that the viewer is a part of: a dialog, whose keys are the viewer's too.
/** @param {Node} parent @returns {Element | null | undefined} */
export function detailsAround(parent) {
  const panel = /** @type {ShadowRoot} */ (parent.getRootNode()).host?.closest?.(DETAILS);
  panel?.setAttribute("role", "dialog");
  panel?.setAttribute("aria-label", "Image");
  return panel;
}

// Escape closes the details, unless something in or above them has a use for it: a list that is open, a popover.
export function closeOnEscape() {
  let taken = false;
  const note = (/** @type {KeyboardEvent} */ event) => {
    const [target] = /** @type {Element[]} */ (event.composedPath());
    taken = target.getAttribute?.("aria-expanded") === "true" || Boolean(document.querySelector(ABOVE));
  };
  const close = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !taken)
      /** @type {HTMLElement | null} */ (document.querySelector(CLOSE))?.click();
  };
  addEventListener("keydown", note, true);
  addEventListener("keydown", close);
  return () => {
    removeEventListener("keydown", note, true);
    removeEventListener("keydown", close);
  };
}

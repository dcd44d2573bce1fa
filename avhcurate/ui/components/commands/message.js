// What is said for a while, perhaps with a button that does what is offered. It outlives the component that says it:
// Streamlit takes that away where no image is left, and another one when there are images again.

const SHOWN_MS = 8000;
const KEPT_MS = 60_000; // in which another component may say it

/** @typedef {{ text: string, offered: (() => void) | undefined, at: number, node: HTMLElement }} Said */
/** @typedef {ReturnType<typeof createMessage>} Message */

let unread = /** @type {Said | null} */ (null); // what was said last, until it was shown for its time, or pressed

// Above the bar, if there is one; `back()` returns the focus to the images.
/** @param {HTMLElement} node @param {() => Element | null | undefined} bar @param {() => void} back */
export function createMessage(node, bar, back) {
  let timer = 0;
  const label = /** @type {HTMLElement} */ (node.querySelector("span"));
  const button = /** @type {HTMLElement} */ (node.querySelector("button"));
  const moved = new ResizeObserver(place); // the bar moves while the page around it is drawn

  function place() {
    const box = bar()?.getBoundingClientRect();
    node.style.bottom = box?.height && box.top < innerHeight ? `${innerHeight - box.top + 8}px` : "";
  }

  function hide() {
    if (unread?.node === node) unread = null;
    node.togglePopover(false);
    moved.disconnect();
  }

  /** @param {Said} said */
  function draw(said) {
    label.textContent = said.text;
    button.hidden = !said.offered;
    button.onclick = () => {
      hide();
      said.offered?.();
      back();
    };
    node.togglePopover(true);
    moved.observe(/** @type {Element} */ (node.parentElement));
    clearTimeout(timer);
    timer = setTimeout(hide, SHOWN_MS);
  }

  return {
    // Says something: here, or by the next component where this one was taken away.
    /** @param {string} text @param {() => void} [offered] */
    show(text, offered) {
      unread = { text, offered, at: Date.now(), node };
      if (node.isConnected) draw(unread);
    },
    // Says what a component that was taken away had no time for.
    goOn() {
      if (!unread || unread.node.isConnected || Date.now() > unread.at + KEPT_MS) return;
      unread.node = node;
      draw(unread);
    },
    destroy: () => clearTimeout(timer),
  };
}

// Scrolling over more pixels than a browser allows: the offset in the grid beside the offset of the scroll bar.

const TALLEST = 4e6; // browsers end at 16 to 33 million pixels, and draw inexactly long before
const REST_MS = 120;
const WHEEL_LINE = 40;

// `moved(by, flying)` is called when the offset has changed; rows fly by while the user drags the bar far.
/**
 * @param {HTMLElement} node
 * @param {HTMLElement} sizer
 * @param {HTMLElement} layer
 * @param {(by: number, flying: boolean) => void} moved
 */
export function createScroller(node, sizer, layer, moved) {
  let height = 0; // of all rows
  let offset = 0; // where the window begins in them
  let bar = 0; // where the scroll bar stood last
  let base = 0; // rows are drawn relative to it, so that their own offsets stay small
  let timer = 0;

  const most = () => Math.max(0, height - node.clientHeight);
  const scaled = () => height > TALLEST;
  const scale = () => (scaled() ? most() / Math.max(1, TALLEST - node.clientHeight) : 1);
  /** @param {number} y */
  const inside = (y) => Math.max(0, Math.min(most(), y));

  function place() {
    if (Math.abs(offset - base) > TALLEST / 8) base = scaled() ? Math.floor(offset) : 0;
    layer.style.transform = `translateY(${(scaled() ? bar - offset : 0) + base}px)`;
  }

  // Puts the scroll bar where the offset says, exactly, once the hand rests.
  function settle() {
    node.scrollTop = offset / scale();
    bar = node.scrollTop;
    place();
  }

  /** @param {number} y */
  function to(y) {
    const by = inside(y) - offset;
    offset = inside(y);
    settle();
    moved(by, false);
  }

  node.onscroll = () => {
    const step = node.scrollTop - bar;
    if (!step) return;
    bar = node.scrollTop;
    const far = Math.abs(step) > 2 * node.clientHeight;
    // A finger moves by pixels; the bar, which moves by more than windows, points at a row.
    const next = inside(scaled() ? (far ? bar * scale() : offset + step) : bar);
    const by = next - offset;
    offset = next;
    place();
    moved(by, far);
    clearTimeout(timer);
    if (scaled()) timer = setTimeout(settle, REST_MS);
  };

  // A wheel too moves by pixels, however long the bar's way is.
  node.addEventListener(
    "wheel",
    (event) => {
      if (!scaled() || event.ctrlKey || inside(offset + event.deltaY) === offset) return;
      event.preventDefault();
      const unit = [1, WHEEL_LINE, node.clientHeight][event.deltaMode];
      to(offset + event.deltaY * unit);
    },
    { passive: false },
  );

  return {
    to,
    offset: () => offset,
    window: () => node.clientHeight,
    most,
    base: () => base,
    /** @param {number} total */
    resize(total) {
      height = total;
      sizer.style.height = `${Math.min(TALLEST, total)}px`;
      offset = inside(offset);
      if (!scaled()) base = 0;
      settle();
    },
    destroy: () => clearTimeout(timer),
  };
}

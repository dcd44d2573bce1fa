// One picture of the viewer: its stage, and the pointer on it.

import { element } from "../shared.js";

const WHEEL = 0.0015; // of a zoom, a pixel of the wheel
const LINE = 40; // pixels of a wheel's line
const LARGE = 1600; // pixels of a longer side at which the picture may be a copy of a larger one

// `turned(factor, at, stage)` is called by the wheel, `dragged(across, down, stage)` by the pointer, and `taken(stage)`
// when the picture is pressed; `changed()` when its size is known.
/**
 * @typedef {import("./camera.js").Picture} Picture
 * @typedef {{ x: number, y: number }} Point
 * @typedef {ReturnType<typeof createStage>} Stage
 * @param {HTMLElement} parent
 * @param {{
 *   camera: ReturnType<typeof import("./camera.js").createCamera>,
 *   turned: (factor: number, at: Point, stage: any) => void,
 *   dragged: (across: number, down: number, stage: any) => void,
 *   taken: (stage: any) => void, changed: () => void,
 * }} does
 */
export function createStage(parent, { camera, turned, dragged, taken, changed }) {
  const root = element("figure", "stage", parent);
  const view = element("div", "view", root);
  const image = element("img", "", view);
  const caption = element("figcaption", "", root);
  let source = { src: "", whole: "" };
  let drag = /** @type {Point | null} */ (null);
  image.draggable = false;

  image.onload = () => {
    root.classList.remove("waiting", "broken");
    image.width = image.naturalWidth;
    changed();
  };
  image.onerror = () => root.classList.add("broken");

  function picture() {
    return {
      width: image.naturalWidth || 1,
      height: image.naturalHeight || 1,
      across: view.clientWidth,
      down: view.clientHeight,
    };
  }

  function place() {
    if (!image.naturalWidth || !view.clientWidth) return;
    const { left, top, size } = camera.placed(picture());
    image.style.transform = `translate(${left}px, ${top}px) scale(${size})`;
    view.classList.toggle("pannable", camera.pannable(picture()));
    // Of a large picture its own pixels are fetched when they are looked at.
    const copied = Math.max(image.naturalWidth, image.naturalHeight) >= LARGE;
    if (copied && camera.mode() !== "fit" && image.getAttribute("src") === source.src) fetchWhole(source);
  }

  /** @param {typeof source} wanted */
  function fetchWhole(wanted) {
    const whole = new Image();
    whole.onload = () => source === wanted && (image.src = wanted.whole);
    whole.src = wanted.whole;
  }

  view.addEventListener(
    "wheel",
    (event) => {
      const shrinks = event.deltaY > 0;
      if (shrinks && camera.mode() === "fit" && !event.ctrlKey) return; // the details scroll on
      event.preventDefault();
      const frame = view.getBoundingClientRect();
      const turn = event.deltaY * [1, LINE, view.clientHeight][event.deltaMode] * (event.ctrlKey ? 4 : 1);
      turned(Math.exp(-turn * WHEEL), { x: event.clientX - frame.left, y: event.clientY - frame.top }, stage);
    },
    { passive: false },
  );

  view.onpointerdown = (event) => {
    if (event.button !== 0) return;
    taken(stage);
    if (!camera.pannable(picture())) return;
    view.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY };
  };
  view.onpointermove = (event) => {
    if (!drag) return;
    dragged(event.clientX - drag.x, event.clientY - drag.y, stage);
    drag = { x: event.clientX, y: event.clientY };
  };
  view.onpointerup = view.onpointercancel = () => (drag = null);

  const stage = {
    root,
    view,
    picture,
    place,
    id: -1,
    /** @param {{ id: number, src: string, whole: string, alt: string }} picture */
    show({ id, src, whole, alt }) {
      stage.id = id;
      if (source.src !== src) {
        source = { src, whole };
        root.classList.add("waiting");
        root.classList.remove("broken");
        image.src = src;
      }
      image.alt = alt;
    },
    /** @param {any} row */
    say({ title, path, muted }) {
      caption.textContent = [title, path].filter(Boolean).join(" · ");
      root.classList.toggle("muted", muted);
    },
  };
  return stage;
}

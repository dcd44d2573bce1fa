// One picture of the viewer: its stage, and the pointer on it.

import { element } from "../shared.js";

/** @import { Row } from "../events.js" */

const WHEEL = 0.0015; // of a zoom, a pixel of the wheel
const LINE = 40; // pixels of a wheel's line
const LARGE = 1600; // pixels of a longer side at which the picture may be a copy of a larger one

/** @typedef {ReturnType<typeof createStage>} Stage */

/** @param {import("./viewer.js").Viewer} viewer */
export function createStage(viewer) {
  const { camera } = viewer;
  const root = element("figure", "stage", viewer.part("stages"));
  const view = element("div", "view", root);
  const image = element("img", { draggable: false }, view);
  const caption = element("figcaption", "", root);
  let source = { src: "", whole: "" };

  image.onload = () => {
    root.classList.remove("waiting");
    view.classList.remove("broken");
    image.width = image.naturalWidth;
    viewer.paint();
  };
  image.onerror = () => {
    root.classList.remove("waiting");
    view.classList.add("broken");
  };

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

  const stage = {
    root,
    view,
    picture,
    place,
    id: -1,
    seen: () => image.complete,
    /** @param {{ id: number, src: string, whole: string, alt: string }} picture */
    show({ id, src, whole, alt }) {
      stage.id = id;
      if (source.src !== src) {
        source = { src, whole };
        root.classList.add("waiting");
        view.classList.remove("broken");
        image.src = src;
      }
      image.alt = alt;
    },
    /** @param {Row} row */
    describe({ title, path, muted }) {
      caption.textContent = [title, path].filter(Boolean).join(" · ");
      root.classList.toggle("muted", muted);
    },
  };
  steer(stage, viewer);
  return stage;
}

// The wheel zooms about the pointer, which drags what is larger than its stage.
/** @param {Stage} stage @param {import("./viewer.js").Viewer} viewer */
function steer(stage, viewer) {
  const { view, picture } = stage;
  const { camera } = viewer;
  let drag = /** @type {{ x: number, y: number } | null} */ (null);

  view.addEventListener(
    "wheel",
    (event) => {
      const shrinks = event.deltaY > 0;
      if (shrinks && camera.mode() === "fit" && !event.ctrlKey) return; // the details scroll on
      event.preventDefault();
      const frame = view.getBoundingClientRect();
      const turn = event.deltaY * [1, LINE, view.clientHeight][event.deltaMode] * (event.ctrlKey ? 4 : 1);
      const at = { x: event.clientX - frame.left, y: event.clientY - frame.top };
      viewer.repaint(() => camera.zoomBy(Math.exp(-turn * WHEEL), picture(), at));
    },
    { passive: false },
  );

  view.onpointerdown = (event) => {
    if (event.button !== 0) return;
    viewer.activate(viewer.stages.indexOf(stage));
    if (!camera.pannable(picture())) return;
    view.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY };
  };
  view.onpointermove = (event) => {
    if (!drag) return;
    const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
    viewer.repaint(() => camera.panBy(across, down, picture()));
    drag = { x: event.clientX, y: event.clientY };
  };
  view.onpointerup = view.onpointercancel = () => (drag = null);
}

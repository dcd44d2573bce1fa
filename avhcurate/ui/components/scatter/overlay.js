// What lies over the points: the region, what is being drawn, class weights, names and the image that was looked for.

import { element } from "../shared.js";

/** @import { Scatter } from "../messages.js" */

const MARK_PX = 6; // half of a class weight's diamond
const NAME_ABOVE_PX = 17;

/**
 * @typedef {Scatter.Data} Data
 * @typedef {Scatter.Name} Name
 * @typedef {ReturnType<typeof import("./camera.js").createCamera>} Camera
 * @param {Element} svg
 * @param {Element} names
 */
export function createOverlay(svg, names) {
  const [region, draft, marks, ...circles] = ["region", "draft", "marks", "found", "pointed"].map(
    (name) => /** @type {SVGElement} */ (svg.querySelector(`.${name}`)),
  );
  /** @type {Data} */
  let data;
  let pointed = /** @type {{ x: number, y: number } | null} */ (null); // x, y
  let written = /** @type {[HTMLElement, number, number, number][]} */ ([]); // [node, x, y, pixels above]

  /** @param {number[][] | null | undefined} corners */
  const polygon = (corners) => (corners?.length ? `M${corners.map((corner) => corner.join()).join("L")}Z` : "");

  /** @param {Name} name @param {number} above */
  function write({ x, y, text }, above) {
    written.push([element("span", { className: "name", textContent: text }, names), x, y, above]);
  }

  return {
    /** @param {Data} next */
    update(next) {
      data = next;
      names.replaceChildren();
      written = [];
      for (const name of data.names) write(name, 0);
      if (data.marks.named)
        data.marks.x.forEach((x, index) =>
          write({ x, y: data.marks.y[index], text: data.marks.names[index] }, NAME_ABOVE_PX),
        );
      if (data.found) write(data.found, NAME_ABOVE_PX + 4);
    },
    point: (/** @type {{ x: number, y: number } | null} */ place) => (pointed = place),
    draft: (/** @type {number[][] | null} */ corners) => draft.setAttribute("d", polygon(corners)),
    /** @param {Camera} camera */
    place({ toScreen }) {
      const { region: outline, marks: weights } = data;
      region.setAttribute("d", polygon(outline?.x.map((x, index) => toScreen(x, outline.y[index]))));
      marks.setAttribute(
        "d",
        weights.x
          .map((x, index) => {
            const [left, top] = toScreen(x, weights.y[index]);
            return `M${left} ${top - MARK_PX}l${MARK_PX} ${MARK_PX}-${MARK_PX} ${MARK_PX}-${MARK_PX}-${MARK_PX}z`;
          })
          .join(""),
      );
      [data.found, pointed].forEach((place, number) => {
        circles[number].toggleAttribute("hidden", !place);
        if (!place) return;
        const [left, top] = toScreen(place.x, place.y);
        circles[number].setAttribute("cx", String(left));
        circles[number].setAttribute("cy", String(top));
      });
      for (const [node, x, y, above] of written) {
        const [left, top] = toScreen(x, y);
        node.style.transform = `translate(${left}px, ${top - above}px) translate(-50%, -50%)`;
      }
    },
    // The class weight at these pixels; -1 for none.
    /** @param {number} left @param {number} top @param {Camera} camera */
    markAt(left, top, { toScreen }) {
      const { x, y } = data.marks;
      return x.findLastIndex((value, index) => {
        const [across, down] = toScreen(value, y[index]);
        return Math.abs(across - left) + Math.abs(down - top) <= MARK_PX + 1;
      });
    },
  };
}

// Why an image is hard: the nearest image of another class, and the angles to both classes as rays from one point.

import { draw } from "../carrier.js";
import { mounted, partOf } from "../shared.js";

/** @import { Why } from "../messages.js" */

const RAY = 40;

export default mounted((parent) => ({
  /** @param {Why.Data} data */
  update: ({ reason }) => drawWhy(partOf(parent, "why"), reason),
  destroy: () => undefined,
}));

/** @param {HTMLElement} card @param {Why.Reason} reason */
export function drawWhy(card, { src, title, angles, words }) {
  draw(/** @type {HTMLImageElement} */ (card.querySelector("img")), src);
  /** @type {Element} */ (card.querySelector("b")).textContent = title;
  ["own", "other"].forEach((name, turn) => {
    card.querySelector(`path.${name}`)?.setAttribute("d", sector(turn ? angles[1] : -angles[0]));
    /** @type {Element} */ (card.querySelector(`span.${name}`)).textContent = words[turn];
  });
  card.hidden = false;
}

// From the image, which points up, to a class so many degrees to its right: the ray, and the angle between them.
/** @param {number} degrees */
function sector(degrees) {
  const [x, y] = [Math.sin((degrees * Math.PI) / 180), -Math.cos((degrees * Math.PI) / 180)];
  return `M0 -16A16 16 0 0 ${degrees > 0 ? 1 : 0} ${16 * x} ${16 * y}L0 0L${RAY * x} ${RAY * y}`;
}

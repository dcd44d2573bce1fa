// The legend: a button for each group, which hides and shows it, or the scale of a number.

import { element } from "../shared.js";
import { DIAMOND, drawSymbol, SYMBOLS } from "./symbols.js";
/** @import { Scatter } from "../messages.js" */

// `changed()` is called when other groups are hidden.
/**
 * @typedef {Scatter.Data} Data
 * @typedef {Scatter.LegendEntry} Entry
 * @param {HTMLElement} parent
 * @param {() => void} changed
 */
export function createLegend(parent, changed) {
  let shown = ""; // what the legend says: with other groups none is hidden
  let hidden = /** @type {Set<number>} */ (new Set());

  /** @param {Entry} group @param {number} index @param {Entry[]} entries */
  function entry({ name, color, symbol }, index, entries) {
    const button = element("button", { className: "group", type: "button" }, parent);
    drawSymbol(SYMBOLS[symbol] ?? SYMBOLS[0], color, button);
    element("span", { textContent: name }, button);
    const paintPressed = () => button.setAttribute("aria-pressed", String(!hidden.has(index)));
    button.title = "click: hide or show; double-click: this group alone, and all again";
    button.onclick = () => {
      hidden.has(index) ? hidden.delete(index) : hidden.add(index);
      paintPressed();
      changed();
    };
    button.ondblclick = () => {
      const alone = entries.every((_, other) => other === index || hidden.has(other));
      hidden = new Set(alone ? [] : entries.keys());
      hidden.delete(index);
      parent
        .querySelectorAll(".group")
        .forEach((one, other) => one.setAttribute("aria-pressed", String(!hidden.has(other))));
      changed();
    };
    paintPressed();
  }

  /** @param {Scatter.Scale} scale */
  function scale({ colors, ticks }) {
    const box = element("div", "scale", parent);
    element("div", "ramp", box).style.setProperty("--colors", colors.join());
    const list = element("ol", "ticks", box);
    for (const tick of ticks) element("li", { textContent: tick }, list);
  }

  return {
    /** @param {Data} data */
    update({ legend, marks }) {
      const names = JSON.stringify([legend, marks.title]);
      if (names === shown) return;
      [shown, hidden] = [names, new Set()];
      parent.replaceChildren();
      element("p", { className: "heading", textContent: legend.title }, parent);
      if (legend.scale) scale(legend.scale);
      legend.entries.forEach(entry);
      if (!marks.x.length) return;
      const line = element("p", "group", parent);
      drawSymbol(DIAMOND, "var(--weight)", line);
      element("span", { textContent: marks.title }, line);
    },
    // Whether points of a shade are drawn.
    /** @param {number} shade @param {Data} data */
    shows: (shade, { legend }) => !hidden.has(legend.entries.findIndex((one) => one.shade === shade)),
  };
}

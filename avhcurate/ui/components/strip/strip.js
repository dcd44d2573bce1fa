// How many labels are decided: the counts of Python, or newer ones that came with the answer to a decision.

import { fresh, listen } from "../outbox.js";
import { mounted, partOf } from "../shared.js";

/** @import { Answered, Component } from "../events.js" */
/** @import { Strip } from "../messages.js" */

const NAMES = ["relabelled", "excluded", "kept"];

export default mounted(createStrip);

/** @param {ShadowRoot} parent @param {Strip.Data} first */
function createStrip(parent, first) {
  const button = /** @type {HTMLButtonElement} */ (partOf(parent, "counts"));
  let shown = first;
  const unlisten = listen({ answered: take });

  /** @param {Answered} answered */
  function take({ decided, entry, counts }) {
    if (decided.dataset === shown.dataset && entry > shown.entry) paint({ ...shown, entry, counts });
  }

  /** @param {Strip.Data} next */
  function paint(next) {
    shown = next;
    const texts = next.counts.map((n, at) => (n ? `${n.toLocaleString("en")} ${NAMES[at]}` : ""));
    button.textContent = texts.filter(Boolean).join(", ") || "Nothing decided yet";
    button.disabled = !texts.some(Boolean);
  }

  return {
    /** @param {Strip.Data} next @param {Component} component */
    update(next, component) {
      button.onclick = () => component.setStateValue("open", Date.now());
      if (next.dataset !== shown.dataset || next.entry >= shown.entry) paint(next);
      fresh().forEach(take);
    },
    destroy: unlisten,
  };
}

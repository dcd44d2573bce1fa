// The conditions in force as chips: a chip shows and goes at once, before Python has heard of it.

import { element, mounted, partOf } from "../shared.js";
import { createTalk } from "../talk.js";

/** @import { Component } from "../events.js" */
/** @import { Chips } from "../messages.js" */

export default mounted(createChips);

/** @typedef {Pick<Chips.ChipButton, "text"> & Partial<Chips.ChipButton>} Drawn */

/** @param {ShadowRoot} parent */
function createChips(parent) {
  const root = partOf(parent, "chips");
  // What a facet has done stays until the chips are drawn anew.
  const talk = createTalk({ shares: true, stays: true, lost: paint, changed: paint });
  let chips = /** @type {Chips.ChipButton[]} */ ([]);

  // Those of Python, and what the facets will say, without what is left where a chip is to come.
  /** @returns {Drawn[]} */
  function shown() {
    const gone = new Set(talk.pending().map(({ sent }) => sent.key));
    const chosen = new Map(talk.all().flatMap(({ left, texts }) => (left && texts ? [[left.key, texts]] : [])));
    const here = chips.filter(({ key, left }) => !gone.has(key) && !chosen.has(left.key));
    return [...here, ...[...chosen.values()].flat().map((text) => ({ text }))];
  }

  function paint() {
    const all = shown();
    root.replaceChildren(...all.map(draw));
    // Without chips there is no gap for them either.
    const box = /** @type {HTMLElement | null} */ (parent.host.closest("[data-testid=stElementContainer]"));
    if (box) box.style.display = all.length ? "" : "none";
  }

  /** @param {Drawn} chip */
  function draw({ key, text, left }) {
    const button = element("button", { type: "button", title: "Remove this filter.", disabled: !left });
    button.append(text, element("span", { className: "cross", textContent: "×", ariaHidden: "true" }));
    button.onclick = () => {
      talk.act({ key }, { left });
      paint();
    };
    return button;
  }

  return {
    /** @param {Chips.Data} next @param {Component} component */
    update(next, component) {
      root.role = "group";
      root.ariaLabel = next.label;
      chips = next.chips;
      talk.receive(component, next.handled);
      paint();
    },
    destroy: talk.destroy,
  };
}

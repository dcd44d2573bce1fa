// The conditions in force as chips: a chip shows and goes at once, before Python has heard of it.

import { element, mounted } from "../shared.js";
import { createTalk } from "../talk.js";

/** @import { Component } from "../events.js" */
/** @import { Chips } from "../messages.js" */

export default mounted(createChips);

/** @param {any} parent */
function createChips(parent) {
  const root = parent.querySelector(".chips");
  // What a facet has done stays until the chips are drawn anew.
  const talk = createTalk({ shares: true, stays: true, lost: paint, changed: paint });
  let chips = /** @type {Chips.ChipButton[]} */ ([]);

  // Those of Python, and what the facets will say: { key, text, left }, without what is left where a chip is to come.
  function shown() {
    const gone = new Set(talk.pending().map(({ sent }) => sent.text));
    const chosen = new Map(talk.all().flatMap(({ sent, texts }) => (texts ? [[sent.key, texts]] : [])));
    const kept = chips.filter(({ key, text }) => !chosen.has(key) && !gone.has(text));
    return [
      ...kept,
      ...[...chosen].flatMap(([key, texts]) => texts.map((/** @type {string} */ text) => ({ key, text }))),
    ];
  }

  function paint() {
    const all = shown();
    root.replaceChildren(...all.map(draw));
    // Without chips there is no gap for them either.
    const box = root.getRootNode().host?.closest("[data-testid=stElementContainer]");
    if (box) box.style.display = all.length ? "" : "none";
  }

  /** @param {any} chip */
  function draw({ key, text, left }) {
    const button = element("button", { type: "button", title: "Remove this filter.", disabled: !left });
    button.append(text, element("span", { className: "cross", textContent: "×", ariaHidden: "true" }));
    button.onclick = () => {
      talk.act({ text }, { left: { key, ...left } });
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

// The conditions in force as chips: a chip shows and goes at once, before Python has heard of it.

import { CHOSEN, CLEARED, element, mounted } from "../shared.js";
import { createTalk } from "../talk.js";
/** @import { Chosen, Component } from "../events.js" */
/** @import { Chips } from "../messages.js" */

export default mounted(createChips);

/** @param {any} parent */
function createChips(parent) {
  const root = parent.querySelector(".chips");
  const talk = createTalk({ lost });
  let chips = /** @type {Chips.ChipButton[]} */ ([]); // { key, text, left }
  const chosen = new Map(); // key of a facet -> its new { texts }, until Python has drawn them
  const told = new Map(); // text of a chip that was taken out -> the key of its facet

  function shown() {
    const gone = new Set(talk.pending().map(({ sent }) => sent.text));
    const kept = chips.filter(({ key, text }) => !chosen.has(key) && !gone.has(text));
    const added = [...chosen].flatMap(([key, { texts }]) =>
      texts.map((/** @type {string} */ text) => ({ key, text, comes: true })),
    );
    return [...kept, ...added];
  }

  function paint() {
    const all = shown();
    root.replaceChildren(...all.map(draw));
    // Without chips there is no gap for them either.
    const box = root.getRootNode().host?.closest("[data-testid=stElementContainer]");
    if (box) box.style.display = all.length ? "" : "none";
  }

  /** @param {any} chip */
  function draw(chip) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Remove this filter.";
    button.disabled = Boolean(chip.comes);
    const cross = element("span", "cross");
    cross.textContent = "×";
    cross.setAttribute("aria-hidden", "true");
    button.append(chip.text, cross);
    button.onclick = () => {
      talk.act({ text: chip.text });
      told.set(chip.text, chip.key);
      dispatchEvent(new CustomEvent(CLEARED, { detail: { key: chip.key, ...chip.left } }));
      paint();
    };
    return button;
  }

  // What a facet has done stays until the chips are drawn anew.
  /** @param {CustomEvent<Chosen>} event */
  function hear({ detail: { key, texts, done, gone } }) {
    if (gone) chosen.delete(key);
    else if (done && chosen.has(key)) chosen.get(key).done = true;
    else if (!done) chosen.set(key, { texts });
    paint();
  }

  // The facets hear of what is no longer on its way.
  function settle() {
    for (const [text, key] of told) {
      if (talk.pending().some(({ sent }) => sent.text === text)) continue;
      told.delete(text);
      dispatchEvent(new CustomEvent(CLEARED, { detail: { key, done: true } }));
    }
  }

  function lost() {
    settle();
    paint();
  }
  addEventListener(CHOSEN, hear);

  return {
    /** @param {Chips.Data} next @param {Component} component */
    update(next, component) {
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", next.label);
      talk.hear(component, next.handled);
      chips = next.chips;
      for (const [key, { done }] of chosen) if (done) chosen.delete(key);
      settle();
      paint();
    },
    destroy() {
      removeEventListener(CHOSEN, hear);
      talk.destroy();
    },
  };
}

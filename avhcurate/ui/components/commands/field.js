// The field of the commands: it asks for a tag, a label or a set, and completes names.

import { element, images } from "../shared.js";
import { ASKED, completed, meant } from "./names.js";

/** @import { Value } from "../events.js" */

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

const GAP = 4; // pixels between a button and the field

// `act(action, value)` does what was asked for `chosen()` images, whose label is likely `likely()`; `closed()` is called
// when nothing more is asked.
export class Field {
  asked = ASKED.tag;
  /** @type {{ classes: string[], tags: string[], sets?: string[] }} */
  names = { classes: [], tags: [], sets: [] };
  matches = /** @type {import("./names.js").Match[]} */ ([]);
  at = 0;
  picked = false; // the match at hand was pointed at

  /**
   * @param {HTMLElement} node
   * @param {import("./commands.js").Does & { closed: () => void }} does
   */
  constructor(node, { act, chosen, likely, closed }) {
    this.node = node;
    this.act = act;
    this.chosen = chosen;
    this.likely = likely;
    this.closed = closed;
    const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (node.querySelector(selector));
    this.title = part("label");
    this.input = /** @type {HTMLInputElement} */ (part("input"));
    this.list = part("ul");
    this.add = part(".add");
    this.away = part(".away");
    this.or = part(".or");
    this.add.onclick = () => this.take(false);
    this.away.onclick = () => this.take(true);
    this.input.oninput = () => this.find();
    node.onkeydown = (event) => this.handleKey(event);
    node.addEventListener("focusout", ({ relatedTarget }) => {
      if (!node.contains(/** @type {Node | null} */ (relatedTarget))) node.togglePopover(false);
    });
  }

  /** @param {string} kind */
  ask(kind) {
    this.asked = ASKED[kind];
    this.title.textContent = this.asked.title(images(this.chosen()));
    this.input.placeholder = this.asked.hint;
    this.input.value = "";
    this.add.textContent = this.asked.add[0];
    this.away.textContent = this.asked.away?.[0] ?? "";
    this.away.hidden = this.or.hidden = !this.asked.away;
    this.node.togglePopover(true);
    this.find();
    this.stand(kind);
    this.input.focus();
  }

  // Opens at the button that asks for this, if it is in sight: below it, or above it where there is no room.
  /** @param {string} kind */
  stand(kind) {
    const { node } = this;
    const button = /** @type {ParentNode} */ (node.getRootNode()).querySelector(`[data-do=${kind}]`);
    node.style.cssText = "";
    if (!button?.checkVisibility()) return;
    const [{ left, top, bottom }, { offsetWidth, offsetHeight }] = [button.getBoundingClientRect(), node];
    const below = bottom + GAP + offsetHeight <= innerHeight;
    node.style.inset = below ? `${bottom + GAP}px auto auto` : `auto auto ${innerHeight - top + GAP}px`;
    node.style.left = `${Math.max(GAP, Math.min(left, innerWidth - offsetWidth - GAP))}px`;
    node.style.transform = "none";
  }

  find() {
    this.matches = completed(this.names[this.asked.names] ?? [], this.input.value, this.likely?.());
    this.at = this.asked.replaces ? -1 : 0;
    this.picked = false;
    this.paint();
  }

  paint() {
    this.list.replaceChildren();
    this.matches.forEach(({ name }, number) => {
      const [id, ariaSelected] = [`match-${number}`, String(number === this.at)];
      const item = element("li", { id, role: "option", ariaSelected, textContent: name }, this.list);
      item.onpointerdown = (event) => {
        event.preventDefault();
        this.point(number);
        this.take(false);
      };
    });
    this.input.setAttribute("aria-activedescendant", this.matches[this.at] ? `match-${this.at}` : "");
  }

  /** @param {number} at */
  point(at) {
    this.at = at;
    this.picked = true;
  }

  /** @param {number} by */
  step(by) {
    const count = this.matches.length;
    this.point(count ? (this.at + by + count) % count : this.at);
    this.paint();
  }

  /** @param {boolean} away */
  take(away) {
    const { matches, picked } = this;
    const found = meant(this.asked, away, this.input.value, { matches, known: matches[this.at], picked });
    if (!found) return;
    const [action, name] = found;
    const value = this.asked.free || name === null ? name : this.names.classes.indexOf(name);
    if (value === -1) return this.find(); // there are other classes since this was asked
    this.act(action, value);
    this.closed();
  }

  /** @param {KeyboardEvent} event */
  handleKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") this.closed();
    else if (event.key === "Enter" && event.target === this.input) this.take(event.shiftKey);
    else if (event.key in STEPS) this.step(STEPS[event.key]);
    else return;
    event.preventDefault();
  }
}

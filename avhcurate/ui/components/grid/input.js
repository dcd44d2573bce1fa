// What mouse and keys do in the grid.

import { idle, writes } from "../commands/commands.js";
import { consume } from "../shared.js";
import { STEPS, turnPage } from "./keys.js";

/** @param {Event} event */
function placeOf(event) {
  const tile = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest?.(".tile"));
  return tile ? Number(tile.dataset.place) : null;
}

export class Input {
  /** @type {(event: KeyboardEvent) => unknown} */
  pressedBeside = (event) => this.grid.data && this.mine(event) && this.pressed(event);

  /** @param {import("./grid.js").Grid} grid */
  constructor(grid) {
    this.grid = grid;
    const jump = grid.part("jump");
    const field = /** @type {HTMLInputElement} */ (jump.querySelector("input"));
    grid.board.onclick = (event) => this.clicked(event);
    grid.node.onkeydown = (event) => this.pressed(event);
    jump.onsubmit = (event) => {
      event.preventDefault();
      this.jumpTo(field.value);
    };
    // A screen reader moves the focus without keys.
    grid.board.addEventListener("focusin", (event) => {
      const place = placeOf(event);
      if (place !== null && place !== grid.focus.place()) grid.focus.set(place);
      grid.point(place);
    });
    grid.board.onpointerover = (event) => grid.point(placeOf(event));
    grid.board.onpointerleave = () => grid.point(null);
    addEventListener("keydown", this.pressedBeside);
  }

  // Keys that nothing else has the focus for are the grid's too, or the viewer's while details are open.
  /** @param {KeyboardEvent} event */
  mine(event) {
    return this.grid.data.actions && !this.grid.data.open && !document.querySelector("[role=dialog]") && idle(event);
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const place = placeOf(event);
    if (place === null || this.grid.box.ended()) return;
    const { data, picker, rows } = this.grid;
    const command = event.ctrlKey || event.metaKey;
    const from = this.grid.focus.place();
    this.grid.focus.set(place);
    this.grid.focusTile(place);
    if (data.selectable && event.shiftKey) {
      if (rows.fresh(place)) picker.extend(from, place, command);
    } else if (data.selectable && (command || /** @type {Element} */ (event.target).classList.contains("check")))
      picker.toggle(place);
    else this.grid.open(place);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const presses = /** @type {Element} */ (event.target).tagName === "BUTTON" && [" ", "Enter"].includes(event.key);
    if (writes(event) || presses) return;
    const steps = event.key in STEPS && !event.altKey;
    const own = steps ? () => this.step(event) : this.meaning(event);
    const does = own ?? (this.grid.data.actions ? this.grid.commands.meaning(event) : null);
    if (!does) return;
    does();
    consume(event);
  }

  /** @param {KeyboardEvent} event */
  step({ key, shiftKey }) {
    const { layout } = this.grid.painting;
    const { scroller } = this.grid;
    const to = STEPS[key](this.grid.focus.place(), layout, scroller);
    if (key.startsWith("Page")) turnPage(key === "PageDown" ? 1 : -1, layout, scroller);
    this.grid.moveFocus(to, shiftKey && this.grid.data.selectable);
  }

  // What one of the grid's own keys does.
  /** @param {KeyboardEvent} event */
  meaning({ key, shiftKey, ctrlKey, metaKey }) {
    const { selectable, actions } = this.grid.data;
    const here = this.grid.focus.place();
    if (key === "Enter")
      return () => (shiftKey && actions && this.grid.opens ? this.grid.act("compare") : this.grid.open(here));
    if (key === " ") return () => (selectable ? this.grid.picker.toggle(here) : this.grid.open(here));
    const all = selectable && (ctrlKey || metaKey) && key.toLowerCase() === "a";
    if (all) return () => this.grid.selection.set(this.grid.everything());
    return key === "Escape" && this.grid.selection.count() ? () => this.grid.selection.set([]) : null;
  }

  /** @param {string} typed */
  jumpTo(typed) {
    const text = typed.replaceAll(",", "").trim();
    const row = Number(text);
    if (!text || Number.isNaN(row)) return;
    const to = Math.max(0, Math.min(this.grid.data.count - 1, Math.round(row) - 1));
    this.grid.painting.scrollTo(to);
    this.grid.moveFocus(to, false);
  }

  destroy() {
    removeEventListener("keydown", this.pressedBeside);
  }
}

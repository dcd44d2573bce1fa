// The tick grid: every tile is a check-box, a ticked one turns green, and the whole grid is submitted at once.

import { rangesOf } from "../grid/ranges.js";
import { element, markTiny, mounted, partOf } from "../shared.js";
import { Task } from "../task.js";
import { createDraft, moved } from "./sheet.js";

/** @import { Component, Decided } from "../events.js" */
/** @import { Ticks } from "../messages.js" */

const GAP = 8;

export default mounted((parent, /** @type {Ticks.Data} */ data) => new Board(parent, data));

/** @typedef {Ticks.TickTile} TickTile */

/** @param {TickTile} item @param {string} about */
function createTile(item, about) {
  const root = element("div", { className: "tile", role: "checkbox", ariaLabel: about, tabIndex: -1 });
  root.dataset.id = String(item.id);
  const image = element("img", { alt: "", decoding: "async", draggable: false, src: item.src }, root);
  image.onload = () => markTiny(image);
  image.onerror = () => root.classList.add("broken");
  element("span", { className: "mark", ariaHidden: "true" }, root);
  return { root, item };
}

/** @extends {Task<Ticks.Data>} */
class Board extends Task {
  task = /** @type {string | null} */ (null); // the grid on screen
  tiles = /** @type {Map<number, ReturnType<typeof createTile>>} */ (new Map()); // id -> { root, item }
  order = /** @type {number[]} */ ([]);
  ticked = /** @type {Set<number>} */ (new Set());
  focused = -1; // its id
  columns = 1;
  startedAt = 0;
  sure = false; // an empty sheet is submitted by a second press only
  submitted = ""; // nonce of the newest grid from here

  /** @param {ShadowRoot} parent @param {Ticks.Data} first */
  constructor(parent, first) {
    super(partOf(parent, "sheet"), first);
    this.parent = parent;
    this.board = this.part("board");
    this.peek = this.part("peek");
    this.image = /** @type {HTMLImageElement} */ (this.peek.querySelector("img"));
    this.image.onload = () => markTiny(this.image);
    this.draft = createDraft(first.scope);
    this.board.onclick = ({ target }) => this.press(/** @type {Element} */ (target).closest(".tile"));
    this.part("submit").onclick = () => this.handIn();
    this.part("back").onclick = () => this.goBack();
    this.peek.onclick = () => this.close();
    this.resize = new ResizeObserver(() => this.layOut());
    this.resize.observe(this.board);
  }

  // --- ticks: kept in this browser until the grid is submitted ------------------------------------

  /** @param {number} id */
  toggle(id) {
    if (this.busy() || !this.tiles.has(id)) return;
    if (!this.ticked.delete(id)) this.ticked.add(id);
    this.sure = false;
    this.draft.keep(String(this.task), this.ticked);
    this.showMessage("");
  }

  /** @param {HTMLElement | null | undefined} tile */
  press(tile) {
    if (!tile) return;
    const id = Number(tile.dataset.id);
    this.setFocused(id);
    tile.focus({ preventScroll: true });
    this.toggle(id);
  }

  // --- the grid -----------------------------------------------------------------------------------

  /** @param {Ticks.Data} data @param {boolean} arrives */
  begin({ task, tiles, ticked }, arrives) {
    if (this.task !== null) this.draft.forget(this.task);
    this.task = task;
    this.tiles = new Map(
      tiles.map((item, place) => [item.id, createTile(item, `Image ${place + 1} of ${tiles.length}`)]),
    );
    this.board.replaceChildren(...[...this.tiles.values()].map(({ root }) => root));
    this.order = [...this.tiles.keys()];
    this.focused = -1;
    this.setFocused(this.order[0] ?? -1);
    this.ticked = new Set((this.draft.recall(task) ?? ticked).filter((/** @type {number} */ id) => this.tiles.has(id)));
    this.startedAt = performance.now();
    this.sure = false;
    this.close();
    this.showMessage("");
    if (!this.order.length || document.querySelector("[role=dialog]")) return;
    this.tiles.get(this.focused)?.root.focus({ preventScroll: true });
    if (arrives) this.parent.host?.scrollIntoView({ block: "start" });
  }

  layOut() {
    const width = this.board.clientWidth;
    if (!width) return;
    this.columns = Math.max(1, Math.floor((width + GAP) / (this.data.size + GAP)));
    this.board.style.setProperty("--columns", String(this.columns));
    this.board.style.setProperty("--gap", `${GAP}px`);
  }

  /** @param {number} id */
  setFocused(id) {
    this.tiles.get(this.focused)?.root.setAttribute("tabindex", "-1");
    this.focused = id;
    this.tiles.get(id)?.root.setAttribute("tabindex", "0");
  }

  /** @param {number} place */
  moveFocus(place) {
    const id = this.order[place];
    if (id === undefined) return;
    this.setFocused(id);
    const root = this.tiles.get(id)?.root;
    root?.focus({ preventScroll: true });
    root?.scrollIntoView({ block: "nearest" });
    if (!this.peek.hidden) this.look();
  }

  // --- a closer look ---------------------------------------------------------------------------------

  look() {
    const tile = this.tiles.get(this.focused);
    if (!tile) return;
    this.image.src = tile.item.large;
    this.peek.hidden = false;
    this.paint();
  }

  close() {
    this.peek.hidden = true;
    this.image.removeAttribute("src");
  }

  // --- submit ------------------------------------------------------------------------------------------

  busy() {
    return this.unshown().some(({ kind, task }) => kind === "grid" && task === this.task);
  }

  handIn() {
    if (!this.order.length || this.busy()) return;
    if (!this.ticked.size && !this.sure) {
      this.sure = true;
      return this.showMessage(`Nothing is ticked. Submit again if no image holds ${this.data.name}.`);
    }
    this.sure = false;
    this.close();
    const [task, ms] = [this.task ?? "", Math.round(performance.now() - this.startedAt)];
    const answer = { ids: rangesOf(this.order), ticked: [...this.ticked] };
    this.submitted = this.decide({ kind: "grid", task, ms, ...answer });
    this.showMessage("");
  }

  goBack() {
    this.decide({ kind: "back", of: this.submitted, task: this.task ?? "" });
    this.submitted = "";
    this.showMessage("");
  }

  // --- keys ----------------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  meaning(event) {
    const inside = this.board.contains(this.parent.activeElement);
    const at = this.order.indexOf(this.focused);
    const to = moved(event.key, at, this.columns, this.order.length);
    if (to !== undefined) return () => this.moveFocus(inside ? to : Math.max(0, at));
    const free = inside || event.composedPath()[0] === document.body;
    if (event.key === "Enter" && free) return () => this.handIn();
    if (event.key === "Escape" && !this.peek.hidden) return () => this.close();
    if (!inside) return null;
    const look = () => (this.peek.hidden ? this.look() : this.close());
    /** @type {Record<string, () => void>} */
    const acts = { " ": () => this.toggle(this.focused), z: look };
    return acts[event.key.toLowerCase()];
  }

  // --- drawing --------------------------------------------------------------------------------------------

  // What is said stays until something else is done.
  /** @param {string} text */
  showMessage(text) {
    this.message = text;
    this.paint();
  }

  paint() {
    super.paint();
    const { order, tiles, ticked, data } = this;
    for (const [id, { root }] of tiles) root.setAttribute("aria-checked", String(ticked.has(id)));
    const waiting = this.busy();
    const [submit, back] = ["submit", "back"].map((name) => this.button(name));
    this.root.classList.toggle("waiting", waiting || !order.length);
    this.root.dataset.task = this.task ?? "";
    this.part("count").textContent = order.length ? `${data.name}: ${ticked.size} of ${order.length} ticked` : "";
    submit.disabled = waiting || !order.length;
    submit.textContent = waiting ? "Saving …" : "Submit";
    back.hidden = !data.can_go_back;
    back.disabled = waiting;
    this.part("status").textContent = this.message;
    this.peek.classList.toggle("ticked", ticked.has(this.focused));
  }

  /** @param {Ticks.Data} next @param {Component} component */
  update(next, component) {
    const arrives = this.data !== next;
    this.receive(next, component);
    if (next.task !== this.task) this.begin(next, arrives);
    this.layOut();
    this.paint();
  }

  signed() {
    return { who: this.data.who };
  }

  /** @param {Decided} one */
  isOwn(one) {
    return super.isOwn(one) && one.who === this.data.who && ["grid", "back"].includes(one.kind);
  }

  destroy() {
    super.destroy();
    this.resize.disconnect();
  }
}

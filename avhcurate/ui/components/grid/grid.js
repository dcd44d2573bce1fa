// The image grid: draws the rows in sight, owns selection and keyboard focus, and tells Python only what it needs.

import { createCommands, idle, writes } from "../commands/commands.js";
import { decide, listen, unshown } from "../outbox.js";
import { consume, idsAt, LINKED, link, mounted, placesIn } from "../shared.js";
import { createTalk } from "../talk.js";
import { createBar } from "./bar.js";
import { createBox } from "./box.js";
import { createDetails } from "./details.js";
import { createFocus } from "./focus.js";
import { GRID_KEYS, STEPS, turnPage } from "./keys.js";
import { around, GAP, gridLayout, tileSizes, wordsOf } from "./layout.js";
import { createLines } from "./lines.js";
import { createLook } from "./look.js";
import { CHANGES, needless, withDecided } from "./pending.js";
import { createPicker } from "./picker.js";
import { rangesCount, rangesHas, rangesOf } from "./ranges.js";
import { Rows } from "./rows.js";
import { createScroller } from "./scroller.js";
import { createSelection } from "./selection.js";

/** @import { Answered, Component, Decided, Ranges, Row } from "../events.js" */
/** @import { Grid as Sent } from "../messages.js" */

const REST_AFTER_FLIGHT_MS = 60;
const LOOK_MS = 30; // between two looks at whether all pictures in sight have come
const LONGEST_LANDING_MS = 2000;
const JUMP = 1.5; // windows
const LEAST_HEIGHT = 320;
const SHARE = 0.62; // of the window's height, at most, for a grid that is one of several
const EDGE = 6; // pixels below the last row

export default mounted((parent, data) => new Grid(parent, data.open !== null));

/** @typedef {Sent.Data} Data */

/** @param {Event} event */
function placeOf(event) {
  const tile = /** @type {any} */ (event.target).closest?.(".tile");
  return tile ? Number(tile.dataset.place) : null;
}

export class Grid {
  /** @type {Sent.Data} */
  data = /** @type {any} */ (null);
  size = 0; // of a tile, which the slider changes before Python has heard of it
  layout = gridLayout(0, { columns: 1, width: 1, rowHeight: 1 }, []);
  laidOut = ""; // the sizes that the layout was made for
  travel = 1;
  goal = /** @type {number | null} */ (null); // the place to begin at, once the rows are laid out
  landing = /** @type {number | null} */ (null);
  arranging = 0;
  awake = false; // somebody has come near: rows beyond those in sight are fetched as well
  pointed = /** @type {number | null} */ (null); // the place under the pointer, or with the focus

  /** @type {(event: KeyboardEvent) => unknown} */
  pressedBeside = (event) => this.data && this.mine(event) && this.pressed(event);
  resized = () => this.layOut();
  /** @type {(event: WindowEventMap["avhcurate-linked"]) => void} */
  receiveLinked = ({ detail }) => void this.follow(detail);
  // The frame in which something happens shows it, a filter's chip for one, before the grid is laid out anew.
  resize = new ResizeObserver(() => {
    cancelAnimationFrame(this.arranging);
    this.arranging = requestAnimationFrame(this.resized);
  });

  /** @param {any} parent @param {boolean} opens */
  constructor(parent, opens) {
    this.parent = parent;
    this.opens = opens;
    this.root = this.part("image-grid");
    this.pane = this.part("pane");
    this.node = this.part("scroller");
    this.board = this.part("board");
    this.selection = createSelection(() => {
      this.paintSelection();
      this.countSelected();
      this.sendLinked();
    });
    this.picker = createPicker(this.selection);
    this.talk = createTalk();
    this.own = /** @type {Set<string>} */ (new Set()); // nonces of what was decided here
    this.unlisten = listen({ changed: () => this.draw(), answered: (one) => this.answered(one) });
    this.rows = new Rows(
      () => this.changed(),
      () => this.talk.send("lost", this.data.view),
    );
    this.scroller = createScroller(this.node, this.part("sizer"), this.board, (by, flying) => this.moved(by, flying));
    this.lines = createLines(this.board, {
      layout: () => this.layout,
      base: this.scroller.base,
      rowAt: (place) => this.shownRow(place),
    });
    this.focus = createFocus(this.node, this.lines, { rows: this.rows, hasFocus: () => this.hasFocus() });
    this.commands = this.createCommands();
    this.bar = createBar(this);
    this.box = createBox(this);
    this.details = createDetails(this);
    this.look = createLook(this);
    this.listen();
  }

  /** @param {string} name @returns {any} */
  part(name) {
    return this.parent.querySelector(`.${name}`);
  }

  createCommands() {
    return createCommands(this.pane, {
      act: (action, value) => this.act(action, value),
      chosen: () => this.selection.count() || Number(this.data?.count > 0),
      back: () => this.back(),
      own: GRID_KEYS.filter(([key]) => this.opens || !key.endsWith("Enter")),
    });
  }

  listen() {
    const jump = this.part("jump");
    this.board.onclick = (/** @type {MouseEvent} */ event) => this.clicked(event);
    this.node.onkeydown = (/** @type {KeyboardEvent} */ event) => this.pressed(event);
    jump.onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.jumpTo(jump.elements.to.value);
    };
    // A screen reader moves the focus without keys.
    this.board.addEventListener("focusin", (/** @type {Event} */ event) => {
      const place = placeOf(event);
      if (place !== null && place !== this.focus.place()) this.focus.set(place);
      this.point(place);
    });
    this.board.onpointerover = (/** @type {Event} */ event) => this.point(placeOf(event));
    this.board.onpointerleave = () => this.point(null);
    for (const event of ["pointerenter", "focusin"]) this.root.addEventListener(event, () => this.wake());
    addEventListener("keydown", this.pressedBeside);
    addEventListener("resize", this.resized);
    addEventListener(LINKED, this.receiveLinked);
    // What lies above a grid may grow or go without the grid: the page is watched as well.
    this.resize.observe(this.root);
    const block = document.querySelector("[data-testid=stMainBlockContainer]");
    if (block) this.resize.observe(block);
  }

  // Keys that nothing else has the focus for are the grid's too, or the viewer's while details are open.
  /** @param {KeyboardEvent} event */
  mine(event) {
    return this.data.actions && !this.data.open && !document.querySelector("[role=dialog]") && idle(event);
  }

  // --- what Python hears -------------------------------------------------------------------

  /** @param {number} place */
  open(place) {
    const row = this.rows.at(place);
    if (!this.opens) return this.picker.toggle(place);
    if (!row) return;
    this.details.opened(place);
    this.paintSelection();
    this.talk.send("opened", row.id);
  }

  // Acts on the selection, or on the image that has the focus, which then goes on: `alone`, on the selection alone.
  // The tiles show it at once.
  /** @param {string} action @param {any} value */
  async act(action, value = null, alone = false) {
    await this.selection.settled();
    const place = this.focus.place();
    const selected = this.selection.ranges();
    const here = !alone && !selected.length && this.data.count > 0;
    const row = here && action in CHANGES ? this.shownRow(place) : null;
    const why = row && needless(row, action, value, this.classes());
    const ranges = /** @type {Ranges} */ (here ? [[place, place + 1]] : selected);
    if (why) this.commands.showMessage({ text: why });
    else if (action === "undo") this.decide(action, value, []);
    else if (row) this.decide(action, value, rangesOf([row.id]));
    else if (this.decides(action)) await this.decideFor(action, value, ranges);
    else this.talk.act({ view: this.data.view, ranges, action, value });
    if (row) this.moveFocus(place + 1, false);
  }

  // Whether an action is a decision, which the outbox sends; the page itself does the others.
  /** @param {string} action */
  decides(action) {
    const button = this.data.actions?.bar?.find(({ name }) => name === action);
    return button ? button.decides : action in CHANGES;
  }

  // Decides about the images at places: their ids are asked for where they are not known here.
  /** @param {string} action @param {any} value @param {Ranges} ranges */
  async decideFor(action, value, ranges) {
    const known = this.rows.idsIn(ranges);
    const all = known.size === rangesCount(ranges);
    const ids = all ? rangesOf(known) : await idsAt(this.data.source, this.data.view, ranges);
    if (ids === null) this.commands.showMessage({ text: "The server does not answer: nothing was changed" });
    else this.decide(action, value, ids);
  }

  /** @param {string} kind @param {any} value @param {Ranges} ids */
  decide(kind, value, ids) {
    const { dataset, version, bar } = /** @type {Sent.Actions} */ (this.data.actions);
    const of = bar?.find(({ name }) => name === kind)?.of ?? "";
    this.own.add(decide({ kind, dataset, version, ids, value, of }));
    this.draw();
  }

  // What came of a decision that was made here.
  /** @param {Answered} one */
  answered({ decided, text, undo }) {
    if (this.own.delete(decided.nonce) && text) this.commands.showMessage({ text, undo });
  }

  // Decisions that the rows do not have yet, of whoever made them on this page.
  unshown() {
    return this.data?.actions ? unshown(this.data.actions) : [];
  }

  // A row with what is on its way done.
  /** @param {number} place */
  shownRow(place) {
    const row = this.rows.at(place);
    return row && withDecided(row, this.unshown(), this.classes());
  }

  classes() {
    return this.data.actions?.classes ?? [];
  }

  // A button of the bar: some ask for a name first, others are about the selection alone.
  /** @param {Sent.Button} button */
  press({ name, asks, always }) {
    if (asks) return this.commands.ask(asks);
    this.act(name, null, true);
    if (!always) this.back();
  }

  back() {
    this.moveFocus(this.focus.place(), false);
  }

  // --- selection and focus -----------------------------------------------------------------

  paintSelection() {
    const selected = this.selection.ranges();
    for (const tile of this.lines.tiles()) {
      tile.root.setAttribute("aria-selected", String(rangesHas(selected, tile.place)));
      tile.root.ariaCurrent = tile.place === this.details.place() ? "true" : null;
    }
    this.root.classList.toggle("choosing", selected.length > 0);
  }

  countSelected() {
    this.bar.update(this.data.actions?.bar ?? [], this.selection.count(), this.data.count);
  }

  // --- a chart beside it ---------------------------------------------------------------------

  sendLinked() {
    const { data, selection, pointed } = this;
    if (data.selectable) link({ by: "grid", view: data.view, ranges: selection.ranges(), place: pointed }, this.root);
  }

  /** @param {number | null} place */
  point(place) {
    if (place === this.pointed) return;
    this.pointed = place;
    this.sendLinked();
  }

  /** @param {WindowEventMap["avhcurate-linked"]["detail"]} detail */
  async follow({ by, view, place }) {
    if (!by && this.data) this.sendLinked();
    if (by !== "chart" || !this.data?.selectable || place === null) return;
    const [[to] = []] = await placesIn(this.data.source, view, [[place, place + 1]]);
    if (to !== undefined) this.moveFocus(to, false);
  }

  /** @returns {Ranges} */
  everything() {
    return this.data.count ? [[0, this.data.count]] : [];
  }

  /** @param {number} place */
  show(place) {
    const { layout, scroller } = this;
    const row = layout.rowOf(place);
    const [top, bottom] = [layout.top(row), layout.bottom(row)];
    if (top < scroller.offset()) scroller.to(top);
    else if (bottom > scroller.offset() + scroller.window()) scroller.to(bottom - scroller.window());
  }

  /** @param {number} place @param {boolean} extend */
  moveFocus(place, extend) {
    if (!this.data.count) return;
    const to = Math.max(0, Math.min(this.data.count - 1, place));
    if (extend) this.picker.extend(this.focus.place(), to, false);
    this.show(to);
    this.focus.set(to);
    const tile = this.focusTile(to);
    if (!this.scroller.most()) tile?.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} place */
  focusTile(place) {
    const tile = this.lines.tileAt(place)?.root;
    tile?.focus({ preventScroll: true });
    return tile;
  }

  hasFocus() {
    return this.root.contains(this.parent.activeElement ?? document.activeElement);
  }

  // --- layout: rows of as many columns as fit ------------------------------------------------

  layOut() {
    const { data, root, board } = this;
    if (!data || !root.clientWidth) return;
    const words = wordsOf(data);
    for (const [name, on] of Object.entries(words)) root.classList.toggle(name, on);
    const sizes = tileSizes(board, this.size, words.bare);
    const hadFocus = board.contains(this.parent.activeElement);
    const print = JSON.stringify([data.view, data.count, sizes]);
    if (print !== this.laidOut) this.layAnew(sizes, print);
    else this.fit();
    this.arrive();
    this.draw();
    if (hadFocus && !board.contains(this.parent.activeElement)) this.focusTile(this.focus.place());
  }

  // The first row in sight stays so.
  /** @param {{ columns: number, width: number, rowHeight: number }} sizes @param {string} print */
  layAnew(sizes, print) {
    const { count, tiles } = this.data;
    const kept = this.layout.rows ? this.layout.first(this.layout.rowAt(this.scroller.offset())) : 0;
    const again = this.laidOut !== "";
    this.laidOut = print;
    this.lines.clear();
    this.layout = gridLayout(count, sizes, this.remote() ? [] : tiles.map((row) => row.group));
    this.board.setAttribute("aria-colcount", sizes.columns);
    this.board.setAttribute("aria-rowcount", this.layout.rows);
    this.fit();
    if (again && this.layout.rows) this.scrollTo(Math.min(kept, count - 1));
  }

  arrive() {
    if (this.goal === null || !this.layout.rows) return;
    this.focus.begin(Math.min(this.goal, this.data.count - 1));
    this.goal = null;
    this.scrollTo(this.focus.place());
  }

  /** @param {number} place */
  scrollTo(place) {
    this.scroller.to(this.layout.top(this.layout.rowOf(place)));
  }

  // Most rows do not come with the page.
  remote() {
    return this.data.count > this.data.tiles.length;
  }

  // As high as its rows, or as the window leaves room for.
  fit() {
    const { data, scroller } = this;
    const height = this.layout.height + EDGE;
    this.node.style.height = `${Math.ceil(Math.min(height, this.mostHeight()))}px`;
    scroller.resize(height);
    this.part("head").hidden = data.height === "all" || !(scroller.most() || data.selectable);
    for (const name of ["place", "jump"]) this.part(name).hidden = !scroller.most();
  }

  mostHeight() {
    const main = document.querySelector("[data-testid=stMain]");
    if (this.data.height === "all") return Infinity;
    if (typeof this.data.height === "number") return this.data.height;
    if (this.data.height === "part" || !main) return Math.max(LEAST_HEIGHT, SHARE * innerHeight);
    const [page, root, pane] = [main, this.root, this.pane].map((one) => one.getBoundingClientRect());
    const [above, below] = [pane.top - page.top + main.scrollTop, root.bottom - pane.bottom];
    return Math.max(LEAST_HEIGHT, main.clientHeight - above - below - GAP);
  }

  // --- drawing --------------------------------------------------------------------------------

  /** @param {number} by @param {boolean} flying */
  moved(by, flying) {
    if (by) [this.travel, this.awake] = [Math.sign(by), true];
    clearTimeout(this.landing ?? 0);
    this.landing = null;
    if (Math.abs(by) > JUMP * this.scroller.window()) this.land(flying ? REST_AFTER_FLIGHT_MS : LOOK_MS);
    this.draw(!flying);
  }

  wake() {
    if (this.awake) return;
    this.awake = true;
    this.draw();
  }

  // After a jump the rows in sight come first, and their neighbours when all their pictures are there.
  /** @param {number} rest */
  land(rest, until = performance.now() + LONGEST_LANDING_MS) {
    this.landing = setTimeout(() => {
      this.landing = null;
      if (!this.lines.arrived() && performance.now() < until) this.land(LOOK_MS, until);
      this.draw();
    }, rest);
  }

  changed() {
    this.draw();
    this.focus.follow(this.data.count);
  }

  draw(pictures = true) {
    if (!this.data || !this.layout.rows) return this.lines.clear();
    const [top, seen] = [this.scroller.offset(), this.scroller.window()];
    if (top <= 0) this.travel = 1;
    else if (top >= this.scroller.most()) this.travel = -1;
    const { from, to, insight, wanted } = around(this.layout, {
      top,
      seen,
      travel: this.travel,
      alone: this.landing !== null || !this.awake,
    });
    if (pictures) this.rows.want(wanted);
    const hadFocus = this.hasFocus();
    this.lines.draw(from, to, pictures);
    if (hadFocus && !this.hasFocus()) this.node.focus({ preventScroll: true });
    this.focus.paint();
    this.paintSelection();
    const [first, last, count] = [insight[0] + 1, insight[1], this.data.count].map((number) =>
      number.toLocaleString("en"),
    );
    const failing = this.rows.failing();
    this.part("place").textContent = failing ? "The images do not come: trying again" : `${first}–${last} of ${count}`;
  }

  // --- events --------------------------------------------------------------------------------

  /** @param {MouseEvent} event */
  clicked(event) {
    const place = placeOf(event);
    if (place === null || this.box.ended()) return;
    const { selectable } = this.data;
    const command = event.ctrlKey || event.metaKey;
    const from = this.focus.place();
    this.focus.set(place);
    this.focusTile(place);
    if (selectable && event.shiftKey) this.picker.extend(from, place, command);
    else if (selectable && (command || /** @type {Element} */ (event.target).classList.contains("check")))
      this.picker.toggle(place);
    else this.open(place);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (writes(event)) return;
    const steps = event.key in STEPS && !event.altKey;
    const own = steps ? () => this.step(event) : this.meaning(event);
    const does = own ?? (this.data.actions ? this.commands.meaning(event) : null);
    if (!does) return;
    does();
    consume(event);
  }

  /** @param {KeyboardEvent} event */
  step({ key, shiftKey }) {
    const { layout, scroller } = this;
    const to = STEPS[key](this.focus.place(), layout, scroller);
    if (key.startsWith("Page")) turnPage(key === "PageDown" ? 1 : -1, layout, scroller);
    this.moveFocus(to, shiftKey && this.data.selectable);
  }

  // What one of the grid's own keys does.
  /** @param {KeyboardEvent} event */
  meaning({ key, shiftKey, ctrlKey, metaKey }) {
    const { selectable, actions } = this.data;
    const here = this.focus.place();
    if (key === "Enter") return () => (shiftKey && actions && this.opens ? this.act("compare") : this.open(here));
    if (key === " ") return () => (selectable ? this.picker.toggle(here) : this.open(here));
    const all = selectable && (ctrlKey || metaKey) && key.toLowerCase() === "a";
    if (all) return () => this.selection.set(this.everything());
    return key === "Escape" && this.selection.ranges().length ? () => this.selection.set([]) : null;
  }

  /** @param {string} typed */
  jumpTo(typed) {
    const text = typed.replaceAll(",", "").trim();
    const row = Number(text);
    if (!text || Number.isNaN(row)) return;
    const to = Math.max(0, Math.min(this.data.count - 1, Math.round(row) - 1));
    this.scrollTo(to);
    this.moveFocus(to, false);
  }

  // --- what Python says ------------------------------------------------------------------------

  label() {
    const { selectable, label, actions, hint, count } = this.data;
    this.root.classList.toggle("choosable", selectable);
    this.root.classList.toggle("closed", !this.opens);
    this.board.setAttribute("aria-label", label);
    this.board.setAttribute("aria-multiselectable", String(selectable));
    this.part("more").hidden = !actions;
    this.part("hint").hidden = !hint || count === 0;
    this.look.update(selectable, this.size);
  }

  /** @param {Sent.Data} next @param {Component} component */
  update(next, component) {
    const [old, before] = [this.data, this.unshown()];
    const same = old?.about === next.about;
    const other = old?.view !== next.view || old?.count !== next.count;
    this.talk.receive(component, next.actions?.handled ?? 0);
    if (old?.size !== next.size) this.size = next.size;
    this.data = next;
    this.label();
    if (other || !this.remote()) this.takeRows(same, before);
    const { view: key, about, order, count, source } = next;
    if (next.selectable) this.selection.move({ key, about, order, count, source });
    this.countSelected();
    if (other) this.picker.forget();
    this.aim(old, same);
    if (old?.open && !next.open) this.details.closed();
    this.layOut();
    if (next.actions) this.commands.update(next.actions);
  }

  // Where the grid is to begin; among the same samples in the same order the focus stays with its image.
  /** @param {Data | null} old @param {boolean} same */
  aim(old, same) {
    const { start, order, count } = this.data;
    if (old?.start !== start) this.goal = start;
    else if (!same || old.order !== order) this.goal = 0;
    else this.focus.follow(count);
  }

  // Of the same samples the tiles of before stand in, with what was on its way done.
  /** @param {boolean} same @param {Decided[]} before */
  takeRows(same, before) {
    const { source, count, tiles } = this.data;
    this.rows.set(source, count, tiles, same ? (row) => withDecided(row, before, this.classes()) : null);
  }

  destroy() {
    removeEventListener("keydown", this.pressedBeside);
    removeEventListener("resize", this.resized);
    removeEventListener(LINKED, this.receiveLinked);
    this.resize.disconnect();
    this.unlisten();
    clearTimeout(this.landing ?? 0);
    cancelAnimationFrame(this.arranging);
    const { commands, details, selection, scroller, box, rows, talk, look } = this;
    for (const piece of [commands, details, selection, scroller, box, rows, talk, look]) piece.destroy();
  }
}

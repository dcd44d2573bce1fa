// The image grid: its rows, what is selected and decided, and what Python is asked; it is drawn by its painting.

import { createCommands } from "../commands/commands.js";
import { begin, listen, unshown } from "../outbox.js";
import { idsAt, LINKED, link, mounted, partOf, placesIn } from "../shared.js";
import { createTalk } from "../talk.js";
import { createBar, drawHeading } from "./bar.js";
import { delist, enlist } from "./boards.js";
import { createBox } from "./box.js";
import { createDetails } from "./details.js";
import { createFocus } from "./focus.js";
import { Input } from "./input.js";
import { GRID_KEYS } from "./keys.js";
import { createLines } from "./lines.js";
import { createLook } from "./look.js";
import { Painting } from "./painting.js";
import { CHANGES, needless, withDecided } from "./pending.js";
import { createPicker } from "./picker.js";
import { rangesCount, rangesOf } from "./ranges.js";
import { createReason } from "./reason.js";
import { Rows } from "./rows.js";
import { createScroller } from "./scroller.js";
import { createSelection } from "./selection.js";

/** @import { Component, Decided, Ranges, Value } from "../events.js" */
/** @import { Grid as Sent } from "../messages.js" */

export default mounted((parent, /** @type {Sent.Data} */ data) => new Grid(parent, data.open !== null));

/** @typedef {Sent.Data} Data */

export class Grid {
  data = /** @type {Sent.Data} */ (/** @type {unknown} */ (null));
  asking = /** @type {Promise<Ranges | null> | null} */ (null); // which images the newest decision is about
  size = 0; // of a tile, which the slider changes before Python has heard of it
  pointed = /** @type {number | null} */ (null); // the place under the pointer, or with the focus

  /** @type {(event: WindowEventMap["avhcurate-linked"]) => void} */
  receiveLinked = ({ detail }) => void this.follow(detail);
  /** @param {ShadowRoot} parent @param {boolean} opens */
  constructor(parent, opens) {
    this.parent = parent;
    this.opens = opens;
    this.root = this.part("image-grid");
    this.pane = this.part("pane");
    this.node = this.part("scroller");
    this.board = this.part("board");
    this.selection = createSelection(() => {
      this.painting.paintSelection();
      this.countSelected();
      this.sendLinked();
    });
    this.talk = createTalk();
    this.unlisten = listen({ changed: () => this.painting.draw() });
    this.rows = new Rows(
      () => this.changed(),
      () => this.talk.send("lost", this.data.view),
    );
    this.picker = createPicker(this.selection, this.rows);
    this.painting = new Painting(this);
    this.scroller = createScroller(this.node, this.part("sizer"), this.board, this.painting.moved);
    this.lines = createLines(this.board, {
      layout: () => this.painting.layout,
      base: this.scroller.base,
      rowAt: (place) => this.shownRow(place),
      headed: (heading) => drawHeading(this, heading),
    });
    this.focus = createFocus(this.node, this.lines, { rows: this.rows, hasFocus: () => this.hasFocus() });
    this.commands = this.createCommands();
    this.bar = createBar(this);
    this.box = createBox(this);
    this.details = createDetails(this);
    this.look = createLook(this);
    this.reason = createReason(this);
    this.input = new Input(this);
    addEventListener(LINKED, this.receiveLinked);
    enlist(this);
  }

  /** @param {string} name */
  part(name) {
    return partOf(this.parent, name);
  }

  createCommands() {
    return createCommands(this.pane, {
      act: (action, value) => this.act(action, value),
      chosen: () => this.selection.count() || Number(this.data?.count > 0),
      likely: () => (this.selection.count() ? "" : (this.shownRow(this.focus.place())?.predicted ?? "")),
      back: () => this.back(),
      own: GRID_KEYS.filter(([key]) => this.opens || !key.endsWith("Enter")),
    });
  }

  // --- what Python and the server are asked -------------------------------------------------------------------

  /** @param {number} place */
  open(place) {
    const row = this.rows.at(place);
    if (!this.opens) return this.picker.toggle(place);
    if (!row) return;
    this.details.opened(place);
    this.painting.paintSelection();
    this.talk.send("opened", row.id);
  }

  // Acts on the selection, or on the image that has the focus, which then goes on: `alone`, on the selection alone.
  // The tiles show it at once.
  /** @param {string} action @param {Value} value */
  async act(action, value = null, alone = false) {
    const chosen = this.selection.count() > 0;
    const carried = this.selection.settled();
    if (carried) await begin(carried);
    if (action === "undo") await this.asking; // what is undone comes first
    const place = this.focus.place();
    const selected = this.selection.ranges();
    const here = !alone && !chosen && this.data.count > 0;
    if (action === "undo") this.decide(action, value, []);
    else if (here && action in CHANGES) this.judge(place, action, value);
    else if (here) await this.actOn([[place, place + 1]], action, value);
    else if (!chosen || selected.length) await this.actOn(selected, action, value); // meanwhile it may have been cleared
  }

  // Decides about the image at a place, if it has come, and goes on to the next.
  /** @param {number} place @param {string} action @param {Value} value */
  judge(place, action, value) {
    const row = this.shownRow(place);
    if (!row) return this.commands.showMessage("The image is not there yet");
    const why = needless(row, action, value, this.classes());
    if (why) this.commands.showMessage(why);
    else this.decide(action, value, rangesOf([row.id]));
    this.moveFocus(place + 1, false);
  }

  /** @param {Ranges} ranges @param {string} action @param {Value} value */
  async actOn(ranges, action, value = null) {
    if (this.decides(action)) await this.decideFor(action, value, ranges);
    else this.talk.act({ view: this.data.view, ranges, action, value });
  }

  // Whether an action is a decision, which the outbox sends; the page itself does the others.
  /** @param {string} action */
  decides(action) {
    const button = this.data.actions?.bar?.find(({ name }) => name === action);
    return button ? button.decides : action in CHANGES;
  }

  // Decides about the images at places: their ids are asked for where they are not known here.
  /** @param {string} action @param {Value} value @param {Ranges} ranges */
  async decideFor(action, value, ranges) {
    const { source, view, actions } = this.data; // another dataset may be shown once the server answers
    const known = this.rows.idsIn(ranges);
    const all = known.size === rangesCount(ranges);
    const ids = all ? rangesOf(known) : await (this.asking = begin(idsAt(source, view, ranges)));
    if (ids === null) this.commands.showMessage("The server does not answer: nothing was changed");
    else this.decide(action, value, ids, actions);
  }

  /** @param {string} kind @param {Value} value @param {Ranges} ids */
  decide(kind, value, ids, actions = this.data.actions) {
    const { dataset, version, bar } = /** @type {Sent.Actions} */ (actions);
    const of = bar?.find(({ name }) => name === kind)?.of ?? "";
    this.commands.decide({ kind, dataset, version, ids, value, of });
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

  /** @param {number} place @param {boolean} extend */
  moveFocus(place, extend) {
    if (!this.data.count) return;
    const to = Math.max(0, Math.min(this.data.count - 1, place));
    if (extend) this.picker.extend(this.focus.place(), to, false);
    this.painting.show(to);
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

  changed() {
    this.painting.draw();
    this.focus.follow(this.data.count);
  }

  // --- what Python sends ------------------------------------------------------------------------

  /** @param {Sent.Data} next @param {Component} component */
  update(next, component) {
    const [old, before] = [this.data, this.unshown()];
    const same = old?.about === next.about;
    const other = old?.view !== next.view || old?.count !== next.count;
    this.talk.receive(component, next.actions?.handled ?? 0);
    if (old?.size !== next.size) this.size = next.size;
    this.data = next;
    this.painting.label();
    if (other || !this.painting.remote()) this.takeRows(same, before);
    const { view: key, about, order, count, source } = next;
    if (next.selectable) this.selection.move({ key, about, order, count, source });
    this.countSelected();
    if (other) this.picker.forget();
    this.aim(old, same);
    if (old?.open && !next.open) this.details.closed();
    this.painting.layOut();
    if (next.actions) this.commands.update(next.actions);
  }

  // Where the grid is to begin; among the same samples in the same order the focus stays with its image.
  /** @param {Data | null} old @param {boolean} same */
  aim(old, same) {
    const { start, order, count } = this.data;
    if (old?.start !== start) this.painting.goal = start;
    else if (!same || old.order !== order) this.painting.goal = 0;
    else this.focus.follow(count);
  }

  // Of the same samples the tiles of before stand in, with what was on its way done.
  /** @param {boolean} same @param {Decided[]} before */
  takeRows(same, before) {
    const { source, count, tiles } = this.data;
    this.rows.set(source, count, tiles, same ? (row) => withDecided(row, before, this.classes()) : null);
  }

  destroy() {
    removeEventListener(LINKED, this.receiveLinked);
    delist(this);
    this.unlisten();
    const { input, painting, commands, details, selection, scroller, box, rows, talk, look, reason } = this;
    for (const piece of [input, painting, commands, details, selection, scroller, box, rows, talk, look, reason])
      piece.destroy();
  }
}

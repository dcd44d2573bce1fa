// The viewer of the details: one image, or up to four side by side, to zoom, pan and light; its keys act on them.

import { createCommands, idle, writes } from "../commands/commands.js";
import { CHANGES, needless, withDecided } from "../grid/pending.js";
import { listen, unshown } from "../outbox.js";
import { buttonsOf, consume, modified, mounted, partOf, takenElsewhere } from "../shared.js";
import { createTalk } from "../talk.js";
import { closeOnEscape, detailsAround } from "./around.js";
import { createCamera } from "./camera.js";
import { drawDecided } from "./decided.js";
import { createLight } from "./light.js";
import { stepped } from "./near.js";
import { createStage } from "./stage.js";

/** @import { Component, Value } from "../events.js" */
/** @import { Viewer as Sent } from "../messages.js" */

const SEND_MS = 120; // keys that repeat are told once
const PAN = 0.2; // of a stage, a key
const ZOOM = 1.25;
const FETCHED = [1, 2, -1]; // neighbours whose pictures are fetched beforehand
/** @type {Record<string, [number, number]>} */
const PANNING = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {[string, string][]} */
const VIEWER_KEYS = [
  ["Left, Right", "previous and next"],
  ["Shift + arrows", "move a zoomed image"],
  ["+, −, wheel", "zoom"],
  ["Space", "1:1, and fit again"],
  ["[ ]", "brightness"],
  ["{ }", "contrast"],
  ["< >", "gamma"],
  ["\\", "light as it was"],
  ["Esc", "close"],
];

export default mounted((parent) => new Viewer(parent));

/** @param {number} value */
const number = (value) => value.toLocaleString("en");

/** @typedef {import("./stage.js").Stage} Stage */

export class Viewer {
  data = /** @type {Sent.Data} */ (/** @type {unknown} */ (null));
  stages = /** @type {import("./stage.js").Stage[]} */ ([]);
  active = 0; // of several side by side
  place = /** @type {number | null} */ (null); // in the order of the view
  ahead = /** @type {number | null} */ (null); // the image that Python has yet to hear of
  sending = 0;
  unlisten = closeOnEscape();
  resize = new ResizeObserver(() => this.root.clientWidth && this.data && this.paint());
  /** @type {(event: KeyboardEvent) => unknown} */
  pressedBeside = (event) => this.data && this.mine(event) && this.pressed(event);

  /** @param {ShadowRoot} parent */
  constructor(parent) {
    this.root = partOf(parent, "viewer");
    this.buttons = buttonsOf(this.root);
    this.camera = createCamera();
    const repaint = () => this.data && this.paint();
    this.form = /** @type {HTMLFormElement} */ (this.part("light"));
    this.light = createLight(this.form, this.part("stages"), repaint);
    this.talk = createTalk();
    this.stopListening = listen({ changed: repaint });
    this.commands = createCommands(this.root, {
      act: (action, value) => this.act(action, value),
      chosen: () => 1,
      likely: () => this.known(this.current().id)?.predicted ?? "",
      back: () => this.take(),
      own: VIEWER_KEYS,
    });
    this.panel = detailsAround(parent);
    /** @type {Record<string, () => void>} */
    this.does = this.createActs();
    const { previous, next, in: closer, out } = this.does;
    const one = () => (this.camera.mode() === "one" ? this.camera.fit() : this.camera.one());
    /** @type {Record<string, () => void>} */
    this.keys = { ArrowLeft: previous, ArrowRight: next, "+": closer, "=": closer, "-": out, " ": one };
    this.listen();
  }

  /** @param {string} name */
  part(name) {
    return partOf(this.root, name);
  }

  // What the buttons do.
  createActs() {
    const { camera, commands } = this;
    return {
      previous: () => this.step(-1),
      next: () => this.step(1),
      in: () => camera.zoomBy(ZOOM, this.current().picture()),
      out: () => camera.zoomBy(1 / ZOOM, this.current().picture()),
      fit: () => camera.fit(),
      one: () => camera.one(),
      light: () => this.toggleLight(),
      alone: () => this.talk.send("alone", this.current().id),
      keys: () => commands.list(),
      label: () => commands.ask("label"),
      tag: () => commands.ask("tag"),
      restore: () => this.act("relabel"),
      exclude: () => this.act(this.shownRow(this.current().id).muted ? "include" : "exclude"),
    };
  }

  listen() {
    for (const [name, button] of Object.entries(this.buttons)) button.onclick = () => this.repaint(this.does[name]);
    this.root.addEventListener("keydown", (event) => this.pressed(event));
    addEventListener("keydown", this.pressedBeside);
    this.resize.observe(this.part("stages"));
  }

  current() {
    return this.stages[this.active];
  }

  several() {
    return this.stages.length > 1;
  }

  // --- which image -----------------------------------------------------------------------------

  /** @param {number} by */
  step(by) {
    const count = this.stages.length;
    if (this.several()) return this.activate((this.active + by + count) % count);
    const next = stepped(this.data.near, this.place, by);
    if (!next) return;
    this.place = next.at;
    this.current().show({ ...this.addressed(next.id), alt: `Image ${next.id}` });
    this.camera.fit();
    this.sendShown(next.id);
    this.paint();
  }

  /** @param {number} id */
  addressed(id) {
    const [src, whole] = [this.data.src, this.data.whole].map((pattern) => pattern.replace("{id}", String(id)));
    return { id, src, whole };
  }

  /** @param {number} place */
  activate(place) {
    if (place === this.active) return;
    this.active = place;
    this.sendShown(this.current().id);
    this.paint();
  }

  /** @param {number} id */
  sendShown(id) {
    this.ahead = id;
    clearTimeout(this.sending);
    this.sending = setTimeout(() => this.talk.send("shown", id), SEND_MS);
  }

  fetchAhead() {
    if (this.several()) return;
    const near = FETCHED.flatMap((by) => stepped(this.data.near, this.place, by) ?? []);
    for (const { id } of near) new Image().src = this.addressed(id).src;
  }

  // --- decisions: they show at once here, and on the tile ------------------------------------------

  /** @param {string} action @param {Value} value */
  act(action, value = null) {
    const { id, seen } = this.current();
    if (action !== "undo" && !seen()) return this.commands.showMessage("The image is not there yet");
    const { classes } = this.data.actions;
    const why = action in CHANGES && this.known(id) ? needless(this.shownRow(id), action, value, classes) : "";
    if (why) return this.commands.showMessage(why);
    const { dataset, version } = this.data.actions;
    const ids = /** @type {[number, number][]} */ (action === "undo" ? [] : [[id, id + 1]]);
    this.commands.decide({ kind: action, dataset, version, ids, value });
    if (this.ahead !== null) this.sendShown(this.ahead);
    this.paint();
  }

  /** @param {number} id */
  known(id) {
    return this.data.images.find((one) => one.id === id);
  }

  // An image with what is on its way done; one that Python has yet to tell of has nothing but that.
  /** @param {number} id */
  shownRow(id) {
    const row = this.known(id) ?? { id, title: "", given: "", path: "", badges: [], muted: false };
    return withDecided(row, unshown(this.data.actions), this.data.actions.classes);
  }

  take() {
    this.root.focus({ preventScroll: true });
  }

  // --- drawing ---------------------------------------------------------------------------------

  paint() {
    const { data, stages, buttons, camera, root } = this;
    for (const [place, stage] of stages.entries()) {
      stage.place();
      stage.root.classList.toggle("active", this.several() && place === this.active);
      stage.describe(this.shownRow(stage.id));
    }
    const { id } = this.current();
    drawDecided(this.part("decided"), this.shownRow(id), data.closed, (tag) => this.act("untag", tag));
    root.ariaLabel = data.label;
    Object.assign(root.dataset, { count: stages.length, id });
    buttons.light.classList.toggle("changed", this.light.changed());
    this.part("place").textContent = this.placeText();
    const picture = this.current().picture();
    this.part("scale").textContent = picture.width > 1 ? `${Math.round(camera.percent(picture))} %` : "… %";
    for (const mode of ["fit", "one"]) buttons[mode].ariaPressed = String(camera.mode() === mode);
    buttons.alone.hidden = !this.several();
    for (const [name, by] of Object.entries({ previous: -1, next: 1 })) {
      buttons[name].disabled = !this.several() && !stepped(data.near, this.place, by);
    }
    // The grid marks the image that is shown here.
    dispatchEvent(new CustomEvent("avhcurate-shown", { detail: { view: data.near.view, place: this.place } }));
  }

  placeText() {
    if (this.several()) return `${this.active + 1} of ${this.stages.length} side by side`;
    return this.place === null ? "" : `${number(this.place + 1)} of ${number(this.data.near.count)}`;
  }

  /** @param {Sent.Picture[]} images */
  drawStages(images) {
    const { stages } = this;
    for (const stage of stages.splice(images.length)) stage.root.remove();
    while (stages.length < images.length) stages.push(createStage(this));
    for (const [place, stage] of stages.entries()) stage.show(images[place]);
  }

  /** @param {() => void} change */
  repaint(change) {
    change();
    this.paint();
  }

  // --- what buttons and keys do ------------------------------------------------------------------

  /** @param {[number, number]} direction */
  pan([across, down]) {
    const picture = this.current().picture();
    this.camera.panBy(-across * PAN * picture.across, -down * PAN * picture.down, picture);
  }

  toggleLight() {
    const { form } = this;
    form.hidden = !form.hidden;
    this.buttons.light.ariaExpanded = String(!form.hidden);
    if (!form.hidden) form.querySelector("input")?.focus();
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const onButton = /** @type {Element} */ (event.composedPath()[0]).closest?.(
      "button, summary, [role=button], [role=tab]",
    );
    if (writes(event) || (onButton && [" ", "Enter"].includes(event.key))) return;
    const does = this.meaning(event) ?? this.commands.meaning(event);
    if (!does) return;
    this.repaint(does);
    consume(event);
  }

  /** @param {KeyboardEvent} event */
  meaning(event) {
    const { key, shiftKey } = event;
    if (modified(event) && !event.getModifierState("AltGraph")) return null;
    if (shiftKey && key in PANNING) return () => this.pan(PANNING[key]);
    if (key in this.keys && (!shiftKey || key === "+")) return this.keys[key];
    return this.light.meaning(key);
  }

  // Keys that nothing else around the viewer has a use for are its too.
  /** @param {KeyboardEvent} event */
  mine(event) {
    const { defaultPrevented } = event;
    const target = /** @type {Element} */ (event.target);
    if (defaultPrevented || this.root.contains(/** @type {Node} */ (event.composedPath()[0]))) return false;
    return (this.panel?.contains(target) && !target.shadowRoot && !takenElsewhere(event, this.root)) || idle(event);
  }

  // --- what Python says ------------------------------------------------------------------------

  /** @param {Sent.Data} next @param {Component} component */
  update(next, component) {
    const first = this.data === null;
    this.talk.receive(component, next.actions.handled);
    this.data = next;
    // What Python says of an image that was left behind in the meantime is not shown.
    const wanted = next.images[next.active].id;
    if (this.ahead === null || wanted === this.ahead) this.go(next, first || this.current()?.id !== wanted, first);
    this.paint();
    this.fetchAhead();
    this.commands.update(next.actions);
  }

  /** @param {Sent.Data} data @param {boolean} other @param {boolean} first */
  go({ active, near, images }, other, first) {
    this.ahead = null;
    this.active = active;
    this.place = near.place;
    if (this.stages.length !== images.length || (other && !first)) this.camera.fit();
    this.drawStages(images);
    if (other) this.take();
  }

  destroy() {
    removeEventListener("keydown", this.pressedBeside);
    this.unlisten();
    this.talk.destroy();
    this.stopListening();
    clearTimeout(this.sending);
    this.resize.disconnect();
    this.commands.destroy();
  }
}

// The card of proposals about classes: a key decides what its heading says, once the images below are of that; decisions
// go to the server by the outbox.

import { arrived } from "../grid/boards.js";
import { buttonsOf, mounted, partOf } from "../shared.js";
import { Task } from "../task.js";

/** @import { Component, Decided } from "../events.js" */
/** @import { Proposals } from "../messages.js" */

/** @typedef {{ first: string, second: string }} Names */

const DONE = { "merge classes": "Merged", "split class": "Split" };
const KINDS = [...Object.keys(DONE), "undo"];
const LOOK_MS = 50; // between two looks at whether the images have come

export default mounted((parent, /** @type {Proposals.Data} */ data) => new Card(parent, data));

/** @param {Names} names */
const inWords = ({ first, second }) => [first, second].filter(Boolean).join(" and ");

/** @extends {Task<Proposals.Data>} */
class Card extends Task {
  looking = 0;

  /** @param {ShadowRoot} parent @param {Proposals.Data} first */
  constructor(parent, first) {
    super(partOf(parent, "proposals"), first);
    this.wanted = /** @type {Names} */ (this.drawn() ?? { first: "", second: "" }); // what the heading is about
    this.buttons = buttonsOf(this.root);
    const [merge, split, undo] = [
      () => this.judge("merge classes"),
      () => this.judge("split class"),
      () => this.undo(),
    ];
    const [back, next] = [() => this.move(-1), () => this.move(1)];
    /** @type {Record<string, () => void>} */
    this.keys = { m: merge, s: split, z: undo, u: undo, b: back, arrowleft: back, n: next, arrowright: next };
    for (const [name, act] of Object.entries({ merge, split, back, next, undo }))
      this.handleButton(this.buttons[name], act);
  }

  /** @param {KeyboardEvent} event */
  meaning(event) {
    return this.keys[event.key.toLowerCase()];
  }

  // Decisions name classes, so that they mean the same after other changes of these.
  /** @param {Partial<Decided> & { kind: string }} decision */
  decide(decision) {
    return super.decide({ ...decision, version: "" });
  }

  /** @param {Decided} one */
  isOwn(one) {
    return one.dataset === this.data.dataset && !one.version && KINDS.includes(one.kind);
  }

  // The changes that Python's data lack, without those that are taken back.
  standing() {
    const all = this.unshown();
    return all.filter(({ kind, nonce }) => kind !== "undo" && !all.some(({ of }) => of === nonce));
  }

  // --- which proposal ---------------------------------------------------------------------------

  // The one whose images Python has drawn.
  drawn() {
    const { proposals, place, begin } = this.data;
    return proposals[place - begin];
  }

  // Where the one of the heading stands among those that are here; -1 while Python is asked for it.
  at() {
    const { first, second } = this.wanted;
    return this.data.proposals.findIndex((one) => one.first === first && one.second === second);
  }

  // Whether a proposal is about classes that nothing on its way takes away.
  /** @param {Names} names */
  live({ first, second }) {
    const gone = this.standing().map(({ value, of }) => value || of);
    return !gone.includes(first) && !gone.includes(second);
  }

  // The next proposal to decide in a direction, if there is one.
  /** @param {number} by */
  next(by) {
    const { proposals } = this.data;
    const from = this.at();
    if (from < 0) return undefined;
    for (let at = from + by; at in proposals; at += by) if (this.live(proposals[at])) return proposals[at];
  }

  // Whether the images below are of the heading, and there.
  ready() {
    const { begin, place, views } = this.data;
    return this.at() + begin === place && views.every(arrived);
  }

  look() {
    this.looking = setTimeout(() => (this.ready() ? this.paint() : this.look()), LOOK_MS);
  }

  // --- what is decided --------------------------------------------------------------------------

  /** @param {number} by */
  move(by) {
    const next = this.next(by);
    if (!next) return this.showMessage(by > 0 ? "This is the last one." : "This is the first one.");
    this.wanted = next;
    this.request();
    this.paint();
  }

  /** @param {Proposals.Data["kind"]} kind */
  judge(kind) {
    const { data, wanted } = this;
    if (data.kind !== kind || !data.total) return;
    if (data.why) return this.showMessage(data.why);
    if (!this.live(wanted)) return this.showMessage("Decided already.");
    if (!this.ready()) return this.showMessage("Its images are not there yet: nothing was changed.");
    this.decide({ kind, of: wanted.first, value: wanted.second || null });
    this.wanted = this.next(1) ?? this.next(-1) ?? wanted;
    this.request();
    this.showMessage(`${DONE[kind]} ${inWords(wanted)}.`);
  }

  // Takes back the newest change: one that is on its way, else the newest that stands, whoever made it; and shows what
  // it was about.
  undo() {
    const last = this.standing().at(-1);
    const entry = this.undoable();
    if (last) this.decide({ kind: "undo", of: last.nonce });
    else if (entry && !this.data.why) this.decide({ kind: "undo", value: entry.number });
    else return this.showMessage(this.data.why || "There is nothing to undo.");
    this.showAgain(last, entry);
    this.showMessage("Undone.");
  }

  /** @param {Decided | undefined} last @param {Proposals.Undoable | undefined} entry */
  showAgain(last, entry) {
    if (last?.kind === this.data.kind) this.wanted = { first: `${last.of}`, second: `${last.value ?? ""}` };
    else if (!last && entry?.first) this.wanted = { first: entry.first, second: entry.second };
  }

  undoable() {
    const taken = this.unshown().map(({ value }) => value);
    return this.data.undo.find(({ number }) => !taken.includes(number));
  }

  // --- what is shown ----------------------------------------------------------------------------

  ask() {
    const { scope, turn, wanted } = this;
    this.component?.setStateValue("seen", { scope, turn, names: [wanted.first, wanted.second].filter(Boolean) });
  }

  paint() {
    super.paint();
    clearTimeout(this.looking);
    const { data, buttons } = this;
    const at = this.at();
    const ready = this.ready();
    const text = data.proposals[at]?.text ?? inWords(this.wanted);
    this.part("text").textContent = data.total ? text : "No classes to compare.";
    this.part("place").textContent =
      `${(data.begin + at + 1).toLocaleString("en")} of ${data.total.toLocaleString("en")}`;
    this.part("place").hidden = at < 0;
    this.part("status").textContent = this.message;
    buttons.merge.hidden = data.kind !== "merge classes" || !data.total;
    buttons.split.hidden = data.kind !== "split class" || !data.total;
    buttons.merge.disabled = buttons.split.disabled = Boolean(data.why) || !ready || !this.live(this.wanted);
    buttons.back.disabled = !this.next(-1);
    buttons.next.disabled = !this.next(1);
    buttons.undo.disabled = !this.standing().length && (!this.undoable() || Boolean(data.why));
    buttons.undo.title = this.undoable()?.text ?? "";
    if (!ready && data.total) this.look();
  }

  /** @param {Proposals.Data} data @param {Component} component */
  update(data, component) {
    this.receive(data, component);
    const heard = data.echo >= this.turn && !this.unsaved().length;
    if (heard) this.wanted = this.drawn() ?? this.wanted; // where what was wanted is gone, Python has drawn another
    this.paint();
  }

  destroy() {
    super.destroy();
    clearTimeout(this.looking);
  }
}

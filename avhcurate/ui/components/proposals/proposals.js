// The card of proposals about classes: a key decides what its heading says; decisions go to the server by the outbox.

import { buttonsOf, mounted, partOf } from "../shared.js";
import { Task } from "../task.js";

/** @import { Component, Decided } from "../events.js" */
/** @import { Proposals } from "../messages.js" */

const DONE = { "merge classes": "Merged", "split class": "Split" };
const KINDS = [...Object.keys(DONE), "undo"];

export default mounted((parent, /** @type {Proposals.Data} */ data) => new Card(parent, data));

/** @extends {Task<Proposals.Data>} */
class Card extends Task {
  /** @param {ShadowRoot} parent @param {Proposals.Data} first */
  constructor(parent, first) {
    super(partOf(parent, "proposals"), first);
    this.place = first.place;
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

  // Whether a proposal is there and about classes that nothing on its way takes away.
  /** @param {Proposals.Proposal | undefined} proposal */
  live(proposal) {
    const gone = this.standing().map(({ value, of }) => value || of);
    return Boolean(proposal) && ![proposal?.first, proposal?.second].some((name) => gone.includes(name));
  }

  // The place of the next proposal to decide in a direction, null where there is none.
  /** @param {number} by */
  next(by) {
    const { begin, proposals } = this.data;
    for (let at = this.place + by - begin; at in proposals; at += by) if (this.live(proposals[at])) return at + begin;
    return null;
  }

  /** @param {number} by */
  move(by) {
    const place = this.next(by);
    if (place === null) return this.showMessage(by > 0 ? "This is the last one." : "This is the first one.");
    this.place = place;
    this.request();
    this.paint();
  }

  /** @param {Proposals.Proposal["kind"]} kind */
  judge(kind) {
    const shown = this.current();
    if (shown?.kind !== kind) return;
    if (this.data.why) return this.showMessage(this.data.why);
    if (!this.live(shown)) return this.showMessage("Decided already.");
    this.decide({ kind, of: shown.first, value: shown.second || null });
    this.place = this.next(1) ?? this.place;
    this.showMessage(`${DONE[kind]} ${shown.first}${shown.second && ` and ${shown.second}`}.`);
  }

  // Takes back the newest change: one that is on its way, else the newest that stands, whoever made it.
  undo() {
    const last = this.standing().at(-1);
    const entry = this.undoable();
    if (last) this.decide({ kind: "undo", of: last.nonce });
    else if (entry && !this.data.why) this.decide({ kind: "undo", value: entry[0] });
    else return this.showMessage(this.data.why || "There is nothing to undo.");
    this.showMessage("Undone.");
  }

  undoable() {
    const taken = this.unshown().map(({ value }) => value);
    return this.data.undo.find(([number]) => !taken.includes(number));
  }

  current() {
    return this.data.proposals[this.place - this.data.begin];
  }

  ask() {
    const { scope, turn, place } = this;
    this.component?.setStateValue("seen", { scope, turn, place });
  }

  paint() {
    super.paint();
    const { place, data, buttons } = this;
    const shown = this.current();
    this.part("text").textContent = shown?.text ?? "No classes to compare.";
    this.part("place").textContent = `${(place + 1).toLocaleString("en")} of ${data.total.toLocaleString("en")}`;
    this.part("place").hidden = !shown;
    this.part("status").textContent = this.message;
    buttons.merge.hidden = shown?.kind !== "merge classes";
    buttons.split.hidden = shown?.kind !== "split class";
    buttons.merge.disabled = buttons.split.disabled = Boolean(data.why) || !this.live(shown);
    buttons.back.disabled = this.next(-1) === null;
    buttons.next.disabled = this.next(1) === null;
    buttons.undo.disabled = !this.standing().length && (!this.undoable() || Boolean(data.why));
    buttons.undo.title = this.undoable()?.[1] ?? "";
  }

  /** @param {Proposals.Data} data @param {Component} component */
  update(data, component) {
    const shown = this.current();
    this.receive(data, component);
    const same = data.proposals.findIndex(({ first, second }) => first === shown?.first && second === shown?.second);
    this.place = same < 0 ? data.place : same + data.begin;
    if (!this.live(this.current())) this.place = this.next(1) ?? this.place;
    this.paint();
  }
}

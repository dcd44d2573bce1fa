// The classify card: one image, one key, the next image at once; answers go to the server by the outbox.

import { createPictures } from "../pictures.js";
import { mounted, partOf } from "../shared.js";
import { Task } from "../task.js";
import { createChoices } from "./choices.js";
import { createQueue, progress } from "./queue.js";

/** @import { Answered, Component, Decided } from "../events.js" */
/** @import { Classify } from "../messages.js" */

const PRELOADED = 8;
const KINDS = ["answer", "skip", "back"];

export default mounted((parent, /** @type {Classify.Data} */ data) => new Card(parent, data));

/** @extends {Task<Classify.Data>} */
export class Card extends Task {
  current = /** @type {Classify.Item | null} */ (null); // the item on screen
  shownAt = /** @type {number | null} */ (null); // when its picture could first be seen
  ready = false; // it was seen for as long as an answer takes
  choices = /** @type {ReturnType<typeof createChoices> | null} */ (null);
  drawn = ""; // what the choices are about
  broken = /** @type {string[]} */ ([]); // tasks whose pictures cannot be drawn
  warns = false;

  /** @param {ShadowRoot} parent @param {Classify.Data} first */
  constructor(parent, first) {
    super(partOf(parent, "card"), first);
    this.queue = createQueue(() => this.unshown());
    this.pictures = createPictures(this.part("stage"), (src) => src === this.current?.src && this.came());
    this.handleButton(this.part("skip"), () => this.answer(null));
    this.handleButton(this.part("undo"), () => this.takeBack());
    Object.assign(this.root.dataset, { answered: 0, scope: first.scope });
  }

  // --- which image -----------------------------------------------------------------------------

  advance() {
    const items = this.queue.items();
    const next = items.find(({ id }) => id === this.current?.id) ?? items[0] ?? null;
    const kept = [this.current, this.queue.last()?.item].flatMap((item) => item ?? []);
    this.pictures.keep([...items.slice(0, PRELOADED), ...kept].map(({ src }) => src));
    if (next?.id !== this.current?.id) this.show(next);
    else this.current = next;
    this.paint();
  }

  /** @param {Classify.Item | null} item */
  show(item) {
    this.pictures.show();
    this.current = item;
    this.shownAt = null;
    this.ready = false;
    Object.assign(this.root.dataset, { item: item?.id ?? "", task: item?.task ?? "" });
    if (item) this.came();
  }

  // A picture that cannot be drawn cannot be judged.
  came() {
    const item = /** @type {Classify.Item} */ (this.current);
    const picture = this.pictures.of(item.src);
    if (picture?.broken) this.leave(item);
    else if (picture?.ready) this.reveal(item);
  }

  /** @param {Classify.Item} item */
  reveal({ src }) {
    this.pictures.show(src, "The image to classify");
    const at = performance.now();
    this.shownAt = at;
    setTimeout(() => {
      this.ready = this.shownAt === at;
      if (this.ready) this.paint();
    }, this.data.least_ms);
  }

  /** @param {Classify.Item} item */
  leave(item) {
    this.queue.leave(item);
    this.broken.push(item.task);
    this.request();
    this.advance();
  }

  ask() {
    const { scope, turn, broken } = this;
    this.component?.setStateValue("seen", { scope, turn, broken });
  }

  // --- what the server hears ---------------------------------------------------------------------

  signed() {
    return { who: this.data.who };
  }

  /** @param {Decided} one */
  isOwn(one) {
    return super.isOwn(one) && one.who === this.data.who && KINDS.includes(this.plain(one.kind));
  }

  // The kind of a decision as it is called here, "" of another subject.
  /** @param {string} kind */
  plain(kind) {
    const { subject } = this.data;
    return kind.startsWith(subject) ? kind.slice(subject.length) : "";
  }

  unshown() {
    return super.unshown().map((one) => ({ ...one, kind: this.plain(one.kind) }));
  }

  // A refused answer is unanswered: its image comes back if Python still offers it.
  /** @param {Answered} one */
  settle({ why, decided }) {
    if (why) this.queue.refuse(decided, this.turn + 1);
  }

  // --- answers -----------------------------------------------------------------------------------

  // A choice of null: one cannot tell. Returns whether the answer counts.
  /** @param {number | null} choice */
  answer(choice) {
    const { skip, classes, least_ms, subject } = this.data;
    const item = this.current;
    const possible = choice === null ? skip : choice >= 0 && choice < classes.length;
    if (!item || !possible) return false;
    if (this.shownAt === null) return this.ignore(choice, "Not counted: the image is not there yet.");
    const ms = Math.round(performance.now() - this.shownAt);
    if (ms < least_ms) return this.ignore(choice, "Not counted: too quick to have been seen. Look again.");
    const { id, task } = item;
    const answer = choice === null ? { kind: `${subject}skip` } : { kind: `${subject}answer`, choice };
    this.queue.give(item, choice);
    this.queue.sent(this.decide({ ...answer, ids: [[id, id + 1]], task, ms }));
    if (choice !== null) {
      this.choices?.flash(choice, "hit");
      this.choices?.remember(choice);
    }
    this.showMessage("");
    this.advance();
    return true;
  }

  /** @param {number | null} choice @param {string} why */
  ignore(choice, why) {
    this.choices?.flash(choice, "ignored");
    this.showMessage(why, true);
    return false;
  }

  takeBack() {
    const last = this.queue.takeBack();
    if (!last) return this.showMessage("There is no answer to take back here.");
    this.decide({ kind: `${this.data.subject}back`, ids: [[last.item.id, last.item.id + 1]], of: last.nonce });
    this.current = null;
    this.showMessage(`Taken back: ${this.textOf(last.choice)}. Choose again.`);
    this.advance();
    this.choices?.focus();
  }

  /** @param {string} text */
  showMessage(text, warns = false) {
    this.warns = warns;
    super.showMessage(text);
  }

  /** @param {number | null} choice */
  textOf(choice) {
    return choice === null ? "cannot tell" : (this.data.classes[choice] ?? "");
  }

  /** @param {KeyboardEvent} event */
  meaning({ key }) {
    if (key === "Backspace") return this.choices?.typing() ? null : () => this.takeBack();
    if (this.choices?.searches) return null;
    if (key === "?" && this.data.skip) return () => this.answer(null);
    const choice = this.data.keys.indexOf(key.toLowerCase());
    return choice < 0 ? null : () => this.answer(choice);
  }

  // --- drawing ---------------------------------------------------------------------------------------

  paint() {
    super.paint();
    const { data, queue, root, choices } = this;
    const [bar, status] = ["bar", "status"].map((name) => this.part(name));
    const skip = this.button("skip");
    const { text, ...amount } = progress(data, this.unshown());
    const last = queue.last();
    this.part("count").textContent = text;
    Object.assign(bar, { ...amount, hidden: !data.goal });
    status.textContent = this.message || (last ? `Last: ${this.textOf(last.choice)}` : "");
    status.classList.toggle("warns", this.warns);
    root.dataset.answered = String(queue.answered());
    this.button("undo").disabled = !last;
    skip.hidden = !data.skip;
    root.classList.toggle("empty", !this.current);
    root.classList.toggle("waiting", !this.ready);
    this.part("wait").textContent = this.current ? "" : this.missing();
    for (const button of [skip, ...(choices?.buttons ?? [])]) button.ariaDisabled = String(!this.ready);
  }

  missing() {
    return this.data.finished && !this.unsaved().length ? "That was all. Thank you." : "Fetching the next image …";
  }

  drawChoices() {
    const print = JSON.stringify([this.data.classes, this.data.keys, this.data.about]);
    if (print === this.drawn) return;
    this.drawn = print;
    this.choices = createChoices(this);
  }

  /** @param {Classify.Data} next @param {Component} component */
  update(next, component) {
    const begins = !this.choices;
    this.receive(next, component);
    this.queue.receive(next.items, next.echo);
    this.drawChoices();
    this.advance();
    if (begins && !this.choices?.searches && !document.querySelector("[role=dialog]")) this.focus();
  }

  destroy() {
    super.destroy();
    this.pictures.keep([]);
  }
}

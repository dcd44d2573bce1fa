// The classify card: one image, one key, the next image at once; what was answered goes to Python by the outbox.

import { createOutbox, paintSaving, typingElsewhere } from "../outbox.js";
import { consume, modified, mounted } from "../shared.js";
import { createChoices } from "./choices.js";
import { createPictures } from "./pictures.js";
import { createQueue, progress } from "./queue.js";

/** @import { Component } from "../events.js" */
/** @import { Classify } from "../messages.js" */

const PRELOADED = 8;
const SAID_MS = 4000;

export default mounted((parent, data) => new Card(parent, data));

/** @typedef {Classify.Item} Item */

class Card {
  current = /** @type {Item | null} */ (null); // the item on screen
  shownAt = /** @type {number | null} */ (null); // when its picture could first be seen
  ready = false; // it was seen for as long as an answer takes
  choices = /** @type {ReturnType<typeof createChoices> | null} */ (null);
  drawn = ""; // what the choices are about
  heard = "";
  quiet = 0;

  /** @param {any} parent @param {Classify.Data} first */
  constructor(parent, first) {
    this.scope = first.scope;
    this.data = first;
    this.first = first;
    this.root = parent.querySelector(".card");
    this.outbox = createOutbox(first.scope, first.health, () => this.paint());
    this.queue = createQueue(this.outbox.entries);
    this.pictures = createPictures(this.part("stage"), {
      came: ({ id }) => id === this.current?.id && this.reveal(),
      broke: (item) => item.id === this.current?.id && this.skip(item),
    });
    this.part("skip").onclick = () => this.pressed(() => this.answer(null));
    this.part("undo").onclick = () => this.pressed(() => this.takeBack());
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.hearKey(event);
    document.addEventListener("keydown", this.onKey, true);
    this.root.dataset.answered = 0;
    this.root.dataset.scope = first.scope;
  }

  /** @param {string} name @returns {any} */
  part(name) {
    return this.root.querySelector(`.${name}`);
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  /** @param {() => void} act */
  pressed(act) {
    act();
    this.focus();
  }

  // --- which image -----------------------------------------------------------------------------

  advance() {
    const items = this.queue.items();
    const next = items.find(({ id }) => id === this.current?.id) ?? items[0] ?? null;
    const kept = [this.current, this.queue.last()?.item].flatMap((item) => item ?? []);
    this.pictures.keep([...items.slice(0, PRELOADED), ...kept]);
    if (next?.id !== this.current?.id) this.show(next);
    else this.current = next;
    this.paint();
  }

  /** @param {Item | null} item */
  show(item) {
    this.pictures.hide();
    this.current = item;
    this.shownAt = null;
    this.ready = false;
    this.root.dataset.item = item?.id ?? "";
    this.root.dataset.task = item?.task ?? "";
    if (!item) return;
    const picture = this.pictures.of(item);
    if (picture.broken) this.skip(item);
    else if (picture.ready) this.reveal();
  }

  reveal() {
    if (!this.current) return;
    const { image } = this.pictures.of(this.current);
    image.classList.add("on");
    image.alt = "The image to classify";
    const at = performance.now();
    this.shownAt = at;
    setTimeout(() => {
      this.ready = this.shownAt === at;
      if (this.ready) this.paint();
    }, this.data.least_ms);
  }

  // A picture that cannot be drawn cannot be judged.
  /** @param {Item} item */
  skip(item) {
    this.queue.leave(item);
    this.outbox.put({ kind: "broken", id: item.id, task: item.task });
    this.advance();
  }

  // --- answers -----------------------------------------------------------------------------------

  // A choice of null: one cannot tell. Returns whether the answer counts.
  /** @param {number | null} choice */
  answer(choice) {
    const { skip, classes, least_ms } = this.data;
    const possible = choice === null ? skip : choice >= 0 && choice < classes.length;
    if (!this.current || !possible) return false;
    if (this.shownAt === null) return this.ignore(choice, "Not counted: the image is not there yet.");
    const ms = performance.now() - this.shownAt;
    if (ms < least_ms) return this.ignore(choice, "Not counted: too quick to have been seen. Look again.");
    const item = this.current;
    const kind = choice === null ? "skip" : "answer";
    const nonce = this.outbox.put({
      kind,
      choice: choice ?? undefined,
      id: item.id,
      task: item.task,
      ms: Math.round(ms),
    });
    this.queue.give(item, nonce, choice);
    if (choice !== null) {
      this.choices?.flash(choice, "hit");
      this.choices?.remember(choice);
    }
    this.say("");
    this.advance();
    return true;
  }

  /** @param {number | null} choice @param {string} why */
  ignore(choice, why) {
    this.choices?.flash(choice, "ignored");
    this.say(why);
    this.part("status").classList.add("warns");
    return false;
  }

  takeBack() {
    const last = this.queue.takeBack();
    if (!last) return this.say("There is no answer to take back here.");
    this.outbox.put({ kind: "back", id: last.item.id, of: last.nonce });
    this.current = null;
    this.say(`Taken back: ${this.textOf(last.choice)}. Choose again.`);
    this.advance();
    this.choices?.focus();
  }

  /** @param {string} text */
  say(text) {
    clearTimeout(this.quiet);
    this.paintStatus(text);
    if (text) this.quiet = setTimeout(() => this.paintStatus(), SAID_MS);
  }

  /** @param {number | null} choice */
  textOf(choice) {
    return choice === null ? "cannot tell" : (this.data.classes[choice] ?? "");
  }

  // --- keys ----------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  hearKey(event) {
    if (modified(event) || typingElsewhere(event, this.root)) return;
    const does = this.meaning(event.key);
    if (!does) return;
    if (!event.repeat) does();
    consume(event); // else Streamlit's own one-letter shortcuts would hear it too
  }

  /** @param {string} key */
  meaning(key) {
    if (key === "Backspace") return this.choices?.typing() ? null : () => this.takeBack();
    if (this.choices?.searches) return null;
    if (key === "?" && this.data.skip) return () => this.answer(null);
    const choice = this.data.keys.indexOf(key.toLowerCase());
    return choice < 0 ? null : () => this.answer(choice);
  }

  // --- drawing ---------------------------------------------------------------------------------------

  paint() {
    const { text, max, value } = progress(this.data, this.outbox.entries());
    const bar = this.part("bar");
    this.part("count").textContent = text;
    bar.hidden = !this.data.goal;
    Object.assign(bar, { max, value });
    paintSaving(this.root, this.outbox);
    this.root.dataset.answered = this.queue.answered();
    this.part("undo").disabled = !this.queue.last();
    this.part("skip").hidden = !this.data.skip;
    this.root.classList.toggle("empty", !this.current);
    this.root.classList.toggle("waiting", !this.ready);
    this.part("wait").textContent = this.current ? "" : this.missing();
    for (const button of [this.part("skip"), ...(this.choices?.buttons ?? [])])
      button.ariaDisabled = String(!this.ready);
  }

  missing() {
    return this.data.finished && !this.outbox.size() ? "That was all. Thank you." : "Fetching the next image …";
  }

  paintStatus(text = "") {
    const [status, last] = [this.part("status"), this.queue.last()];
    status.classList.remove("warns");
    status.textContent = text || (last ? `Last: ${this.textOf(last.choice)}` : "");
  }

  drawChoices() {
    const print = JSON.stringify([this.data.classes, this.data.keys, this.data.about]);
    if (print === this.drawn) return;
    this.drawn = print;
    this.choices = createChoices(this.part("choices"), this.data, {
      answer: (choice) => this.answer(choice),
      takeBack: () => this.takeBack(),
      skips: () => this.data.skip,
      focus: () => this.focus(),
    });
  }

  // --- what Python says ------------------------------------------------------------------------

  /** @param {Classify.Data} next @param {Component} component */
  update(next, component) {
    const begins = next === this.first && !this.choices;
    this.data = next;
    this.outbox.hear(component, next.echo, next.taken);
    this.queue.hear(next.items, next.refused);
    this.drawChoices();
    this.advance();
    if (next.refused.length && next.echo !== this.heard) this.say(next.refused[next.refused.length - 1].why);
    else if (begins) this.paintStatus();
    this.heard = next.echo;
    if (begins && !this.choices?.searches && !document.querySelector("[role=dialog]")) this.focus();
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey, true);
    clearTimeout(this.quiet);
    this.outbox.destroy();
    this.pictures.keep([]);
  }
}

// What the cards of tasks share: an outbox, keys, a word on what has happened.

import { createOutbox, paintSaving, typingElsewhere } from "./outbox.js";
import { consume, modified } from "./shared.js";

/** @import { Component } from "./events.js" */
/** @import { Classify, Review, Ticks } from "./messages.js" */

const SAID_MS = 4000;

/** @template {Classify.Data | Review.Data | Ticks.Data} Data */
export class Task {
  said = "";
  quiet = 0;
  heard = ""; // the last reply of Python
  /** @type {(event: KeyboardEvent) => void} */
  onKey = (event) => this.hearKey(event);

  /** @param {any} root @param {Data} first */
  constructor(root, first) {
    this.root = root;
    this.scope = first.scope;
    this.data = first;
    this.outbox = createOutbox(first.scope, first.health, () => this.paint());
    document.addEventListener("keydown", this.onKey, true);
  }

  /** @param {string} name @returns {any} */
  part(name) {
    return this.root.querySelector(`.${name}`);
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  // A button acts and leaves the focus to the card, whose keys go on.
  /** @param {HTMLButtonElement} button @param {() => void} act */
  hearButton(button, act) {
    button.onclick = () => {
      act();
      this.focus();
    };
  }

  /** @param {KeyboardEvent} event */
  hearKey(event) {
    if (modified(event) || typingElsewhere(event, this.root)) return;
    const does = this.meaning(event);
    if (!does) return;
    if (!event.repeat || /^(Arrow|Home|End)/.test(event.key)) does();
    consume(event); // else Streamlit's own one-letter shortcuts would hear it too
  }

  // What a key does; nothing where it means nothing here.
  /** @param {KeyboardEvent} _event @returns {(() => void) | null | undefined} */
  meaning(_event) {
    return null;
  }

  // Says something for a while.
  /** @param {string} text */
  say(text) {
    clearTimeout(this.quiet);
    this.said = text;
    this.paint();
    if (text) this.quiet = setTimeout(() => this.say(""), SAID_MS);
  }

  paint() {
    paintSaving(this.root, this.outbox);
  }

  // Takes what Python says; returns why it has refused what was sent last, "" if it has not, once.
  /** @param {Data} next @param {Component} component */
  hear(next, component) {
    this.data = next;
    this.outbox.hear(component, next.echo, next.taken);
    const why = next.echo === this.heard ? "" : (next.refused.at(-1)?.why ?? "");
    this.heard = next.echo;
    return why;
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey, true);
    clearTimeout(this.quiet);
    this.outbox.destroy();
  }
}

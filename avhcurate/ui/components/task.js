// What the cards of tasks share: decisions, keys, what was said, and asking Python for what comes next.

import { decide, fresh, listen, unsaved } from "./outbox.js";
import { consume, modified, partOf, takenElsewhere } from "./shared.js";
import { awaitData, fed } from "./watch.js";

/** @import { Answered, Component, Decided } from "./events.js" */
/** @import { Classify, Proposals, Review, Ticks } from "./messages.js" */

const MESSAGE_MS = 4000;
const CARD = "card"; // what of a page waits for data: that which follows a card that a cut has ended is fed in its place

// Where a key press means something to somebody else: a field, a menu, a dialog.
/** @param {KeyboardEvent} event @param {EventTarget} root */
function typingElsewhere(event, root) {
  if (event.composedPath().includes(root)) return false;
  return Boolean(document.querySelector("[role=dialog]")) || takenElsewhere(event, root);
}

/** @template {Classify.Data | Proposals.Data | Review.Data | Ticks.Data} Data */
export class Task {
  message = "";
  quiet = 0;
  component = /** @type {Component | null} */ (null);
  turn = 0; // of the newest request to Python
  asking = false;
  settled = /** @type {{ turn: number, decided: Decided }[]} */ ([]); // what the server has and Python's data may lack
  /** @type {(event: KeyboardEvent) => void} */
  onKey = (event) => this.handleKey(event);

  /** @param {HTMLElement} root @param {Data} first */
  constructor(root, first) {
    this.root = root;
    this.scope = first.scope;
    this.data = first;
    this.turn = first.echo;
    this.unlisten = listen({ changed: () => this.paint(), answered: (one) => this.answered(one) });
    document.addEventListener("keydown", this.onKey, true);
  }

  /** @param {string} name */
  part(name) {
    return partOf(this.root, name);
  }

  /** @param {string} name */
  button(name) {
    return /** @type {HTMLButtonElement} */ (this.part(name));
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  // A button acts and leaves the focus to the card, whose keys go on.
  /** @param {HTMLElement} button @param {() => void} act */
  handleButton(button, act) {
    button.onclick = () => {
      act();
      this.focus();
    };
  }

  /** @param {KeyboardEvent} event */
  handleKey(event) {
    if (event.defaultPrevented) return; // for a moment Streamlit shows the card of before beside the next one
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
  showMessage(text) {
    clearTimeout(this.quiet);
    this.message = text;
    this.paint();
    if (text) this.quiet = setTimeout(() => this.showMessage(""), MESSAGE_MS);
  }

  paint() {
    this.root.dataset.unsaved = String(this.unsaved().length);
  }

  // --- decisions -------------------------------------------------------------------------------

  // Decides something about the samples of this task; returns its nonce.
  /** @param {Partial<Decided> & { kind: string }} decision */
  decide(decision) {
    const { dataset, version } = this.data;
    return decide({ dataset, version, quiet: true, ...this.signed(), ...decision });
  }

  // In whose name something is decided, where that is not the browser's to know.
  /** @returns {Partial<Decided>} */
  signed() {
    return {};
  }

  // Whether a decision, which may be of another page, is of this task.
  /** @param {Decided} one */
  isOwn(one) {
    return one.dataset === this.data.dataset && one.version === this.data.version;
  }

  unsaved() {
    return unsaved().filter((one) => this.isOwn(one));
  }

  // What Python's data may lack, in the order given.
  unshown() {
    return [...this.settled.map(({ decided }) => decided), ...this.unsaved()];
  }

  // The server has one, or has refused it: Python is asked for what comes next, once for all that are answered together.
  /** @param {Answered} one */
  answered(one) {
    if (!this.isOwn(one.decided)) return;
    if (!one.why) this.settled.push({ turn: this.turn + 1, decided: one.decided });
    this.settle(one);
    if (this.asking) return;
    this.asking = true;
    queueMicrotask(() => {
      this.asking = false;
      this.request();
    });
  }

  // What was refused cannot be taken back.
  /** @param {Answered} _one */
  settle(_one) {}

  // Asks Python for data that show what was decided.
  request() {
    this.turn += 1;
    awaitData(CARD, () => this.ask());
    this.ask();
  }

  ask() {
    this.component?.setStateValue("seen", { scope: this.scope, turn: this.turn });
  }

  /** @param {Data} next @param {Component} component */
  receive(next, component) {
    const begins = this.component === null;
    this.data = next;
    this.component = component;
    // A cut may end a card: the next one begins with data that are older than what the last one has decided.
    if (begins) for (const one of fresh()) this.answered(one);
    this.settled = this.settled.filter(({ turn }) => turn > next.echo);
    if (next.echo >= this.turn) fed(CARD);
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey, true);
    clearTimeout(this.quiet);
    this.unlisten();
  }
}

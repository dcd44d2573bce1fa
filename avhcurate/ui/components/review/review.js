// The review card: one suspect, one key, the next suspect at once; decisions go to the server by the outbox.

import { createCommands, writes } from "../commands/commands.js";
import { createPictures } from "../pictures.js";
import { buttonsOf, mounted, partOf } from "../shared.js";
import { Task } from "../task.js";
import { createDecisions, needless, others, standing, suggestion, undecidable, words } from "./decisions.js";
import { drawOthers, drawSuspect } from "./suspect.js";

/** @import { Answered, Component, Value } from "../events.js" */
/** @import { Review } from "../messages.js" */

const AHEAD = 4; // suspects whose pictures are fetched beforehand
const EDGE = 3; // so near the end of what is known, more is asked for
/** @type {[string, string][]} */
const CARD_KEYS = [
  ["A", "accept the suggestion"],
  ["Shift A", "accept the next class that is named"],
  ["K", "keep the label"],
  ["P", "ask three people"],
  ["S", "skip"],
  ["Z", "undo"],
  ["Left, Right", "previous and next"],
];

export default mounted((parent, /** @type {Review.Data} */ data) => new Card(parent, data));

/** @typedef {Review.Suspect} Suspect */

/** @extends {Task<Review.Data>} */
class Card extends Task {
  known = /** @type {Map<number, Suspect>} */ (new Map()); // place in the queue -> suspect
  queue = "";
  place = 0;
  shownAt = /** @type {number | null} */ (null); // when the picture on screen could first be seen
  drawn = /** @type {string | null} */ (null);
  asked = -1; // the place that Python was asked for

  /** @param {ShadowRoot} parent @param {Review.Data} first */
  constructor(parent, first) {
    super(partOf(parent, "review"), first);
    this.buttons = buttonsOf(this.root);
    this.steps = /** @type {HTMLButtonElement[]} */ ([...this.root.querySelectorAll(".step")]);
    this.pictures = createPictures(this.part("stage"), (src) => src === this.current()?.src && this.reveal());
    this.decisions = createDecisions((decision) => this.decide(decision));
    this.commands = createCommands(this.root, {
      act: (action, value) => this.act(action, value),
      chosen: () => Number(Boolean(this.current())),
      likely: () => this.current()?.choices[0]?.name ?? "",
      back: () => this.focus(),
      own: CARD_KEYS,
    });
    const [accept, keep] = ["accept", "keep"].map((kind) => () => this.judge(kind));
    const [ask, skip, undo] = [() => this.askPeople(), () => this.skip(), () => this.undo()];
    const [arrowright, arrowleft] = [1, -1].map((by) => () => this.go(this.place + by));
    /** @type {Record<string, () => void>} */
    this.keys = { a: accept, k: keep, p: ask, s: skip, z: undo, u: undo, backspace: undo, arrowright, arrowleft };
    for (const [name, act] of Object.entries({ accept, keep, ask, skip, undo }))
      this.handleButton(this.buttons[name], act);
    addEventListener("avhcurate-answers", this.hear);
    for (const step of this.steps) this.handleButton(step, () => this.go(this.place + Number(step.dataset.by)));
  }

  current() {
    return this.known.get(this.place) ?? null;
  }

  /** @param {Suspect} suspect */
  standing(suspect) {
    return standing(suspect, this.unshown());
  }

  // How many are to be decided once what is on its way is done.
  undecided() {
    const open = (/** @type {Pick<Suspect, "state" | "excluded">} */ now) => Number(!now.state && !now.excluded);
    const shown = [...this.known.values()];
    return shown.reduce((left, suspect) => left + open(this.standing(suspect)) - open(suspect), this.data.left);
  }

  // --- moving ----------------------------------------------------------------------------------

  /** @param {number} to */
  go(to) {
    this.place = Math.max(0, Math.min(this.data.total - 1, to));
    this.hear();
    this.reach();
    this.draw();
  }

  // Somebody may have answered.
  hear = () => {
    if (this.current()?.asked) this.request();
  };

  // Goes on, or stays at the last one.
  next() {
    this.go(this.place + 1);
  }

  // Asks Python for more when the end of what is known is near.
  reach() {
    const { place, data, known } = this;
    const wanted = [place, ...Array.from({ length: EDGE }, (_, i) => place + 1 + i), place - 1];
    const missing = wanted.some((at) => at >= 0 && at < data.total && !known.has(at));
    if (missing && this.component && this.asked !== place) this.request();
  }

  ask() {
    const { place, queue, turn } = this;
    this.asked = place;
    this.component?.setStateValue("at", { queue, place, turn });
  }

  // Fetches the pictures of those that follow, and of the one before.
  preload() {
    const near = Array.from({ length: AHEAD + 2 }, (_, by) => this.known.get(this.place - 1 + by) ?? []).flat();
    this.pictures.keep(near.map(({ src }) => src));
    const strips = near.filter(({ place }) => [0, 1].includes(place - this.place)).flatMap(({ strips }) => strips);
    for (const src of strips.flatMap(({ images }) => images)) new Image().src = src;
  }

  // --- deciding --------------------------------------------------------------------------------

  suggestion() {
    const suspect = this.current();
    return suspect ? suggestion(suspect) : undefined;
  }

  // Takes the class that is named beside the suggestion.
  judgeNext() {
    const suspect = this.current();
    if (!suspect) return;
    const [next] = others(suspect);
    if (next) this.judge("accept", next);
    else this.showMessage("No other class is named.");
  }

  /** @param {string} kind @param {Review.NamedClass | undefined} choice */
  judge(kind, choice = this.suggestion()) {
    const suspect = this.current();
    if (!suspect) return;
    if (this.shownAt === null) return this.showMessage("The picture is not there yet.");
    const quick = performance.now() - this.shownAt < this.data.least_ms && "Too quick to have been seen: look again.";
    const why = quick || undecidable(this.standing(suspect), kind, choice);
    if (why) return this.showMessage(why);
    this.decisions.give(suspect, kind === "accept" ? { kind, of: this.data.of, value: choice?.label } : { kind });
    this.showMessage(words(suspect, { action: kind, label: choice?.name }));
    this.next();
  }

  // Puts what is on screen first in the queue of Annotate, and goes on.
  askPeople() {
    const suspect = this.current();
    if (!suspect) return;
    if (suspect.asked) return this.showMessage("People are asked already.");
    this.decisions.give(suspect, { kind: "ask" });
    this.showMessage(words(suspect, { action: "ask" }));
    this.next();
  }

  // Tags, labels and excludes what is on screen; another label or an exclusion is a decision, and goes on.
  /** @param {string} action @param {Value} value */
  act(action, value = null) {
    if (action === "undo") return this.undo();
    const suspect = this.current();
    if (!suspect) return;
    const label = value === null ? suspect.given : (this.data.actions.classes[Number(value)] ?? String(value));
    const why = needless(suspect, this.standing(suspect), { action, value, label });
    if (why) return this.showMessage(why);
    this.decisions.give(suspect, { kind: action, value });
    this.showMessage(words(suspect, { action, value, label }));
    if (["relabel", "exclude"].includes(action)) this.next();
  }

  undo() {
    const place = this.decisions.undo();
    if (place === null) return this.showMessage("There is nothing to undo here.");
    this.showMessage("Undone: decide again.");
    this.go(place);
  }

  skip() {
    if (this.place + 1 < this.data.total) this.next();
    else this.showMessage("This is the last one.");
  }

  /** @param {KeyboardEvent} event */
  meaning(event) {
    if (writes(event) || this.commands.open()) return null;
    if (event.shiftKey && event.key.toLowerCase() === "a") return () => this.judgeNext();
    return this.keys[event.key.toLowerCase()] ?? this.commands.meaning(event);
  }

  // --- drawing ---------------------------------------------------------------------------------

  draw() {
    const suspect = this.current();
    const print = suspect && JSON.stringify([suspect.id, suspect.src, suspect.rows, suspect.lead, suspect.choices]);
    this.preload();
    if (print !== this.drawn) this.drawAnew(suspect, print);
    this.paint();
  }

  /** @param {Suspect | null} suspect @param {string | null} print */
  drawAnew(suspect, print) {
    this.drawn = print;
    this.shownAt = null;
    this.root.dataset.ready = "";
    this.pictures.show();
    this.root.classList.toggle("empty", !suspect);
    this.root.dataset.suspect = String(suspect?.id ?? "");
    if (!suspect) return;
    drawSuspect(this.root, suspect);
    drawOthers(this.root, suspect, (choice) => {
      this.judge("accept", choice);
      this.focus();
    });
    this.reveal();
  }

  reveal() {
    const suspect = this.current();
    if (!suspect || !this.pictures.of(suspect.src)?.ready) return;
    this.pictures.show(suspect.src, `The suspect, image ${suspect.id}`);
    const at = performance.now();
    this.shownAt = at;
    setTimeout(() => {
      if (this.shownAt === at) this.root.dataset.ready = this.root.dataset.suspect; // from now on a key decides
    }, this.data.least_ms);
  }

  paint() {
    super.paint();
    const { root, place, data, buttons } = this;
    const suspect = this.current();
    const { state, excluded } = suspect ? this.standing(suspect) : { state: "", excluded: false };
    /** @type {Record<string, string>} */
    const became = { accepted: "relabelled", kept: "kept", "": excluded ? "excluded" : "" };
    const last = place + 1 >= data.total;
    this.part("place").textContent = `${(place + 1).toLocaleString("en")} of ${data.total.toLocaleString("en")}`;
    this.part("undecided").textContent = `${this.undecided().toLocaleString("en")} to decide`;
    this.part("state").textContent = this.message || became[state];
    this.part("tally").textContent = data.tally;
    Object.assign(root.dataset, { state, place });
    this.part("wait").textContent = suspect ? "" : "Fetching …";
    buttons.accept.disabled = !this.suggestion() || Boolean(state);
    /** @type {HTMLButtonElement} */ for (const other of this.part("others").querySelectorAll("button"))
      other.disabled = Boolean(state);
    buttons.ask.disabled = !suspect || suspect.asked;
    buttons.keep.disabled = !suspect || Boolean(state);
    buttons.undo.disabled = !this.decisions.some();
    buttons.skip.disabled = this.steps[1].disabled = last;
    this.steps[0].disabled = place === 0;
  }

  /** @param {Review.Data} next @param {Component} component */
  update(next, component) {
    if (next.queue !== this.queue) this.begin(next);
    for (const suspect of next.suspects) this.known.set(suspect.place, suspect);
    this.receive(next, component);
    this.commands.update(next.actions);
    this.asked = -1;
    this.reach();
    this.draw();
  }

  /** @param {Review.Data} data */
  begin({ queue, place }) {
    this.queue = queue;
    this.known.clear();
    this.decisions.forget();
    this.place = place;
    this.asked = -1;
  }

  /** @param {Answered} one */
  settle({ why, decided }) {
    if (why) this.decisions.refuse(decided.nonce);
  }

  destroy() {
    super.destroy();
    removeEventListener("avhcurate-answers", this.hear);
    this.commands.destroy();
  }
}

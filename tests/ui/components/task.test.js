// What the cards of tasks share: keys, decisions in their own name, and asking Python once for what comes next.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { carryBy } from "../../../avhcurate/ui/components/carrier.js";
import { connect } from "../../../avhcurate/ui/components/outbox.js";
import { Task } from "../../../avhcurate/ui/components/task.js";
import { openWindow, settled } from "./fakes.js";

const FIRST = { scope: "ann", echo: 2, dataset: "pets", version: "1", entry: 0 };
let why = "";
let dialog = null;

class Card extends Task {
  pressed = [];
  refused = [];
  signed = () => ({ who: "ann" });
  meaning = ({ key }) => (key === "a" ? () => this.pressed.push(key) : null);
  settle = ({ why: reason }) => reason && this.refused.push(reason);
}

function begin() {
  const sent = [];
  const card = new Card({ dataset: {} }, FIRST);
  card.receive(FIRST, { setStateValue: (name, value) => sent.push([name, value]) });
  return { card, sent };
}

beforeEach(() => {
  openWindow();
  FIRST.version += "1"; // a page remembers what was answered about an import a moment ago
  [why, dialog] = ["", null];
  globalThis.document = {
    querySelector: () => dialog,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  };
  carryBy({
    read: async (_, { body }) => ({
      ok: true,
      json: async () => ({
        outcomes: JSON.parse(body).map(({ nonce }) => ({ nonce, why, text: "", undo: false, entry: 1 })),
      }),
    }),
  });
  connect({ keeper: "", decisions: "/decisions/new", window: "" });
});

test("answers that the server has are asked about once, and count until Python's data show them", async () => {
  const { card, sent } = begin();
  card.decide({ kind: "answer", ids: [[7, 8]] });
  card.decide({ kind: "answer", ids: [[8, 9]] });
  assert.deepEqual([card.root.dataset.unsaved, card.unsaved()[0].who], ["2", "ann"]);
  await settled();
  assert.deepEqual([card.root.dataset.unsaved, card.unshown().length], ["0", 2]);
  const [name, { turn }] = sent.at(-1);
  assert.deepEqual([name, sent.length], ["seen", 1]);
  card.receive({ ...FIRST, echo: turn - 1 }, card.component); // data of before
  assert.equal(card.unshown().length, 2);
  card.receive({ ...FIRST, echo: turn }, card.component);
  assert.deepEqual(card.unshown(), []);
  card.destroy();
});

test("what is refused does not count and is told, and what is of another dataset is not this card's", async () => {
  const { card, sent } = begin();
  why = "too late";
  card.decide({ kind: "answer" });
  await settled();
  assert.deepEqual([card.refused, card.unshown(), sent.length], [["too late"], [], 1]);
  card.decide({ kind: "answer", dataset: "other" });
  assert.deepEqual(card.unsaved(), []);
  await settled();
  assert.equal(sent.length, 1);
  card.destroy();
});

test("a key is for a dialog or a field elsewhere, unless the card itself has the focus", () => {
  const { card } = begin();
  const field = { matches: (selector) => selector.startsWith("input") };
  const press = (...path) =>
    card.handleKey({ key: "a", composedPath: () => path, preventDefault() {}, stopPropagation() {} });
  press({});
  press(field);
  dialog = {};
  press({});
  assert.equal(card.pressed.length, 1);
  press(card.root);
  assert.equal(card.pressed.length, 2);
  card.destroy();
});

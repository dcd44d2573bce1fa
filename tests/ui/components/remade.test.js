// A card that comes in the place of one that a cut has ended knows what was answered on this page, whatever old data say.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../../avhcurate/ui/components/outbox.js";
import { Task } from "../../../avhcurate/ui/components/task.js";
import { openWindow, serve, settled, stopTime } from "./fakes.js";

const OLD = { scope: "ann", echo: 2, dataset: "pets", version: "1", entry: 0 };

function begin(data = OLD) {
  const sent = [];
  const card = new Task({ dataset: {} }, data);
  card.receive(data, { setStateValue: (_, message) => sent.push(message) });
  return { card, sent, images: () => card.unshown().map(({ ids }) => ids[0][0]) };
}

test("an answer stays answered on the next card until Python's data show it", async (context) => {
  openWindow();
  const tick = stopTime(context);
  const nothing = () => undefined;
  globalThis.document = { querySelector: () => null, addEventListener: nothing, removeEventListener: nothing };
  serve((_, { body }) => ({
    json: { outcomes: JSON.parse(body).map(({ nonce, of }) => ({ nonce, why: of ?? "", entry: 1 })) },
  }));
  connect({ keeper: "", decisions: "/decisions/new", window: "" });
  const { card } = begin();
  card.decide({ kind: "answer", ids: [[7, 8]] });
  card.decide({ kind: "answer", ids: [[9, 10]], of: "refused" });
  await settled();
  assert.deepEqual(card.unsaved(), []);
  card.destroy();

  const next = begin();
  assert.deepEqual(next.images(), [7]);
  await settled();
  assert.deepEqual(next.sent, [{ scope: "ann", turn: 3 }]);
  next.card.receive({ ...OLD, echo: 3 }, next.card.component);
  assert.deepEqual(next.images(), []);
  assert.deepEqual(begin({ ...OLD, dataset: "digits" }).images(), []);
  await tick(61_000);
  assert.deepEqual(begin().images(), []);
});

test("a key is heard by one of two cards that are there at once", () => {
  openWindow();
  const listeners = [];
  globalThis.document = { querySelector: () => null, addEventListener: (_, hear) => listeners.push(hear) };
  const pressed = [];
  for (const name of ["the card of before", "the next card"]) {
    const { card } = begin({ ...OLD, version: "2" });
    card.meaning = () => () => pressed.push(name);
  }
  const event = { key: "3", composedPath: () => [], stopPropagation: () => undefined, defaultPrevented: false };
  event.preventDefault = () => (event.defaultPrevented = true);
  for (const hear of listeners) hear(event);
  assert.equal(pressed.length, 1);
});

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createOutbox, paintSaving, typingElsewhere } from "../../../avhcurate/ui/components/outbox.js";
import { openWindow, serve, settled, stopTime } from "./fakes.js";

beforeEach(() => openWindow());

function begin(answer = () => ({})) {
  serve(answer);
  const said = [];
  const outbox = createOutbox("ann", "/health", () => said.push(outbox.lost()));
  const sent = [];
  const python = { setStateValue: (_, message) => sent.push(message) };
  return { outbox, python, sent, said };
}

const refuse = () => Promise.reject(new Error("no connection"));

test("an answer stays in the browser until Python has it, also over a reload and in another tab's order", () => {
  const { outbox, python, sent } = begin();
  outbox.put({ kind: "answer", id: 3 });
  assert.deepEqual(sent, []); // nobody is there to hear
  const again = createOutbox("ann", "/health", () => undefined);
  assert.deepEqual(
    again.entries().map(({ id }) => id),
    [3],
  );
  assert.equal(createOutbox("bob", "/health", () => undefined).size(), 0);
  again.hear(python, "", []);
  const [{ turn, entries }] = sent;
  again.hear(python, turn, [entries[0].nonce]);
  assert.deepEqual([again.size(), createOutbox("ann", "/health", () => undefined).size()], [0, 0]);
  for (const one of [outbox, again]) one.destroy();
});

test("what is given while a message is on its way goes with the next, and a repeated reply changes nothing", () => {
  const { outbox, python, sent } = begin();
  outbox.hear(python, "", []);
  const first = outbox.put({ id: 1 });
  outbox.put({ id: 2 });
  assert.deepEqual(
    sent.map(({ entries }) => entries.length),
    [1],
  );
  outbox.hear(python, sent[0].turn, [first]);
  assert.deepEqual(
    sent.at(-1).entries.map(({ id }) => id),
    [2],
  );
  outbox.hear(python, sent[0].turn, [first]); // late: it is not the turn that is awaited
  assert.deepEqual([sent.length, outbox.size()], [2, 1]);
  outbox.destroy();
});

test("without a reply it looks whether the server is there, says so if not, and sends again when it is", async (context) => {
  const tick = stopTime(context);
  let there = false;
  const { outbox, python, sent, said } = begin(() => (there ? {} : refuse()));
  outbox.hear(python, "", []);
  outbox.put({ id: 1 });
  await tick(3100);
  assert.deepEqual([outbox.lost(), said, sent.length], [true, [true], 1]);
  there = true;
  await tick(3100);
  assert.deepEqual([outbox.lost(), said, sent.length], [false, [true, false], 2]);
  dispatchEvent(new Event("offline"));
  assert.equal(outbox.lost(), true);
  outbox.hear(python, sent.at(-1).turn, [outbox.entries()[0].nonce]);
  assert.equal(outbox.lost(), false);
  dispatchEvent(new Event("online"));
  await settled();
  assert.equal(sent.length, 2); // nothing is left to send
  outbox.destroy();
});

test("an outbox that is gone sends nothing more", async () => {
  let answer;
  const { outbox, python, sent } = begin(() => new Promise((done) => (answer = done)));
  outbox.hear(python, "", []);
  outbox.put({ kind: "back", of: "" });
  dispatchEvent(new Event("online"));
  outbox.destroy();
  answer({});
  await settled();
  assert.equal(sent.length, 1);
});

test("without a storage answers are kept as long as the page", () => {
  Object.defineProperty(globalThis, "localStorage", {
    get: () => {
      throw new Error("denied");
    },
    configurable: true,
  });
  const { outbox, python, sent } = begin();
  outbox.put({ id: 1 });
  outbox.hear(python, "", []);
  assert.equal(sent[0].entries[0].id, 1);
  outbox.destroy();
});

test("a card shows what is not saved yet, and that the connection is lost", () => {
  const banner = {};
  const classes = new Set();
  const root = {
    dataset: {},
    querySelector: () => banner,
    classList: { toggle: (name, on) => (on ? classes.add(name) : classes.delete(name)) },
  };
  paintSaving(root, { size: () => 2, lost: () => true });
  assert.match(banner.textContent, /^No connection to the server. 2 answers are kept/);
  assert.deepEqual([banner.hidden, root.dataset.unsaved, [...classes]], [false, "2", ["saving"]]);
  paintSaving(root, { size: () => 0, lost: () => false });
  assert.deepEqual([banner.hidden, banner.textContent, [...classes]], [true, "", []]);
});

test("a key is for a dialog or a field elsewhere, unless the card itself has the focus", () => {
  let dialog = null;
  globalThis.document = { querySelector: () => dialog };
  const root = {};
  const field = { matches: (selector) => selector.startsWith("input") };
  const press = (...path) => ({ key: "a", composedPath: () => path });
  assert.equal(typingElsewhere(press({}), root), false);
  assert.equal(typingElsewhere(press(field), root), true);
  dialog = {};
  assert.equal(typingElsewhere(press({}), root), true);
  assert.equal(typingElsewhere(press(root), root), false);
});

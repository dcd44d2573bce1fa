// A line that takes a message and never answers: the message is sent again, and the page says that there is no server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, connect, countUnsaved, decide, unsaved, whyLost } from "../../../avhcurate/ui/components/outbox.js";
import { idsAt } from "../../../avhcurate/ui/components/shared.js";
import { openWindow, settled, stopTime } from "./fakes.js";

// As a browser does it, by the time of a test.
AbortSignal.timeout = (wait) => {
  const ended = new AbortController();
  setTimeout(() => ended.abort(), wait);
  return ended.signal;
};

const silence = (signal) =>
  new Promise((_, fail) => signal.addEventListener("abort", () => fail(new Error("silence"))));

test("a decision is sent again on another line when the first one has been silent for half a minute", async (context) => {
  openWindow();
  const tick = stopTime(context);
  const bodies = [];
  let silent = true;
  globalThis.fetch = (_, { body, signal }) => {
    bodies.push(body);
    if (silent) return silence(signal);
    const outcomes = JSON.parse(body).map(({ nonce }) => ({ nonce, why: "", text: "", undo: false, entry: 1 }));
    return Promise.resolve({ ok: true, status: 200, json: async () => ({ outcomes }) });
  };
  connect({ keeper: "ada", decisions: "/decisions/new", window: "w" });
  decide({ kind: "exclude", dataset: "digits", version: "1", ids: [[3, 4]] });
  await tick(29_000);
  assert.deepEqual([bodies.length, whyLost(), unsaved().length], [1, "", 1]);
  silent = false;
  await tick(1000);
  assert.equal(whyLost(), "no connection");
  await tick(1500);
  await settled();
  assert.deepEqual([bodies[1], whyLost(), unsaved()], [bodies[0], "", []]);
});

test("which images are decided about is given up when nobody has said it for half a minute", async (context) => {
  openWindow();
  const tick = stopTime(context);
  globalThis.fetch = (_, { signal }) => silence(signal);
  const ids = begin(idsAt("/grid/a", "view", [[0, 100]]));
  await tick(29_000);
  assert.equal(countUnsaved(), 1);
  await tick(1000);
  assert.deepEqual([await ids, countUnsaved()], [null, 0]);
});

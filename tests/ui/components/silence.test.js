// A line that takes a message and never answers: the message is sent again, and the page says that there is no server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect, decide, unsaved, whyLost } from "../../../avhcurate/ui/components/outbox.js";
import { openWindow, settled, stopTime } from "./fakes.js";

test("a decision is sent again on another line when the first one has been silent for half a minute", async (context) => {
  openWindow();
  const tick = stopTime(context);
  const bodies = [];
  let silent = true;
  // As a browser does it, by the time of this test.
  AbortSignal.timeout = (wait) => {
    const ended = new AbortController();
    setTimeout(() => ended.abort(), wait);
    return ended.signal;
  };
  globalThis.fetch = (_, { body, signal }) => {
    bodies.push(body);
    if (silent) return new Promise((_, fail) => signal.addEventListener("abort", () => fail(new Error("silence"))));
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

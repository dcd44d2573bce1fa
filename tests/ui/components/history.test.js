// What Back leads to: no address that nobody saw, never before the server knows of it, and to what the page shows.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { watchHistory } from "../../../avhcurate/ui/components/page/history.js";
import { openWindow, settled } from "./fakes.js";

let pushed;

beforeEach(() => {
  openWindow();
  pushed = [];
  const go = (_, __, url) => {
    pushed.push(url);
    location.href = new URL(url, location.href).href;
  };
  Object.assign(globalThis, {
    location: new URL("http://here/models?dataset=a"),
    history: { pushState: go, replaceState: go },
    PopStateEvent: class extends Event {},
  });
});

test("the address of the gallery on another page is not kept, all others are", () => {
  watchHistory(async () => {});
  const kept = ["/models?class=1", "/gallery?gallery.back=models", "/b/gallery?gallery.back=models&class=1", undefined];
  for (const url of ["/models?gallery.back=models", ...kept]) history.pushState({}, "", url);
  assert.deepEqual(pushed, kept);
});

const trusted = () => Object.defineProperty(new Event("popstate"), "isTrusted", { value: true });

function goBack() {
  window.wentBack(trusted());
  return settled();
}

test("what was asked for before Back does not change the address after it; what the page shows does", async () => {
  let answer = Promise.withResolvers();
  const arrived = watchHistory(() => answer.promise);
  await goBack();
  arrived(1, "class=7"); // of a run that was asked for before
  answer.resolve(true);
  await settled();
  history.pushState({}, "", "/models?class=7");
  history.replaceState({}, "", "/models?class=7"); // as Streamlit does right after Back
  arrived(0, "class=7"); // of a run that does not know of it
  assert.deepEqual(pushed, []);
  arrived(1, "dataset=a");
  history.pushState({}, "", "/models?class=8");
  assert.deepEqual(pushed, ["/models?class=8"]);
  answer = { promise: Promise.resolve(true) };
  await goBack();
  history.pushState({}, "", "/map?class=8"); // another page
  arrived(2, "class=7"); // of a run that was asked for before, and knows of it
  arrived(2, "class=8");
  arrived(2, "class=8");
  history.pushState({}, "", "/map?class=9");
  assert.deepEqual(pushed.slice(1), ["/map?class=8", "/map?class=7", "/map?class=8", "/map?class=9"]);
});

test("where the server cannot hear of Back, nothing waits for it", async () => {
  watchHistory(async () => false);
  await goBack();
  history.pushState({}, "", "/models?class=7");
  assert.equal(pushed.length, 1);
});

test("Streamlit hears of Back once the server has, or cannot", async () => {
  for (const said of [true, false]) {
    openWindow();
    const seen = [];
    const heard = Promise.withResolvers();
    watchHistory(() => heard.promise);
    addEventListener("popstate", (event) => window.wentBack(event)); // as the page does
    addEventListener("popstate", (event) => seen.push(event.isTrusted));
    dispatchEvent(trusted());
    await settled();
    assert.deepEqual(seen, []);
    heard.resolve(said);
    await settled();
    assert.deepEqual(seen, [false]);
  }
});

// What Back leads to: no address that nobody saw, and never before the server knows that the newest was heard of.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { watchHistory } from "../../../avhcurate/ui/components/page/history.js";
import { openWindow, settled } from "./fakes.js";

let pushed;

beforeEach(() => {
  openWindow();
  pushed = [];
  Object.assign(globalThis, {
    location: { href: "http://here/models?dataset=a" },
    history: { pushState: (_, __, url) => pushed.push(url) },
    PopStateEvent: class extends Event {},
  });
});

test("the address of the gallery on another page is not kept, all others are", () => {
  watchHistory(async () => {});
  const kept = ["/models?class=1", "/gallery?gallery.back=models", "/b/gallery?gallery.back=models&class=1", undefined];
  for (const url of ["/models?gallery.back=models", ...kept]) history.pushState({}, "", url);
  assert.deepEqual(pushed, kept);
});

test("Streamlit hears of Back once the server has, also where that fails", async () => {
  for (const [heard, fails] of [
    [Promise.withResolvers(), false],
    [Promise.withResolvers(), true],
  ]) {
    openWindow();
    const seen = [];
    watchHistory(() => heard.promise);
    addEventListener("popstate", (event) => window.wentBack(event)); // as the page does
    addEventListener("popstate", (event) => seen.push(event.isTrusted));
    const back = new Event("popstate");
    Object.defineProperty(back, "isTrusted", { value: true });
    dispatchEvent(back);
    await settled();
    assert.deepEqual(seen, []);
    if (fails) heard.reject(new Error("cut"));
    else heard.resolve();
    await settled();
    assert.deepEqual(seen, [false]);
  }
});

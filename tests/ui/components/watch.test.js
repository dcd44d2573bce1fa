// A page that nobody feeds comes back: it is loaded again when it stays empty, or does not hear of what was decided.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { awaitData, fed, watchPage } from "../../../avhcurate/ui/components/watch.js";
import { openWindow, serve, stopTime } from "./fakes.js";

let page;

// A page that rests, with something on it, and a server that is there; each can be changed.
beforeEach(() => {
  openWindow();
  fed("card");
  globalThis.MutationObserver = class {
    constructor(see) {
      page.see = see;
    }
    observe() {}
  };
  page = { name: "gallery", drawn: true, rests: true, shown: true, there: true, loaded: 0 };
  globalThis.location = { reload: () => (page.loaded += 1) };
  globalThis.document = {
    querySelector(wanted) {
      if (wanted.includes("stMain")) return page.shown || null;
      if (wanted.includes("CONNECTED")) return null;
      const matches = (wanted) => (wanted.includes("FOREVER") ? page.givenUp : page.rests);
      return page.drawn ? { matches } : null;
    },
  };
});

function begin(context) {
  const asked = serve(() => (page.there ? {} : Promise.reject(new Error("no connection"))));
  const tick = stopTime(context);
  watchPage("/health", () => page.name);
  return { asked, tick };
}

function guest() {
  const one = { asks: 0, ask: () => (one.asks += 1) };
  return one;
}

test("a page that is empty for three seconds is loaded again, once the server answers", async (context) => {
  const { asked, tick } = begin(context);
  page.shown = false;
  await tick(2900);
  assert.deepEqual([asked, page.loaded], [[], 0]);
  page.there = false;
  await tick(3000);
  assert.equal(asked[0], "/health");
  assert.equal(page.loaded, 0);
  page.there = true;
  await tick(600);
  assert.equal(page.loaded, 1);
});

test("a page that Streamlit has taken away as a whole is loaded again too", async (context) => {
  const { tick } = begin(context);
  page.drawn = page.rests = page.shown = false;
  await tick(3600);
  assert.equal(page.loaded, 1);
});

test("a page whose connection Streamlit has given up is loaded again, once the server answers", async (context) => {
  const { tick } = begin(context);
  Object.assign(page, { rests: false, there: false });
  await tick(60_000);
  page.givenUp = true;
  await tick(1000);
  assert.equal(page.loaded, 0);
  page.there = true;
  await tick(1000);
  assert.equal(page.loaded, 1);
});

test("a page is not empty while it runs, or has no connection, or has something on it", async (context) => {
  const { asked, tick } = begin(context);
  for (let turn = 0; turn < 4; turn += 1) {
    page.shown = false;
    await tick(2000);
    page.rests = false;
    await tick(5000);
    page.rests = page.shown = true;
    await tick(500);
  }
  assert.deepEqual([asked, page.loaded], [[], 0]);
});

test("data that do not come are asked for again after four seconds; after ten the page is loaded again", async (context) => {
  const { tick } = begin(context);
  const [first, second] = [guest(), guest()];
  awaitData("card", first.ask);
  awaitData("page", second.ask);
  await tick(3500);
  assert.equal(first.asks, 0);
  await tick(1000);
  assert.deepEqual([first.asks, second.asks], [1, 1]);
  await tick(5000);
  assert.deepEqual([first.asks, page.loaded], [1, 0]);
  await tick(1000);
  assert.equal(page.loaded, 1);
});

test("who was fed, or is on another page by now, waits for nothing", async (context) => {
  const { asked, tick } = begin(context);
  awaitData("card", guest().ask);
  await tick(8000);
  fed("card");
  await tick(20_000);
  awaitData("card", guest().ask);
  await tick(8000);
  page.name = "models";
  await tick(20_000);
  assert.deepEqual([asked, page.loaded], [[], 0]);
});

test("after a cut data of the page do not feed a card, whose own may be lost", async (context) => {
  const { tick } = begin(context);
  awaitData("card", guest().ask);
  fed("page");
  await tick(11_000);
  assert.equal(page.loaded, 0);
  page.see();
  awaitData("card", guest().ask);
  fed("page");
  await tick(11_000);
  assert.equal(page.loaded, 1);
  awaitData("card", guest().ask);
  fed("card");
  await tick(60_000);
  assert.equal(page.loaded, 1);
});

test("a page is not loaded again more often than every thirty seconds, by the window's own memory", async (context) => {
  const { tick } = begin(context);
  page.shown = false;
  await tick(3600);
  assert.equal(page.loaded, 1);
  await tick(29_000);
  assert.equal(page.loaded, 1);
  await tick(2000);
  assert.equal(page.loaded, 2);
});

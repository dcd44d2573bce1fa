// Pictures of a card: one that a cut has stopped is loaded again, and only one that cannot be drawn is called broken.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createPictures } from "../../../avhcurate/ui/components/pictures.js";
import { settled, stopTime } from "./fakes.js";

const CUT = null;
let drawn; // every address that an image was given
let images;

class FakeImage {
  classList = { toggle: () => undefined };
  naturalWidth = 200;
  decode = async () => undefined;
  remove = () => undefined;
  constructor() {
    images.push(this);
  }
  set src(address) {
    drawn.push(address);
  }
}

beforeEach(() => {
  [drawn, images] = [[], []];
  globalThis.document = { createElement: () => new FakeImage() };
  globalThis.createImageBitmap = async (bytes) => {
    if (bytes !== "picture") throw new Error("no picture");
  };
});

// Pictures from a server that answers in turn with a picture, with other bytes, with a status, or not at all.
function begin(context, ...answers) {
  const came = [];
  globalThis.fetch = async () => {
    const answer = answers.shift();
    if (answer === CUT) throw new Error("no connection");
    return { status: Number(answer) || 200, blob: async () => answer };
  };
  const tick = stopTime(context);
  const pictures = createPictures({ appendChild: () => undefined }, (src) => came.push(src));
  pictures.keep(["/a"]);
  const fail = async () => {
    images[0].onerror();
    await settled();
  };
  return { came, fail, pictures, tick };
}

test("a picture that cuts have stopped is loaded again with longer pauses, and is not broken", async (context) => {
  const { came, fail, pictures, tick } = begin(context, CUT, CUT, "picture", 503);
  for (const pause of [400, 800, 1600, 3200]) {
    const before = drawn.length;
    await fail();
    await tick(pause - 100);
    assert.equal(drawn.length, before);
    await tick(100);
    assert.equal(drawn.length, before + 1);
  }
  assert.deepEqual([came, pictures.of("/a").broken], [[], false]);
  await images[0].onload();
  assert.deepEqual([came, pictures.of("/a").ready, pictures.of("/a").broken], [["/a"], true, false]);
});

test("a picture whose bytes all come and cannot be drawn is broken, and is not tried again", async (context) => {
  const { came, fail, pictures, tick } = begin(context, CUT, "something else");
  await fail();
  await tick(400);
  await fail();
  await tick(60_000);
  assert.deepEqual([came, pictures.of("/a").broken, drawn], [["/a"], true, ["/a", "/a"]]);
});

test("a picture that is not wanted any more is not loaded again", async (context) => {
  const { fail, pictures, tick } = begin(context, CUT);
  await fail();
  pictures.keep([]);
  await tick(10_000);
  assert.deepEqual(drawn, ["/a"]);
});

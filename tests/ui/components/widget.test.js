// The grid in a notebook: questions and answers as messages of a widget, and thumbnails in batches.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { draw, read } from "../../../avhcurate/ui/components/carrier.js";
import { createThumbnails } from "../../../avhcurate/ui/components/thumbnails.js";
import { createCarrier, run } from "../../../avhcurate/ui/components/widget/widget.js";
import { openWindow, serve, settled, stopTime } from "./fakes.js";

// An image as the tiles have it: an address, and whether the picture was broken.
class Picture extends EventTarget {
  src = "";
  broken = 0;
  constructor() {
    super();
    this.addEventListener("error", () => (this.broken += 1));
  }
  removeAttribute() {
    this.src = "";
  }
}

// A widget's model whose kernel answers when it is told to.
function begin() {
  const [sent, received] = [[], {}];
  const model = { send: (content) => sent.push(content), on: (event, hear) => (received[event] = hear) };
  return { sent, model, answer: (content, buffers) => received["msg:custom"](content, buffers) };
}

const names = (from, to) => Array.from({ length: to - from }, (_, at) => `/images/digits/${from + at}`);
let made;

beforeEach(() => {
  openWindow();
  made = 0;
  URL.createObjectURL = (blob) => `blob:${(made += 1)}:${blob.size}`;
  URL.revokeObjectURL = () => (made -= 1);
});

test("without a notebook thumbnails come in one answer, asked for again after a cut and a failing server", async (t) => {
  const tick = stopTime(t);
  const answers = [new Error("cut"), { status: 503 }, { bytes: "aaabb", headers: { Sizes: "3,0,2" } }];
  const asked = serve(async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const images = ["7?v=a", "8?v=a", "9?v=a"].map((end) => {
    const image = new Picture();
    draw(image, `/b/images/digits/${end}`);
    return image;
  });
  await tick(1300);
  const at = [9, 8, 7].map((id) => `at=%2Fb%2Fimages%2Fdigits%2F${id}%3Fv%3Da`).join("&");
  assert.deepEqual(asked, Array(3).fill(`/b/images/several?${at}`));
  assert.deepEqual(
    images.map(({ src, broken }) => [src, broken]),
    [
      ["blob:2:2", 0],
      ["", 1],
      ["blob:1:3", 0],
    ],
  );
});

test("without a notebook a page is asked by HTTP, in one it is the model, whose answers may come in any order", async () => {
  const asked = serve(async () => ({ json: { tiles: [1] } }));
  assert.deepEqual([await (await read("/grid/a/rows")).json(), asked], [{ tiles: [1] }, ["/grid/a/rows"]]);
  const { sent, model, answer } = begin();
  run("", "").initialize({ model });
  const [rows, ranges] = [read("/grid/a/rows?start=0"), read("/grid/a/ranges", { body: "{}" })];
  assert.deepEqual(sent, [
    { ask: 1, address: "/grid/a/rows?start=0", body: "" },
    { ask: 2, address: "/grid/a/ranges", body: "{}" },
  ]);
  answer({ answer: 2, status: 404, json: { error: "closed" } }, []);
  answer({ answer: 1, status: 200, json: { tiles: [2] } }, []);
  answer({ answer: 1, status: 200, json: {} }, []); // another view of the same widget has heard it too
  assert.deepEqual([(await rows).ok, await (await rows).json(), (await ranges).ok], [true, { tiles: [2] }, false]);
  assert.equal(asked.length, 1);
});

test("pictures come in batches, those wanted last first, and what is out of sight is not asked for", async () => {
  const { sent, model, answer } = begin();
  const carrier = createCarrier(model);
  const images = names(0, 60).map((name) => {
    const image = new Picture();
    carrier.draw(image, name);
    return image;
  });
  await settled();
  assert.deepEqual(sent, [{ ask: 1, pictures: names(36, 60).reverse() }]);
  for (let place = 0; place < 30; place++) carrier.draw(images[place], "");
  answer(
    { answer: 1 },
    names(36, 60).map((_, at) => new Uint8Array(at === 0 ? 0 : 5)),
  );
  await settled();
  assert.deepEqual(sent[1], { ask: 2, pictures: names(30, 36).reverse() });
  assert.deepEqual([images[59].broken, images[59].src, images[58].src, images[30].src], [1, "", "blob:1:5", ""]);
  carrier.draw(images[0], "/images/digits/58"); // it is known
  assert.equal(images[0].src, "blob:1:5");
});

test("pictures that were not drawn for long are let go", async () => {
  const drawn = createThumbnails(async (sources) => sources.map(() => new Uint8Array(5)));
  for (let start = 0; start < 700; start += 100) {
    for (const name of names(start, start + 100)) drawn(new Picture(), name);
    for (let turn = 0; turn < 10; turn++) await settled();
  }
  assert.equal(made, 600);
});

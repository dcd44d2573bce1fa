import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { rangesCount } from "../../../avhcurate/ui/components/grid/ranges.js";
import { openWindow, serve, settled } from "./fakes.js";

const view = (key, more = {}) => ({ key, about: "pets", order: "avh", count: 100, source: `/grid/${key}`, ...more });

// As after a reload: the module finds what was selected before.
openWindow({
  "avhcurate:selection": JSON.stringify({
    ...view("a"),
    ranges: [
      [2, 5],
      [9, 10],
    ],
  }),
});
const { createSelection } = await import("../../../avhcurate/ui/components/grid/selection.js");

function begin() {
  let drawn = 0;
  const selection = createSelection(() => (drawn += 1));
  return { selection, drawn: () => drawn };
}

// What a grid that is gone had selected is forgotten when its samples are shown again and cleared.
function forget() {
  for (const about of ["birds", "pets"]) {
    const { selection } = begin();
    selection.move(view("clear", { about }));
    selection.set([]);
    selection.destroy();
  }
}

beforeEach(() => serve(() => assert.fail("nothing is asked")));
afterEach(forget);

test("a selection is there after a reload, is counted, kept, and drawn once", () => {
  const { selection, drawn } = begin();
  selection.move(view("a"));
  assert.deepEqual(selection.ranges(), [
    [2, 5],
    [9, 10],
  ]);
  selection.set([[2, 6]]);
  selection.set([[2, 6]]);
  assert.deepEqual([selection.count(), drawn()], [4, 1]);
  assert.deepEqual(JSON.parse(sessionStorage["avhcurate:selection"]).ranges, [[2, 6]]);
});

test("in another order the same samples stay selected: the server says where they are", async () => {
  const { selection } = begin();
  selection.move(view("a"));
  selection.set([[0, 2]]);
  const asked = serve((_, { body }) => {
    assert.deepEqual(JSON.parse(body), { view: "a", ranges: [[0, 2]] });
    return { json: { ranges: [[98, 100]] } };
  });
  selection.move(view("b", { order: "loss" }));
  assert.deepEqual([selection.ranges(), selection.count()], [[], 2]); // counted while their places are not known
  await selection.settled();
  assert.deepEqual([selection.ranges(), asked], [[[98, 100]], ["/grid/b/ranges"]]);
});

test("what has left the grid is selected no more, and that is said once the server has said so", async () => {
  const { selection, drawn } = begin();
  selection.move(view("a"));
  selection.set([[0, 2]]);
  serve(() => ({ json: { ranges: [] } }));
  selection.move(view("b", { count: 98 }));
  const before = drawn();
  await selection.settled();
  assert.deepEqual([selection.count(), drawn()], [0, before + 1]);
  assert.deepEqual(JSON.parse(sessionStorage["avhcurate:selection"]).ranges, []);
});

test("where the view looks the same the selection shows at once, and what is selected meanwhile counts", async () => {
  const { selection } = begin();
  selection.move(view("a"));
  selection.set([[0, 2]]);
  let answer;
  serve(() => new Promise((done) => (answer = done)));
  selection.move(view("b"));
  assert.deepEqual(selection.ranges(), [[0, 2]]);
  selection.set([[0, 3]]);
  answer({ json: { ranges: [[0, 1]] } });
  await settled();
  assert.deepEqual(selection.ranges(), [[0, 3]]);
});

for (const [what, next, keep, expected] of [
  [
    "what is added to it before the answer is selected with it",
    [[5, 6]],
    true,
    [
      [5, 6],
      [10, 12],
    ],
  ],
  ["what is selected instead is selected alone", [[5, 6]], false, [[5, 6]]],
  ["what is cleared does not come back", [], false, []],
]) {
  test(`in another order ${what}`, async () => {
    const { selection } = begin();
    selection.move(view("a"));
    selection.set([[0, 2]]);
    let answer;
    serve(() => new Promise((done) => (answer = done)));
    selection.move(view("b", { order: "loss" }));
    selection.set(next, keep);
    answer({ json: { ranges: [[10, 12]] } });
    await settled();
    assert.deepEqual([selection.ranges(), selection.count()], [expected, rangesCount(expected)]);
  });
}

test("all stay all without a question, other samples clear it, and a server that fails too", async () => {
  const { selection } = begin();
  selection.move(view("a"));
  selection.set([[0, 100]]);
  selection.move(view("b", { count: 40 }));
  assert.deepEqual(selection.ranges(), [[0, 40]]);
  selection.move(view("c", { about: "birds" }));
  assert.deepEqual(selection.ranges(), []);
  selection.set([[1, 2]]);
  serve(() => Promise.reject(new Error("no connection")));
  selection.move(view("d", { about: "birds", order: "loss" }));
  await selection.settled();
  assert.deepEqual([selection.ranges(), selection.count()], [[], 0]);
});

test("what was selected in a grid that is gone is there when its samples are shown again", () => {
  const { selection } = begin();
  selection.move(view("a"));
  selection.set([[4, 6]]);
  selection.destroy();
  const next = createSelection(() => undefined);
  next.move(view("a"));
  assert.deepEqual(next.ranges(), [[4, 6]]);
  next.set([]);
  next.destroy();
  const last = createSelection(() => undefined);
  last.move(view("a"));
  assert.deepEqual(last.ranges(), []);
});

test("without a storage a selection is lost with a reload only", () => {
  const { selection } = begin();
  sessionStorage.setItem = () => {
    throw new Error("full");
  };
  selection.move(view("a"));
  selection.set([[1, 2]]);
  assert.equal(selection.count(), 1);
});

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { openWindow, serve, settled } from "./fakes.js";

const MODULE = "../../../avhcurate/ui/components/grid/selection.js";

// A module of its own remembers nothing of the other tests, as after a reload.
async function begin(kept) {
  openWindow(kept);
  const { createSelection } = kept ? await import(`${MODULE}?reloaded`) : await import(MODULE);
  let drawn = 0;
  const selection = createSelection(() => (drawn += 1));
  return { selection, createSelection, drawn: () => drawn };
}

const view = (key, more = {}) => ({ key, about: "pets", order: "avh", count: 100, source: `/grid/${key}`, ...more });

// What a grid that is gone had selected is forgotten when it is shown again and cleared.
beforeEach(async () => {
  serve(() => assert.fail("nothing is asked"));
  for (const about of ["birds", "pets"]) {
    const { selection } = await begin();
    selection.move(view("clear", { about }));
    selection.set([]);
    selection.destroy();
  }
});

test("a selection that is set is counted, kept over a reload, and drawn once", async () => {
  const { selection, drawn } = await begin();
  selection.move(view("a"));
  selection.set([[2, 5], [9, 10]]);
  selection.set([[2, 5], [9, 10]]);
  assert.deepEqual([selection.count(), drawn()], [4, 2]);
  const kept = sessionStorage["avhcurate:selection"];
  const again = (await begin({ "avhcurate:selection": kept })).selection;
  again.move(view("a"));
  assert.deepEqual(again.ranges(), [[2, 5], [9, 10]]);
});

test("in another order the same samples stay selected: the server says where they are", async () => {
  const { selection } = await begin();
  selection.move(view("a"));
  selection.set([[0, 2]]);
  const asked = serve((_, { body }) => (assert.deepEqual(JSON.parse(body), { view: "a", ranges: [[0, 2]] }), { json: { ranges: [[98, 100]] } }));
  selection.move(view("b", { order: "loss" }));
  assert.deepEqual([selection.ranges(), selection.count()], [[], 2]); // counted while their places are not known
  await selection.settled();
  assert.deepEqual([selection.ranges(), asked], [[[98, 100]], ["/grid/b/ranges"]]);
});

test("where the view looks the same the selection shows at once, and what is selected meanwhile counts", async () => {
  const { selection } = await begin();
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

test("in another order what is selected before the answer is added to it", async () => {
  const { selection } = await begin();
  selection.move(view("a"));
  selection.set([[0, 2]]);
  let answer;
  serve(() => new Promise((done) => (answer = done)));
  selection.move(view("b", { order: "loss" }));
  selection.set([[5, 6]]);
  answer({ json: { ranges: [[10, 12]] } });
  await settled();
  assert.deepEqual(selection.ranges(), [[5, 6], [10, 12]]);
});

test("all stay all without a question, other samples clear it, and a server that fails too", async () => {
  const { selection } = await begin();
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

test("what was selected in a grid that is gone is there when its samples are shown again", async () => {
  const { selection, createSelection } = await begin();
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

test("without a storage a selection is lost with a reload only", async () => {
  const { selection } = await begin();
  sessionStorage.setItem = () => {
    throw new Error("full");
  };
  selection.move(view("a"));
  selection.set([[1, 2]]);
  assert.equal(selection.count(), 1);
});

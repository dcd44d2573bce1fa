import assert from "node:assert/strict";
import { test } from "node:test";

import { chipTexts, isOn, withActs } from "../../../avhcurate/ui/components/facets/state.js";

const bars = [
  { text: "cat", value: 0 },
  { text: "dog", value: 1 },
];
const animals = { key: "classes", title: "Label", shape: "rows", bars, chosen: [1] };
const avh = { key: "avh", title: "AVH", shape: "range", bars: [], chosen: [null, null] };

test("values are chosen one by one, a range by its ends", () => {
  assert.deepEqual(
    bars.map((bar) => isOn(animals, bar)),
    [false, true],
  );
  const bar = { low: 1, high: 2 };
  for (const [chosen, on] of [
    [[null, null], false],
    [[2, null], true],
    [[2.1, null], false],
    [[null, 1], true],
    [[null, 0.9], false],
    [[1.2, 1.3], true],
  ]) {
    assert.equal(isOn({ ...avh, chosen }, bar), on);
  }
  assert.equal(isOn({ ...avh, chosen: [null, 5] }, { low: null, high: 2 }), true);
});

test("facets show what is on its way, the last word last", () => {
  const shown = (...acts) => withActs([animals, avh], acts);
  assert.deepEqual(shown(), [animals, avh]);
  assert.deepEqual(
    shown({ key: "classes", kind: "values", values: [] }, { key: "classes", kind: "values", values: [0] })[0].chosen,
    [0],
  );
  assert.deepEqual(shown({ key: "avh", kind: "range", low: 1, high: null })[1].chosen, [1, null]);
  assert.deepEqual(shown({ key: "avh", kind: "remove" }), [animals]);
  assert.deepEqual(shown({ key: "classes", kind: "find", find: "d" })[0], { ...animals, find: "d" });
});

test("a chip says in few words what a facet keeps", () => {
  assert.deepEqual(chipTexts(animals), ["Label dog"]);
  assert.deepEqual(chipTexts({ ...animals, chosen: [0, 1, null] }), ["Label cat or dog or none"]);
  assert.deepEqual(chipTexts({ ...animals, chosen: [] }), []);
  assert.deepEqual(chipTexts({ ...animals, key: "tags", chosen: [0, 1] }), ["Tag cat", "Tag dog"]);
  assert.deepEqual(chipTexts({ ...avh, title: "HSF (simulated votes)", chosen: [0.25, 0.75] }), ["HSF 0.25–0.75"]);
  assert.deepEqual(
    [
      [null, null],
      [1, null],
      [null, 2 / 3],
    ].flatMap((chosen) => chipTexts({ ...avh, chosen })),
    ["AVH from 1", "AVH to 0.6667"],
  );
});

// The arithmetic of the grid: ranges, rows, keys, acts on their way, a scroll bar.

import assert from "node:assert/strict";
import { test } from "node:test";

import { STEPS, turnPage } from "../../../avhcurate/ui/components/grid/keys.js";
import { GAP, gridLayout, tileSizes, wordsOf } from "../../../avhcurate/ui/components/grid/layout.js";
import { needless, withDecided } from "../../../avhcurate/ui/components/grid/pending.js";
import {
  rangesCount,
  rangesHas,
  rangesOf,
  rangesUnion,
  rangesWithout,
} from "../../../avhcurate/ui/components/grid/ranges.js";
import { createScroller } from "../../../avhcurate/ui/components/grid/scroller.js";
import { createRandom, stopTime } from "./fakes.js";

// --- ranges ---------------------------------------------------------------------------------

const placesOf = (ranges) => ranges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, at) => from + at));

test("ranges are the sets of their places", () => {
  const random = createRandom(1);
  for (let turn = 0; turn < 300; turn++) {
    const some = () =>
      rangesUnion(
        [],
        Array.from({ length: random(5) }, () => [random(20), random(25)]),
      );
    const [a, b, from] = [some(), some(), random(20)];
    const to = from + random(6);
    const both = new Set([...placesOf(a), ...placesOf(b)]);
    assert.deepEqual(
      placesOf(rangesUnion(a, b)),
      [...both].sort((x, y) => x - y),
    );
    assert.deepEqual(
      placesOf(rangesWithout(a, from, to)),
      placesOf(a).filter((place) => place < from || place >= to),
    );
    assert.equal(rangesCount(a), placesOf(a).length);
    assert.deepEqual(rangesOf(new Set(placesOf(a).reverse())), a);
    for (let place = 0; place < 26; place++) assert.equal(rangesHas(a, place), placesOf(a).includes(place));
  }
});

// --- where rows lie -----------------------------------------------------------------------------

const SIZES = { columns: 4, width: 100, rowHeight: 150 };

test("ten tiles in four columns are three rows, each below the other", () => {
  const layout = gridLayout(10, SIZES, []);
  assert.deepEqual([layout.rows, layout.height, layout.heading(0)], [3, 3 * 150 - GAP, null]);
  assert.deepEqual(
    [0, 1, 2].map((row) => [layout.first(row), layout.end(row), layout.top(row), layout.bottom(row)]),
    [
      [0, 4, 0, 140],
      [4, 8, 150, 290],
      [8, 10, 300, 440],
    ],
  );
  assert.deepEqual([-5, 149, 150, 9999].map(layout.rowAt), [0, 0, 1, 2]);
  assert.deepEqual([layout.below(3, 1), layout.below(7, 1), layout.below(9, -5)], [7, 9, 1]); // the last row is short
});

test("groups have rows of their own below their names", () => {
  const layout = gridLayout(7, { columns: 2, width: 100, rowHeight: 100 }, [
    { title: "a", count: 3, lacks: [], asks: {} },
    { title: "b", count: 2, lacks: [], asks: {} },
    { title: "c", count: 2, lacks: ["accept"], asks: {} },
  ]);
  const rows = Array.from({ length: layout.rows }, (_, row) => [
    layout.heading(row),
    layout.first(row),
    layout.end(row),
    layout.top(row),
  ]);
  assert.deepEqual(rows, [
    [{ title: "a", places: [0, 3], lacks: [], asks: {} }, 0, 2, 0],
    [null, 2, 3, 132],
    [{ title: "b", places: [3, 5], lacks: [], asks: {} }, 3, 5, 232],
    [{ title: "c", places: [5, 7], lacks: ["accept"], asks: {} }, 5, 7, 364],
  ]);
  assert.deepEqual([layout.rowOf(2), layout.rowOf(6), layout.rowAt(230), layout.height], [1, 3, 1, 486]);
  assert.deepEqual([layout.bottom(1), layout.bottom(3), layout.below(2, 1), layout.below(4, -1)], [222, 486, 3, 2]);
});

test("a box covers the tiles that it touches", () => {
  const layout = gridLayout(10, SIZES, []);
  assert.deepEqual(layout.covered({ x: 115, y: 0 }, { x: 260, y: 160 }), [
    [1, 3],
    [5, 7],
  ]);
  assert.deepEqual(layout.covered({ x: 250, y: 310 }, { x: 900, y: 900 }), []); // right of the last tile
  assert.deepEqual(layout.covered({ x: 0, y: 145 }, { x: 5, y: 160 }), [[4, 5]]); // the gap is no tile's
  assert.deepEqual(gridLayout(0, SIZES, []).covered({ x: 0, y: 0 }, { x: 9, y: 9 }), []);
});

test("as many tiles as fit stand in a row", () => {
  const style = new Map();
  const root = { classList: { toggle: (name, on) => style.set(name, on) } };
  const board = {
    clientWidth: 640,
    closest: () => root,
    style: { setProperty: (name, value) => style.set(name, value) },
  };
  assert.deepEqual(tileSizes(board, 100, true), { columns: 5, width: 120, rowHeight: 132 });
  assert.deepEqual(
    [...style],
    [
      ["small", true],
      ["--columns", "5"],
      ["--row", "122px"],
    ],
  );
  const plain = { title: "", score: "", percentile: null, sub: "", note: "" };
  assert.deepEqual(wordsOf({ tiles: [plain] }), { single: true, bare: true });
  assert.deepEqual(wordsOf({ tiles: [plain, { ...plain, title: "cat" }] }), { single: true, bare: false });
  assert.deepEqual(wordsOf({ tiles: [{ ...plain, sub: "two votes" }] }), { single: false, bare: false });
});

// --- keys -------------------------------------------------------------------------------------

test("keys move within the rows, and a page goes on from what is in sight", () => {
  const layout = gridLayout(100, SIZES, []); // 25 rows of 150
  const scroller = { offset: () => 1500, window: () => 450, to: (y) => (scroller.at = y) };
  const step = (key, place) => STEPS[key](place, layout, scroller);
  assert.deepEqual(
    ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"].map((key) => step(key, 42)),
    [43, 41, 46, 38],
  );
  assert.deepEqual([step("ArrowDown", 98), step("ArrowUp", 2), step("Home", 9), step("End", 9)], [98, 2, 0, Infinity]);
  assert.equal(step("PageDown", 41), 53); // three rows
  assert.equal(step("PageDown", 3), 52); // the focus is out of sight: from the first row in sight
  assert.equal(step("PageUp", 41), 29);
  turnPage(1, layout, scroller);
  assert.equal(scroller.at, 13 * 150);
  turnPage(-4, layout, scroller);
  assert.equal(scroller.at, 0);
  const none = gridLayout(0, SIZES, []);
  assert.deepEqual([STEPS.PageDown(0, none, scroller), STEPS.ArrowDown(0, none, scroller)], [0, 0]);
  turnPage(1, none, scroller);
});

// --- acts on their way ------------------------------------------------------------------------

const ROW = { id: 7, title: "cat", badges: ["new"], muted: false };
const act = (kind, value = null, ids = [[7, 8]], more = {}) => ({ kind, value, ids, ...more });

test("a row shows what is on its way for it, and an undo takes the newest of it back", () => {
  const shown = (...acts) => withDecided(ROW, acts, ["dog", "cat"]);
  assert.equal(shown(), ROW);
  assert.equal(shown(act("tag", "odd", [[8, 10]])), ROW);
  assert.deepEqual(shown(act("tag", "odd"), act("untag", "new"), act("exclude")), {
    ...ROW,
    muted: true,
    badges: ["excluded", "odd"],
  });
  assert.deepEqual(shown(act("exclude"), act("include")), ROW);
  assert.equal(shown(act("relabel", 0)).title, "dog");
  assert.equal(shown(act("relabel", null)).title, "cat");
  assert.deepEqual(shown(act("tag", "odd"), act("exclude"), act("undo")).badges, ["new", "odd"]);
  assert.deepEqual(shown(act("tag", "odd"), act("undo", 12)).badges, ["new", "odd"]); // of an entry long ago
  const named = act("tag", "odd", [[7, 8]], { nonce: "n" });
  assert.deepEqual(shown(named, act("exclude"), act("undo", null, [], { of: "n" })).badges, ["excluded", "new"]);
});

test("what changes nothing is not worth telling", () => {
  assert.equal(needless(ROW, "tag", "new", []), "It has this tag already");
  assert.equal(needless(ROW, "untag", "odd", []), "It has no such tag");
  assert.equal(needless(ROW, "include", null, []), "It is not excluded");
  assert.equal(needless(ROW, "relabel", 1, ["dog", "cat"]), "It has this label already");
  for (const [action, value] of [
    ["relabel", null],
    ["tag", "odd"],
    ["exclude", null],
  ])
    assert.equal(needless(ROW, action, value, []), "");
});

// --- a scroll bar -------------------------------------------------------------------------------

function scrolled(height) {
  const listeners = {};
  const node = { scrollTop: 0, clientHeight: 500, addEventListener: (name, hear) => (listeners[name] = hear) };
  const [sizer, layer, moves] = [{ style: {} }, { style: {} }, []];
  const scroller = createScroller(node, sizer, layer, (by, flying) => moves.push([by, flying]));
  scroller.resize(height);
  const bar = (to) => {
    node.scrollTop = to;
    node.onscroll();
  };
  return {
    scroller,
    node,
    sizer,
    layer,
    moves,
    bar,
    wheel: (event) => listeners.wheel({ preventDefault: () => undefined, deltaMode: 0, ...event }),
  };
}

test("a short grid scrolls as the browser does", () => {
  const { scroller, node, sizer, layer, moves, bar, wheel } = scrolled(3000);
  assert.deepEqual([sizer.style.height, scroller.most(), scroller.window()], ["3000px", 2500, 500]);
  scroller.to(9999);
  assert.deepEqual([scroller.offset(), node.scrollTop, moves.pop()], [2500, 2500, [2500, false]]);
  bar(1000);
  assert.deepEqual(
    [scroller.offset(), scroller.base(), layer.style.transform, moves.pop()],
    [1000, 0, "translateY(0px)", [-1500, true]],
  );
  bar(1000);
  wheel({ deltaY: 40 });
  assert.deepEqual(moves, []); // the wheel is the browser's
  scroller.resize(1200);
  assert.equal(scroller.offset(), 700);
});

test("a grid taller than browsers allow shows every row: the bar points, fingers and wheel move by pixels", async (context) => {
  const tick = stopTime(context);
  const { scroller, node, sizer, bar, wheel } = scrolled(40e6);
  assert.deepEqual([sizer.style.height, scroller.most()], ["4000000px", 40e6 - 500]);
  bar(2e6); // far: half of the way
  assert.ok(Math.abs(scroller.offset() - 20e6) < 3000);
  const before = scroller.offset();
  bar(2e6 + 30); // near: by pixels
  assert.equal(scroller.offset(), before + 30);
  await tick(200);
  assert.ok(Math.abs(node.scrollTop - 2e6) < 30); // once the hand rests the bar stands where the rows are
  wheel({ deltaY: 3, deltaMode: 1 });
  assert.equal(scroller.offset(), before + 150);
  wheel({ deltaY: 3, ctrlKey: true });
  assert.equal(scroller.offset(), before + 150);
  scroller.to(40e6);
  assert.equal(scroller.offset(), 40e6 - 500);
  assert.ok(scroller.offset() - scroller.base() < 1e6); // what is drawn has small offsets
  scroller.destroy();
});

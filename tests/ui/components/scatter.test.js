// The arithmetic of the scatter chart and of the viewer: cameras, and where points lie; answers that come late.

import assert from "node:assert/strict";
import { test } from "node:test";

import { carryBy } from "../../../avhcurate/ui/components/carrier.js";
import { createCamera } from "../../../avhcurate/ui/components/scatter/camera.js";
import { createPlaces } from "../../../avhcurate/ui/components/scatter/places.js";
import { Chart } from "../../../avhcurate/ui/components/scatter/scatter.js";
import { createCamera as createViewerCamera } from "../../../avhcurate/ui/components/viewer/camera.js";
import { createRandom, settled } from "./fakes.js";

function near(found, wanted) {
  for (const [at, value] of wanted.entries())
    assert.ok(Math.abs(found[at] - value) < 1e-9, `${found} is not ${wanted}`);
}

test("the whole window is in sight at one scale, whatever shape the stage has", () => {
  const camera = createCamera();
  camera.resize(800, 400);
  camera.show([0, 10, 0, 10], [0, 10, 0, 10]);
  near(camera.window(), [-5, 15, 0, 10]);
  near([camera.unit(), camera.zoom()], [10 / 400, 1]);
  near(camera.toScreen(5, 10), [400, 0]);
  near(camera.toPlane(...camera.toScreen(3, 7)), [3, 7]);
});

test("what is under the pointer stays there while the wheel turns, and the window is kept in another shape", () => {
  const camera = createCamera();
  camera.resize(400, 400);
  camera.show([0, 10, 0, 10], [0, 10, 0, 10]);
  const before = camera.toPlane(100, 300);
  camera.zoomBy(4, 100, 300);
  near(camera.toPlane(100, 300), before);
  near([camera.zoom()], [4]);
  camera.panBy(10, 0);
  near(camera.toPlane(110, 300), before);
  const seen = camera.window();
  camera.resize(800, 400);
  near(camera.window().slice(2), seen.slice(2));
  camera.zoomBy(1e9);
  near([camera.zoom()], [4096]);
  camera.zoomBy(1e-9);
  near([camera.unit()], [4 * (10 / 400)]);
});

test("the projection takes shares of the bounds where the camera shows them", () => {
  const camera = createCamera();
  camera.resize(400, 200);
  camera.show([2, 4, 0, 2], [0, 10, 0, 10]);
  const { scale, shift } = camera.projection([0, 10, 0, 20]);
  const [x, y] = [0.35 * scale[0] + shift[0], 0.05 * scale[1] + shift[1]];
  const [left, top] = camera.toScreen(3.5, 1);
  near([x, y], [left / 200 - 1, 1 - top / 100]);
});

function scattered(count) {
  const random = createRandom(7);
  return createPlacesOf(Array.from({ length: 2 * count }, () => random(65536)));
}

function createPlacesOf(values) {
  return { values, places: createPlaces(Uint16Array.from(values)) };
}

test("the nearest point within reach is that of a plain search, of those that count", () => {
  const { values, places } = scattered(3000);
  const counts = (point) => point % 3 > 0;
  for (let turn = 0; turn < 60; turn++) {
    const at = [values[turn] + 150, values[turn + 100] - 150];
    const distance = (point) => Math.hypot((values[2 * point] - at[0]) / 900, (values[2 * point + 1] - at[1]) / 500);
    const all = Array.from({ length: 3000 }, (_, point) => point).filter(
      (point) => counts(point) && distance(point) <= 1,
    );
    const wanted = all.sort((a, b) => distance(a) - distance(b))[0] ?? -1;
    assert.equal(places.nearest(at, [900, 500], counts), wanted);
  }
});

test("of several points at one place the last is on top", () => {
  const { places } = createPlacesOf([10, 10, 500, 500, 10, 10]);
  assert.equal(
    places.nearest([11, 11], [5, 5], () => true),
    2,
  );
  assert.equal(
    places.nearest([30, 30], [5, 5], () => true),
    -1,
  );
});

test("a lasso holds what its outline goes round, also where it is hollow", () => {
  const { places } = createPlacesOf([10, 10, 50, 50, 97, 90, 50, 90, 200, 10]);
  assert.deepEqual([...places.inside([0, 100, 100, 0], [0, 0, 100, 100])], [1, 1, 1, 1, 0]);
  assert.deepEqual([...places.inside([0, 100, 100, 50, 0], [0, 0, 100, 20, 100])], [1, 0, 1, 0, 0]);
});

test("a picture fits its stage, shows its own pixels, and keeps the place under the pointer", () => {
  globalThis.devicePixelRatio = 2;
  const camera = createViewerCamera();
  const picture = { width: 1000, height: 500, across: 400, down: 400 };
  assert.deepEqual(camera.placed(picture), { size: 0.4, x: 0.5, y: 0.5, left: 0, top: 100 });
  assert.deepEqual([camera.mode(), camera.pannable(picture), camera.percent(picture)], ["fit", false, 80]);
  camera.one();
  assert.deepEqual([camera.percent(picture), camera.pannable(picture)], [100, true]);
  camera.fit();
  const at = { x: 300, y: 200 };
  const shareAt = () => (at.x - camera.placed(picture).left) / (1000 * camera.placed(picture).size);
  const before = shareAt();
  camera.zoomBy(3, picture, at);
  assert.equal(camera.mode(), "free");
  near([shareAt()], [before]);
  camera.panBy(-99_999, 0, picture); // to the edge and no further
  near([camera.placed(picture).left + 1000 * camera.placed(picture).size], [400]);
  camera.zoomBy(1e9, picture);
  near([camera.placed(picture).size], [32 * 0.5]);
  camera.zoomBy(0.4 / 16, picture);
  assert.equal(camera.mode(), "fit"); // near the fit it is the fit
});

// --- answers that come late -----------------------------------------------------------------------------------

// Takes whatever is done to it.
const anything = new Proxy(() => anything, { get: () => anything, set: () => true });

// A chart of the points of some rows that draws nothing.
function createChart(rows) {
  const chart = Object.create(Chart.prototype);
  const [data, linked] = [
    { rows, source: "points" },
    { selected: "", ranges: [] },
  ];
  Object.assign(chart, {
    data,
    linked,
    turn: 0,
    facts: new Map(),
    points: { source: "points", want: () => undefined },
  });
  for (const name of ["overlay", "painter", "stage", "canvas", "legend", "pointer", "part"]) chart[name] = anything;
  for (const name of ["resized", "adopt", "recolour", "mark", "ask"]) chart[name] = () => undefined;
  return chart;
}

test("of two answers about what is selected beside the chart the newer one counts, whichever comes first", async () => {
  const answers = [];
  carryBy({ read: () => new Promise((done) => answers.push(done)) });
  const answer = (turn, ranges) => answers[turn]({ ok: true, json: async () => ({ ranges }) });
  const chart = createChart("/rows/map");
  chart.markLinked({ view: "v", ranges: [[0, 1]], place: null });
  chart.markLinked({ view: "v", ranges: [[0, 2]], place: null });
  answer(1, [[7, 9]]);
  await settled();
  answer(0, [[7, 8]]);
  await settled();
  assert.deepEqual(chart.linked.ranges, [[7, 9]]);
});

test("what is said of a point of the rows of before is not said of those of now", async () => {
  let answer;
  carryBy({ read: () => new Promise((done) => (answer = done)) });
  const chart = createChart("/rows/before");
  const asked = chart.factsOf(3);
  chart.update({ rows: "/rows/now", source: "points", axes: ["", ""] }, null);
  answer({ ok: true, json: async () => ({ tiles: [{ id: 12 }] }) });
  assert.deepEqual(await asked, { id: 12 });
  assert.equal(chart.facts.size, 0);
});

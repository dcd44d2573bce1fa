import assert from "node:assert/strict";
import { test } from "node:test";

import { Rows } from "../../../avhcurate/ui/components/grid/rows.js";
import { serve, settled, stopTime } from "./fakes.js";

const tiles = (start, stop) => Array.from({ length: stop - start }, (_, at) => ({ id: 1000 + start + at }));

function window_(address) {
  const query = new URL(address, "http://grid.test").searchParams;
  return { json: { tiles: tiles(Number(query.get("start")), Number(query.get("stop"))) } };
}

test("rows that are wanted are asked for once, in windows, and found by their image", async () => {
  const asked = serve(window_);
  let drawn = 0;
  const rows = new Rows(
    () => (drawn += 1),
    () => assert.fail(),
  );
  rows.set("/grid/key", 130, tiles(0, 60), null);
  rows.want([[50, 125]]);
  rows.want([[50, 125]]);
  await settled();
  assert.deepEqual(asked, ["/grid/key/rows?start=60&stop=120", "/grid/key/rows?start=120&stop=130"]);
  assert.deepEqual([drawn, rows.at(0).id, rows.at(129).id, rows.at(130)], [2, 1000, 1129, null]);
  assert.deepEqual([rows.find(1125, 0), rows.find(7, 0)], [125, null]);
  assert.deepEqual([...rows.idsIn([[59, 61]])], [1059, 1060]);
  rows.destroy();
});

test("what has left the sight is not waited for, and a late answer of an earlier view is not drawn", async () => {
  const held = [];
  const aborted = [];
  serve(
    (address, { signal }) =>
      new Promise((done, fail) => {
        held.push(() => done(window_(address)));
        signal.onabort = () => {
          aborted.push(address);
          fail(signal.reason);
        };
      }),
  );
  const rows = new Rows(
    () => assert.fail("drawn"),
    () => assert.fail("lost"),
  );
  rows.set("/grid/a", 600, [], null);
  rows.want([[0, 60]]);
  rows.want([[300, 310]]);
  assert.deepEqual(aborted, ["/grid/a/rows?start=0&stop=60"]);
  rows.set("/grid/b", 600, [], null);
  for (const answer of held) answer();
  await settled();
  assert.equal(rows.at(300), null);
});

test("of a view with other decisions the old tiles stand in until the new ones come", async () => {
  serve(window_);
  const rows = new Rows(
    () => undefined,
    () => undefined,
  );
  rows.set("/grid/a", 100, tiles(0, 60), null);
  rows.set("/grid/b", 100, [], (row) => ({ ...row, muted: true }));
  assert.deepEqual([rows.at(0), rows.fresh(0)], [{ id: 1000, muted: true }, false]);
  rows.want([[0, 10]]);
  await settled();
  assert.deepEqual([rows.at(0), rows.fresh(0)], [{ id: 1000 }, true]);
});

test("a grid whose rows fail asks the page once, tries again after longer and longer, and says so until they come", async (context) => {
  const tick = stopTime(context);
  let status = 409;
  const asked = serve((address) => ({ ...window_(address), status }));
  let lost = 0;
  const rows = new Rows(
    () => rows.want([[0, 10]]),
    () => {
      lost += 1;
      setTimeout(() => rows.want([[0, 10]])); // as when the page has run and shows the same view
    },
  );
  rows.set("/grid/key", 100, [], null);
  rows.want([[0, 10]]);
  await tick(8000);
  assert.deepEqual([rows.failing(), lost, asked.length], [true, 1, 6]);
  status = 200;
  await tick(8000);
  assert.deepEqual([rows.at(0).id, rows.failing(), lost], [1000, false, 1]);
});

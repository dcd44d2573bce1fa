// How long a component lives: as long as its place on the page, whatever the order in which Streamlit hands on data.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { mounted } from "../../../avhcurate/ui/components/shared.js";
import { settled } from "./fakes.js";

let made = [];

class Card {
  heard = [];
  destroyed = 0;
  constructor(scope) {
    this.scope = scope;
    made.push(this);
  }
  update({ says }) {
    assert.equal(this.destroyed, 0);
    this.heard.push(says);
  }
  destroy() {
    this.destroyed += 1;
  }
}

beforeEach(() => {
  made = [];
});

const newPlace = () => ({ isConnected: true, host: { setAttribute: () => undefined } });

// A place on a page as Streamlit keeps it: it waits for the script, runs it with the data, and ends a run at once that
// newer data have overtaken by then; else when the place goes.
function open(run = mounted((_, { scope }) => new Card(scope))) {
  const parentElement = newPlace();
  let newest = 0;
  let end = () => undefined;
  return {
    async give(says, loaded = settled) {
      newest += 1;
      const turn = newest;
      await loaded(); // the script
      const ended = await run({ data: { says }, parentElement });
      if (turn === newest) end = ended;
      else ended();
    },
    close() {
      parentElement.isConnected = false;
      end();
    },
  };
}

test("a component ends when its place leaves the page, and another one begins in the place that comes then", async () => {
  const run = mounted((_, { scope }) => new Card(scope));
  const place = open(run);
  await place.give("a");
  place.close();
  assert.deepEqual(
    made.map(({ destroyed }) => destroyed),
    [1],
  );
  await open(run).give("b");
  assert.deepEqual(
    made.map(({ heard, destroyed }) => [heard, destroyed]),
    [
      [["a"], 1],
      [["b"], 0],
    ],
  );
});

test("data that overtake each other never end a component that goes on", async () => {
  const place = open();
  await place.give("a");
  for (const burst of ["bc", "def", "g"]) await Promise.all([...burst].map((says) => place.give(says)));
  assert.deepEqual(
    made.map(({ heard, destroyed }) => [heard.join(""), destroyed]),
    [["abcdefg", 0]],
  );
  place.close();
  assert.equal(made[0].destroyed, 1);
});

test("data that are overtaken, and heard before those that follow are, end nothing either", async () => {
  const place = open();
  await place.give("a");
  const overtaken = place.give("b");
  await place.give("c", () => overtaken);
  assert.deepEqual(
    made.map(({ heard, destroyed }) => [heard.join(""), destroyed]),
    [["abc", 0]],
  );
});

test("data of another scope begin a new component, which the late end of the old one's run leaves alone", async () => {
  const run = mounted((_, { scope }) => new Card(scope));
  const parentElement = newPlace();
  const ends = ["ada", "bob"].map((scope) => run({ data: { says: scope, scope }, parentElement }));
  assert.deepEqual(
    made.map(({ scope, destroyed }) => [scope, destroyed]),
    [
      ["ada", 1],
      ["bob", 0],
    ],
  );
  ends[0]();
  run({ data: { says: "again", scope: "bob" }, parentElement });
  assert.deepEqual(made[1].heard, ["bob", "again"]);
});

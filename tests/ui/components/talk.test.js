import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createTalk } from "../../../avhcurate/ui/components/talk.js";
import { openWindow, stopTime } from "./fakes.js";

function begin(options) {
  const sent = [];
  const python = {
    setTriggerValue: (name, value) => sent.push(name === "act" ? value.map((act) => act.value) : [name, value]),
  };
  const talk = createTalk(options);
  talk.receive(python, 0);
  return { sent, python, talk };
}

const valuesOf = (acts) => acts.map(({ sent }) => sent.value);

beforeEach(() => openWindow());

test("acts are sent again until they are handled, and turned back if nobody answers", async (context) => {
  const tick = stopTime(context);
  let gone = 0;
  const { sent, python, talk } = begin({ rest: 100, lost: () => (gone += 1) });
  talk.act({ key: "a", value: 1 }, { replaced: ({ key }) => key === "a" });
  talk.act({ key: "b", value: 2 }, { replaced: ({ key }) => key === "b" });
  talk.act({ key: "a", value: 3 }, { replaced: ({ key }) => key === "a" });
  assert.deepEqual([sent, talk.pending().length], [[], 2]);
  await tick(11_000);
  assert.deepEqual(sent, [
    [2, 3],
    [2, 3],
  ]);
  talk.receive(python, talk.pending()[0].sent.at);
  await tick(70_000);
  assert.deepEqual([sent.at(-1), talk.pending().length, gone], [[3], 0, 1]);
});

test("a late answer to an earlier act leaves the later one pending, and a repeated one changes nothing", (context) => {
  stopTime(context);
  const { sent, python, talk } = begin();
  talk.act({ value: 1 }, { ids: new Set([7]) });
  const first = talk.pending()[0].sent.at;
  talk.act({ value: 2 });
  assert.deepEqual(sent, [[1], [1, 2]]);
  for (let turn = 0; turn < 2; turn++) {
    talk.receive(python, first);
    assert.deepEqual(
      talk.pending().map((act) => act.sent.value),
      [2],
    );
  }
});

test("what else is told comes after the acts that wait, and numbers grow beyond what Python has handled", (context) => {
  stopTime(context);
  const { sent, python, talk } = begin({ rest: 100 });
  talk.receive(python, 5_000_000);
  talk.act({ value: 1 });
  assert.equal(talk.pending()[0].sent.at, 5_000_001);
  talk.send("opened", 4);
  assert.deepEqual(sent, [[1], ["opened", 4]]);
  talk.destroy();
});

test("acts are shared with those who share theirs, in the order of the acts, until they are handled", async (context) => {
  const tick = stopTime(context);
  let drawn = 0;
  const [one, other, alone] = [begin({ shares: true, changed: () => (drawn += 1) }), begin({ shares: true }), begin()];
  other.talk.act({ value: "x" });
  await tick(1);
  one.talk.act({ value: "8" });
  alone.talk.act({ value: "export" });
  for (const { talk } of [one, other]) assert.deepEqual(valuesOf(talk.all()), ["x", "8"]);
  assert.deepEqual([one.talk.pending().length, drawn, valuesOf(alone.talk.all())], [1, 1, ["export"]]);
  other.talk.receive(other.python, other.talk.pending()[0].sent.at);
  assert.deepEqual([valuesOf(one.talk.all()), drawn], [["8"], 2]);
  one.talk.destroy();
  assert.deepEqual(other.talk.all(), []);
});

test("what a facet did stays on the chips until Python has spoken to them too, unless nobody answers", async (context) => {
  const tick = stopTime(context);
  const [facets, chips, grid] = [begin({ shares: true }), begin({ shares: true, stays: true }), begin()];
  facets.talk.act({ value: 1 }, { texts: ["Label cat"] });
  facets.talk.receive(facets.python, facets.talk.pending()[0].sent.at);
  assert.deepEqual([valuesOf(chips.talk.all()), facets.talk.all(), grid.talk.all()], [[1], [], []]);
  chips.talk.receive(chips.python, 0);
  assert.deepEqual(chips.talk.all(), []);
  facets.talk.act({ value: 2 }, { texts: [] });
  assert.deepEqual(valuesOf(chips.talk.all()), [2]);
  await tick(80_000);
  assert.deepEqual(chips.talk.all(), []);
});

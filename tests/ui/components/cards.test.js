// What the cards of tasks and of review decide without a page: which image is next, what an answer on its way changes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createQueue, progress } from "../../../avhcurate/ui/components/classify/queue.js";
import { Field } from "../../../avhcurate/ui/components/commands/field.js";
import { ASKED, completed, matches, meant } from "../../../avhcurate/ui/components/commands/names.js";
import {
  createDecisions,
  needless,
  others,
  standing,
  suggestion,
  undecidable,
  words,
} from "../../../avhcurate/ui/components/review/decisions.js";
import { createDraft, moved } from "../../../avhcurate/ui/components/ticks/sheet.js";
import { openWindow } from "./fakes.js";

// --- classify ---------------------------------------------------------------------------------

const item = (id, task = `task-${id}`) => ({ id, task, src: `/images/${id}` });
const ids = (items) => items.map(({ id }) => id);

function asked(...offered) {
  const entries = [];
  const queue = createQueue(() => entries);
  queue.receive(
    offered.map((id) => item(id)),
    0,
  );
  const send = (kind, id) => entries.push({ kind, ids: [[id, id + 1]], nonce: `nonce-${id}` });
  const answer = (id) => {
    send("answer", id);
    queue.give(item(id), 0);
    queue.sent(`nonce-${id}`);
  };
  return { entries, queue, answer, send };
}

test("an image that is answered goes at once, and comes back first when the answer is taken back", () => {
  const { entries, queue, answer, send } = asked(1, 2, 3);
  answer(1);
  answer(2);
  assert.deepEqual([ids(queue.items()), queue.answered()], [[3], 2]);
  assert.equal(queue.takeBack().item.id, 2);
  send("back", 2);
  assert.deepEqual([ids(queue.items()), queue.answered(), queue.last().item.id], [[2, 3], 1, 1]);
  queue.receive([item(2, "another"), item(3)], 0);
  assert.equal(queue.items()[0].task, "another"); // Python's newest name of the task
  entries.length = 0;
  queue.receive([item(3)], 1);
  assert.deepEqual(ids(queue.items()), [3]); // nobody is asked what Python does not offer
});

test("an image that was answered is not asked again, whatever data of before say", () => {
  const { entries, queue, answer } = asked(1, 2);
  answer(1);
  entries.length = 0; // the server has it
  queue.receive([item(1), item(2)], 0);
  assert.deepEqual(ids(queue.items()), [2]);
});

test("an answer that an earlier page has left is not asked about either", () => {
  const { queue, send } = asked(1, 2);
  send("answer", 1);
  assert.deepEqual(ids(queue.items()), [2]);
});

test("a refused answer is unanswered once data send what its image is, and there is nothing to take back", () => {
  const { entries, queue, answer } = asked(1);
  answer(1);
  entries.length = 0;
  queue.refuse({ kind: "answer", ids: [[1, 2]], nonce: "nonce-1" }, 3);
  assert.deepEqual([queue.answered(), queue.last(), queue.takeBack()], [0, undefined, null]);
  queue.receive([item(1)], 2); // data of before
  assert.deepEqual(ids(queue.items()), []);
  queue.receive([item(1)], 3);
  assert.deepEqual(ids(queue.items()), [1]);
});

test("progress counts answers on their way", () => {
  const entries = [{ kind: "answer" }, { kind: "skip" }, { kind: "back" }, { kind: "exclude" }];
  assert.deepEqual(progress({ done: 999, goal: 2000 }, entries), {
    text: "1,000 of 2,000 answered",
    max: 2000,
    value: 1000,
  });
  assert.deepEqual(progress({ done: 0, goal: 0, apart: "2 controls" }, [{ kind: "back" }]), {
    text: "0 answered · 2 controls",
    max: 1,
    value: 0,
  });
});

test("a search finds names by their beginning, then by a word's, then by a part", () => {
  const classes = ["housecat", "wild cat", "Catfish", "dog"];
  assert.deepEqual(matches(classes, " cat"), [2, 1, 0]);
  assert.deepEqual(matches(classes, ""), [0, 1, 2, 3]);
  assert.deepEqual(matches(classes, "x"), []);
});

// --- ticks --------------------------------------------------------------------------------------

test("arrows move among the tiles of a sheet and stop at its edges", () => {
  const to = (key, at) => moved(key, at, 4, 10);
  assert.deepEqual(
    ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"].map((key) => to(key, 5)),
    [6, 4, 9, 1, 4, 7],
  );
  assert.deepEqual([to("ArrowDown", 7), to("ArrowUp", 2), to("ArrowRight", 9), to("End", 8)], [7, 2, 9, 9]);
  assert.equal(to("a", 5), undefined);
});

test("ticks are kept in the browser until they are submitted, where it has a storage", () => {
  openWindow();
  const draft = createDraft("ann");
  draft.keep("sheet", new Set([3, 4]));
  assert.deepEqual(
    [draft.recall("sheet"), draft.recall("other"), createDraft("bob").recall("sheet")],
    [[3, 4], null, null],
  );
  draft.forget("sheet");
  assert.equal(draft.recall("sheet"), null);
  Object.defineProperty(globalThis, "localStorage", {
    get: () => {
      throw new Error("denied");
    },
    configurable: true,
  });
  assert.equal(draft.recall("sheet"), null);
});

// --- the field of names -------------------------------------------------------------------------

const TAG = { free: true, add: ["Add tag", "tag"], away: ["Remove tag", "untag"] };
const LABEL = { free: false, add: ["Relabel", "relabel"], away: ["Restore label", "relabel"] };

function typed(asked_, text, { away = false, picked = false, at = 0, names = ["blurry", "lurid", "blur"] } = {}) {
  const found = completed(names, text);
  return meant(asked_, away, text, { matches: found, known: found[at], picked });
}

test("a tag is what was typed, the known one that begins so, or the one that was pointed at", () => {
  assert.deepEqual(
    completed(["Lurid", "blur"], "LUR").map(({ name }) => name),
    ["Lurid", "blur"],
  );
  assert.deepEqual(typed(TAG, "blurry"), ["tag", "blurry"]);
  assert.deepEqual(typed(TAG, "blur"), ["tag", "blur"]); // exactly, though another comes first
  assert.deepEqual(typed(TAG, "blurr"), ["tag", "blurry"]);
  assert.deepEqual(typed(TAG, "rid"), ["tag", "rid"]); // a part of a name is a new name
  assert.deepEqual(typed(TAG, "rid", { picked: true }), ["tag", "lurid"]);
  assert.deepEqual(typed(TAG, "blurry", { away: true }), ["untag", "blurry"]);
  assert.equal(typed(TAG, "  ", { names: [] }), null);
  assert.equal(typed({ ...TAG, away: null }, "blur", { away: true }), null);
});

test("a label is a known class, and may be given back", () => {
  assert.deepEqual(typed(LABEL, "lur"), ["relabel", "lurid"]);
  assert.deepEqual(typed(LABEL, "blur"), ["relabel", "blur"]);
  assert.deepEqual(typed(LABEL, "blur", { away: true }), ["relabel", null]);
  assert.equal(typed(LABEL, "unknown"), null);
});

// What the field stands on: nodes that take whatever is done to them.
function createNode() {
  const node = { style: {}, value: "", children: [], append: () => undefined };
  for (const name of ["addEventListener", "setAttribute", "togglePopover", "replaceChildren", "appendChild", "focus"]) {
    node[name] = () => undefined;
  }
  node.querySelector = createNode;
  return node;
}

test("a label is of the class that was chosen, also where the classes have changed since", () => {
  globalThis.document = { createElement: createNode };
  const acts = [];
  const field = new Field(createNode(), { act: (...act) => acts.push(act), chosen: () => 1, closed: () => undefined });
  const choose = (before, now) => {
    field.asked = ASKED.label;
    field.names = { classes: before, tags: [] };
    field.input.value = "cat";
    field.find();
    field.names = { classes: now, tags: [] };
    field.take(false);
  };
  choose(["ant", "bee", "cat"], ["ant", "bee", "cat"]);
  choose(["ant", "bee", "cat"], ["ant", "cat", "dog"]);
  choose(["ant", "bee", "cat"], ["ant", "bee", "dog"]); // nothing
  assert.deepEqual(acts, [
    ["relabel", 2],
    ["relabel", 1],
  ]);
});

// --- review ---------------------------------------------------------------------------------------

const SUSPECT = {
  id: 7,
  place: 3,
  choices: [
    { label: 1, name: "dog" },
    { label: 2, name: "cow" },
  ],
  suggested: 1,
  given: "cat",
  state: "",
  tags: ["odd"],
  excluded: false,
};

test("a suspect is what the decisions on their way make of it, in their order", () => {
  const become = (...decisions) =>
    standing(
      SUSPECT,
      decisions.map((one, at) => ({ nonce: `n${at}`, ids: [[7, 8]], ...one })),
    );
  assert.deepEqual(become(), { state: "", tags: ["odd"], excluded: false });
  assert.equal(become({ kind: "accept" }).state, "accepted");
  assert.equal(become({ kind: "keep" }, { kind: "undo", of: "n0" }).state, "");
  assert.equal(become({ kind: "keep", ids: [[8, 9]] }).state, "");
  assert.equal(become({ kind: "relabel", value: 2 }).state, "accepted");
  assert.equal(become({ kind: "relabel", value: null }).state, "");
  assert.deepEqual(become({ kind: "tag", value: "new" }, { kind: "untag", value: "odd" }).tags, ["new"]);
  assert.deepEqual(become({ kind: "exclude" }).excluded, true);
  assert.deepEqual(become({ kind: "exclude" }, { kind: "include" }, { kind: "later" }).excluded, false);
  const kept = { ...SUSPECT, state: "kept" }; // Python shows it already
  assert.equal(standing(kept, [{ kind: "undo", of: "long ago", nonce: "n", ids: [[7, 8]] }]).state, "");
});

test("what cannot be decided or changes nothing says why", () => {
  const now = standing(SUSPECT, []);
  assert.equal(undecidable(now, "accept", suggestion(SUSPECT)), "");
  const none = { ...SUSPECT, suggested: -1 };
  assert.equal(undecidable(now, "accept", suggestion(none)), "Nothing of weight names another class: keep or skip.");
  assert.deepEqual([others(SUSPECT).map(({ name }) => name), others(none).length], [["cow"], 2]);
  assert.equal(undecidable(now, "keep"), "");
  assert.equal(undecidable({ ...now, state: "kept" }, "keep"), "Decided already: undo first.");
  const why = (act, more = {}) => needless(SUSPECT, { ...now, ...more }, act);
  assert.equal(why({ action: "relabel", value: 0, label: "cat" }), "It has this label already.");
  assert.equal(why({ action: "relabel", value: 1, label: "dog" }, { state: "kept" }), "Decided already: undo first.");
  assert.equal(why({ action: "tag", value: "odd" }), "It has this tag already.");
  assert.equal(why({ action: "untag", value: "new" }), "It has no such tag.");
  assert.equal(why({ action: "exclude" }, { excluded: true }), "It is excluded already.");
  assert.deepEqual([why({ action: "exclude" }), why({ action: "set", value: "a" })], ["", ""]);
});

test("an undo names the newest decision, and a refused one is forgotten", () => {
  const sent = [];
  const decisions = createDecisions((one) => `nonce-${sent.push(one)}`);
  decisions.give(SUSPECT, { kind: "keep" });
  decisions.give({ ...SUSPECT, place: 4 }, { kind: "tag", value: "new" });
  assert.deepEqual([decisions.undo(), sent.at(-1)], [4, { kind: "undo", of: "nonce-2", ids: [[7, 8]] }]);
  decisions.refuse("nonce-9");
  assert.deepEqual([decisions.undo(), sent.at(-1)], [3, { kind: "undo", of: "nonce-1", ids: [[7, 8]] }]);
  assert.deepEqual([decisions.undo(), decisions.some()], [null, false]);
  decisions.give(SUSPECT, { kind: "accept" });
  decisions.refuse(`nonce-${sent.length}`);
  assert.equal(decisions.some(), false);
  decisions.give(SUSPECT, { kind: "accept" });
  decisions.forget();
  assert.equal(decisions.some(), false);
});

test("what was done is said in words", () => {
  const said = (act) => words(SUSPECT, act);
  assert.deepEqual(
    [said({ action: "keep" }), said({ action: "accept", label: "dog" })],
    ["Kept cat.", "cat is now dog."],
  );
  assert.deepEqual(
    [said({ action: "tag", value: "new" }), said({ action: "untag", value: "new" })],
    ["Tagged new.", "No longer new."],
  );
  assert.equal(said({ action: "exclude" }), "Excluded image 7.");
});

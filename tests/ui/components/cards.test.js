// What the cards of tasks and of review decide without a page: which image is next, what an answer on its way changes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createQueue, progress } from "../../../avhcurate/ui/components/classify/queue.js";
import { completed, matches, meant } from "../../../avhcurate/ui/components/commands/names.js";
import {
  createDecisions,
  needless,
  standing,
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
  queue.hear(
    offered.map((id) => item(id)),
    [],
  );
  const answer = (id) => {
    entries.push({ kind: "answer", id });
    queue.give(item(id), `nonce-${id}`, 0);
  };
  return { entries, queue, answer };
}

test("an image that is answered goes at once, and comes back first when the answer is taken back", () => {
  const { entries, queue, answer } = asked(1, 2, 3);
  answer(1);
  answer(2);
  assert.deepEqual([ids(queue.items()), queue.answered()], [[3], 2]);
  assert.equal(queue.takeBack().item.id, 2);
  entries.push({ kind: "back", id: 2 });
  assert.deepEqual([ids(queue.items()), queue.answered(), queue.last().item.id], [[2, 3], 1, 1]);
  queue.hear([item(2, "another"), item(3)], []);
  assert.equal(queue.items()[0].task, "another"); // Python's newest name of the task
  entries.length = 0;
  queue.hear([item(3)], []);
  assert.deepEqual(ids(queue.items()), [3]); // nobody is asked what Python does not offer
});

test("a refused answer is unanswered, and there is nothing to take back where nothing was given", () => {
  const { queue, answer } = asked(1);
  answer(1);
  queue.hear([item(1)], [{ nonce: "nonce-1", why: "no longer open" }]);
  assert.deepEqual([queue.answered(), queue.last(), queue.takeBack()], [0, undefined, null]);
});

test("progress counts answers on their way", () => {
  const entries = [{ kind: "answer" }, { kind: "skip" }, { kind: "back" }, { kind: "broken" }];
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
  assert.deepEqual(typed(LABEL, "lur"), ["relabel", 1]);
  assert.deepEqual(typed(LABEL, "blur"), ["relabel", 2]);
  assert.deepEqual(typed(LABEL, "blur", { away: true }), ["relabel", null]);
  assert.equal(typed(LABEL, "unknown"), null);
});

// --- review ---------------------------------------------------------------------------------------

const SUSPECT = {
  id: 7,
  place: 3,
  task: "t",
  given: "cat",
  suggested: "dog",
  state: "",
  tags: ["odd"],
  excluded: false,
};

test("a suspect is what the decisions on their way make of it, in their order", () => {
  const become = (...entries) =>
    standing(
      SUSPECT,
      entries.map((entry) => ({ id: 7, ...entry })),
    );
  assert.deepEqual(become(), { state: "", tags: ["odd"], excluded: false });
  assert.equal(become({ kind: "answer", choice: 0 }).state, "accepted");
  assert.equal(become({ kind: "answer", choice: 1 }, { kind: "back" }).state, "");
  assert.equal(become({ kind: "answer", choice: 1, id: 8 }).state, "");
  assert.equal(become({ kind: "act", action: "relabel", value: 2 }).state, "accepted");
  assert.equal(become({ kind: "act", action: "relabel", value: null }).state, "");
  assert.deepEqual(
    become({ kind: "act", action: "tag", value: "new" }, { kind: "act", action: "untag", value: "odd" }).tags,
    ["new"],
  );
  assert.deepEqual(become({ kind: "act", action: "exclude" }).excluded, true);
  assert.deepEqual(
    become({ kind: "act", action: "exclude" }, { kind: "act", action: "include" }, { kind: "later" }).excluded,
    false,
  );
});

test("what cannot be decided or changes nothing says why", () => {
  const now = standing(SUSPECT, []);
  assert.equal(undecidable(SUSPECT, now, 0), "");
  assert.equal(undecidable({ ...SUSPECT, suggested: "" }, now, 0), "No source names another label: keep or skip.");
  assert.equal(undecidable(SUSPECT, { ...now, state: "kept" }, 1), "Decided already: undo first.");
  const why = (act, more = {}) => needless(SUSPECT, { ...now, ...more }, act);
  assert.equal(why({ action: "relabel", value: 0, label: "cat" }), "It has this label already.");
  assert.equal(why({ action: "relabel", value: 1, label: "dog" }, { state: "kept" }), "Decided already: undo first.");
  assert.equal(why({ action: "tag", value: "odd" }), "It has this tag already.");
  assert.equal(why({ action: "untag", value: "new" }), "It has no such tag.");
  assert.equal(why({ action: "exclude" }, { excluded: true }), "It is excluded already.");
  assert.deepEqual([why({ action: "exclude" }), why({ action: "set", value: "a" })], ["", ""]);
});

test("an undo sends what takes the newest back, and a refused one is forgotten", () => {
  const sent = [];
  const decisions = createDecisions({ put: (entry) => `nonce-${sent.push(entry)}` });
  decisions.decide(SUSPECT, 1, 900);
  decisions.act({ ...SUSPECT, place: 4 }, "tag", "new");
  decisions.act(SUSPECT, "relabel", 1);
  assert.deepEqual([decisions.undo(), sent.at(-1)], [3, { kind: "act", action: "relabel", value: null, id: 7 }]);
  assert.deepEqual([decisions.undo(), sent.at(-1)], [4, { kind: "act", action: "untag", value: "new", id: 7 }]);
  decisions.refuse([{ nonce: "nonce-9", why: "other" }]);
  assert.deepEqual([decisions.undo(), sent.at(-1)], [3, { kind: "back", of: "nonce-1", id: 7 }]);
  assert.deepEqual([decisions.undo(), decisions.some()], [null, false]);
  decisions.decide(SUSPECT, 0, 900);
  decisions.refuse([{ nonce: `nonce-${sent.length}`, why: "It is gone." }]);
  assert.equal(decisions.some(), false);
  decisions.decide(SUSPECT, 0, 900);
  decisions.forget();
  assert.equal(decisions.some(), false);
});

test("what was done is said in words", () => {
  const said = (act) => words(SUSPECT, act);
  assert.deepEqual([said({ choice: 1 }), said({ choice: 0, label: "dog" })], ["Kept cat.", "cat is now dog."]);
  assert.deepEqual(
    [said({ action: "tag", value: "new" }), said({ action: "untag", value: "new" })],
    ["Tagged new.", "No longer new."],
  );
  assert.equal(said({ action: "exclude" }), "Excluded image 7.");
});

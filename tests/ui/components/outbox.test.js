// Decisions on their way to the server: kept, sent in their order, sent again, and answered once.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { carryBy } from "../../../avhcurate/ui/components/carrier.js";
import { openWindow, settled, stopTime } from "./fakes.js";

const PLACE = { keeper: "ann", decisions: "/decisions/new", window: "w" };
const ABOUT = { dataset: "pets", version: "1", entry: 4 };
const cut = () => Promise.reject(new Error("no connection"));

let pages = 0;
let sent = [];
let server = () => taken;

beforeEach(() => {
  openWindow();
  sent = [];
  server = taken;
  carryBy({
    read: async (address, options) => {
      const decisions = JSON.parse(options.body);
      sent.push({ address, ...options, decisions });
      return server(decisions);
    },
  });
});

// What the server says where everything is done; from the fifth entry of the log on.
const outcome = ({ nonce }, at) => ({ nonce, why: "", text: "", undo: false, entry: 5 + at });
const taken = (decisions) => ({ ok: true, json: async () => ({ outcomes: decisions.map(outcome) }) });

// The outbox of a page that was just loaded.
const load = () => import(`../../../avhcurate/ui/components/outbox.js?${(pages += 1)}`);

async function open(place = PLACE) {
  const outbox = await load();
  const answered = [];
  outbox.listen({ answered: (one) => answered.push(one) });
  outbox.connect(place);
  return {
    outbox,
    answered,
    decide: (id, more) => outbox.decide({ kind: "tag", ...ABOUT, ids: [[id, id + 1]], ...more }),
  };
}

const idsOf = (decisions) => decisions.map(({ ids }) => ids[0][0]);
const keys = () => Object.keys(localStorage);

test("a decision whose images are asked for is unsaved until they have come, or never will", async () => {
  const { outbox } = await open();
  const ends = [];
  const asked = new Promise((...both) => ends.push(...both));
  const counts = () => [outbox.countUnsaved(), outbox.countBegun(), outbox.unsaved().length];
  const begun = outbox.begin(asked);
  assert.deepEqual(counts(), [1, 1, 0]);
  ends[1](new Error("gone"));
  await assert.rejects(begun);
  assert.deepEqual(counts(), [0, 0, 0]);
  assert.equal(await outbox.begin(Promise.resolve("ids")), "ids");
});

test("a decision is kept until the server has it, sent so that it outlives the page, and named by what it is about", async () => {
  const { outbox, answered, decide } = await open();
  const nonce = decide(3);
  assert.deepEqual([keys(), idsOf(outbox.unsaved())], [[`avhcurate:outbox:ann:${nonce}`], [3]]);
  await settled();
  const [{ address, method, keepalive, decisions }] = sent;
  assert.deepEqual([address, method, keepalive, decisions.length], ["/decisions/new", "POST", true, 1]);
  assert.equal(decisions[0].window, "w");
  assert.deepEqual([keys(), outbox.unsaved(), answered[0].decided.nonce], [[], [], nonce]);
});

test("what a page has left is sent by the next, in its order, by the same person only", async () => {
  server = cut;
  const { decide } = await open();
  decide(3);
  decide(4);
  await settled();
  server = taken;
  const other = await open({ ...PLACE, keeper: "bob" });
  await settled();
  assert.deepEqual([other.answered, keys().length], [[], 2]);
  const next = await open();
  await settled();
  assert.deepEqual([idsOf(sent.at(-1).decisions), next.answered.length, keys()], [[3, 4], 2, []]);
});

test("each message has all that waits, so that none overtakes another, and few are under way", async () => {
  const held = [];
  server = (decisions) => new Promise((done) => held.push(() => done(taken(decisions))));
  const { outbox, decide } = await open();
  for (const id of [1, 2, 3, 4, 5]) decide(id);
  await settled();
  assert.deepEqual(
    sent.map(({ decisions }) => idsOf(decisions)),
    [[1], [1, 2], [1, 2, 3]],
  );
  held[1]();
  await settled();
  assert.deepEqual(idsOf(outbox.unsaved()), [3, 4, 5]);
  held[0]();
  held[2]();
  await settled();
  assert.deepEqual(idsOf(sent.at(-1).decisions), [4, 5]);
  decide(6);
  outbox.leave(); // whatever is under way
  assert.deepEqual(idsOf(sent.at(-1).decisions), [4, 5, 6]);
});

test("without an answer it tries again after pauses that grow, and says that the server is lost until it is there", async (context) => {
  const tick = stopTime(context);
  const { outbox, decide } = await open();
  server = cut;
  decide(1);
  await tick(100);
  assert.deepEqual([outbox.whyLost(), sent.length], ["no connection", 1]);
  await tick(7000); // 1, 2 and 4 seconds
  assert.equal(sent.length, 4);
  server = taken;
  outbox.hurry();
  await tick(100);
  assert.deepEqual([outbox.whyLost(), outbox.unsaved(), sent.length], ["", [], 5]);
});

test("what the server cannot do now stays, and what it refuses is done with and says why", async (context) => {
  const tick = stopTime(context);
  const { outbox, answered, decide } = await open();
  server = (decisions) => ({ ok: true, json: async () => ({ outcomes: decisions.slice(0, -1).map(outcome) }) });
  decide(1);
  await tick(100);
  assert.deepEqual([outbox.whyLost(), outbox.unsaved().length], ["", 1]);
  server = (decisions) => ({
    ok: true,
    json: async () => ({ outcomes: decisions.map((one) => ({ ...outcome(one, 0), why: "It is gone." })) }),
  });
  await tick(1100);
  assert.deepEqual([outbox.unsaved(), answered.map(({ why }) => why)], [[], ["It is gone."]]);
  assert.deepEqual(outbox.unshown(ABOUT), []); // it shows as it was
  server = () => ({ ok: false });
  decide(2);
  await tick(100);
  assert.equal(outbox.whyLost(), "no connection");
});

test("who is signed out hears so, and what they decided goes out once they have signed in", async (context) => {
  const tick = stopTime(context);
  const { outbox, decide } = await open();
  server = () => ({ ok: false, status: 401 });
  decide(1);
  await tick(100);
  assert.deepEqual([outbox.whyLost(), keys().length], ["signed out", 1]);
  server = cut;
  await tick(1100);
  assert.equal(outbox.whyLost(), "no connection");
  server = taken;
  await tick(2000);
  assert.deepEqual([outbox.whyLost(), outbox.unsaved(), keys()], ["", [], []]);
});

test("a page draws what it has not got: what waits, and what the server has done since", async () => {
  const { outbox, decide } = await open();
  decide(1);
  await settled();
  server = cut;
  decide(2);
  decide(3, { dataset: "other" });
  assert.deepEqual(idsOf(outbox.unshown(ABOUT)), [1, 2]);
  assert.deepEqual(idsOf(outbox.unshown({ ...ABOUT, entry: 5 })), [2]);
  assert.deepEqual(outbox.unshown({ ...ABOUT, version: "2" }), []);
});

test("what is decided before the page says where goes then, and without a storage it is kept as long as the page", async () => {
  Object.defineProperty(globalThis, "localStorage", {
    get: () => {
      throw new Error("denied");
    },
    configurable: true,
  });
  const outbox = await load();
  outbox.decide({ kind: "exclude", ...ABOUT });
  await settled();
  assert.deepEqual(sent, []);
  outbox.connect(PLACE);
  await settled();
  assert.equal(sent[0].decisions[0].kind, "exclude");
});

test("who listens no more hears nothing", async () => {
  const { outbox, decide } = await open();
  let received = 0;
  const end = outbox.listen({ changed: () => (received += 1) });
  end();
  decide(1);
  await settled();
  assert.equal(received, 0);
});

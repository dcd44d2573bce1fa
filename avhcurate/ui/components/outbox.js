// Decisions on their way: each is kept in the browser until the server has it, and sent again after a cut or a reload,
// by whichever page is open then. This is of the page, and stays when Streamlit takes a component away.

import { read } from "./carrier.js";
import { createStore, SILENT_MS } from "./shared.js";

/** @import { About, Answered, Decided, Listener, Keeper } from "./events.js" */
/** @import { Outbox } from "./messages.js" */

// Why nothing is saved.
export const NO_CONNECTION = "no connection";
export const SIGNED_OUT = "signed out";

const PREFIX = "avhcurate:outbox:";
const MOST = 400; // decisions in a message
const MOST_LETTERS = 50_000; // of a message that outlives its page
const AT_ONCE = 3; // messages under way
const PAUSE_MS = 500; // before another try, then twice as long
const LONGEST_PAUSE_MS = 8000;
const REMEMBERED = 500;
const FRESH_MS = 60_000; // until no data of before come any more

const store = createStore("localStorage"); // one key a decision, so that two tabs never write over each other
const mount = globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
const waiting = /** @type {Map<string, Decided>} */ (new Map()); // nonce -> decision, in the order given
const listeners = /** @type {Set<Listener>} */ (new Set());
let answers = /** @type {Answered[]} */ ([]); // the newest
let place = /** @type {Keeper} */ ({ keeper: "", decisions: "", window: "" });
let turn = 0;
let underWay = 0;
let begun = 0; // decisions whose images the server is asked for, which no storage holds yet
let timer = 0;
let pause = PAUSE_MS;
let lost = ""; // why the server takes nothing, "" where it does

/** @param {string} nonce */
const keyOf = (nonce) => `${PREFIX}${place.keeper}:${nonce}`;

/** @param {Decided} decided */
function keep(decided) {
  if (place.keeper) store.keep(keyOf(decided.nonce), decided);
}

function changed() {
  for (const listener of listeners) listener.changed?.();
}

// Says where decisions go, under which name this browser keeps them ("" for not at all), and which window this is.
// What an earlier page has left is sent.
/** @param {Keeper} next */
export function connect(next) {
  const before = place.keeper;
  place = next;
  if (!place.keeper || place.keeper === before) return;
  for (const decided of waiting.values()) keep(decided);
  const left = store.keys().flatMap((key) => (key.startsWith(keyOf("")) ? (store.recall(key) ?? []) : []));
  for (const decided of left.sort((a, b) => a.at - b.at)) waiting.set(decided.nonce, decided);
  if (waiting.size) changed();
  send();
}

// Decides something; returns its nonce, which makes a second delivery harmless.
/** @param {Omit<Decided, "nonce" | "at">} decision */
export function decide(decision) {
  turn += 1;
  const decided = { window: place.window, ...decision, nonce: `${mount}-${turn}`, at: Date.now() };
  waiting.set(decided.nonce, decided);
  keep(decided);
  changed();
  send();
  return decided.nonce;
}

// A decision needs an answer of the server first: until that has come, it is not saved either.
/** @template T @param {Promise<T>} answer */
export async function begin(answer) {
  begun += 1;
  changed();
  try {
    return await answer;
  } finally {
    begun -= 1;
    changed();
  }
}

// Each message has all that waits, in its order, so that none overtakes another.
async function send(leaving = false) {
  if (!place.decisions || !waiting.size || (underWay >= AT_ONCE && !leaving)) return;
  clearTimeout(timer);
  underWay += 1;
  const { outcomes = [], why = "" } = await post([...waiting.values()].slice(0, MOST));
  underWay -= 1;
  const moved = outcomes.map(take).some(Boolean);
  pause = moved ? PAUSE_MS : Math.min(LONGEST_PAUSE_MS, 2 * pause);
  setLost(waiting.size ? why : "");
  if (!waiting.size || underWay) return;
  if (moved) send();
  else timer = setTimeout(send, pause);
}

// What came of each decision, or why the server does not say.
/** @param {Decided[]} decisions @returns {Promise<{ outcomes?: Outbox.Outcome[], why?: string }>} */
async function post(decisions) {
  const body = JSON.stringify(decisions);
  const headers = { "Content-Type": "application/json" };
  const keepalive = body.length < MOST_LETTERS;
  const signal = AbortSignal.timeout(SILENT_MS);
  try {
    const answer = await read(place.decisions, { method: "POST", headers, body, keepalive, signal });
    if (answer.ok) return await answer.json();
    return { why: answer.status === 401 ? SIGNED_OUT : NO_CONNECTION };
  } catch {
    return { why: NO_CONNECTION };
  }
}

// Returns whether it was not known yet.
/** @param {Outbox.Outcome} outcome */
function take(outcome) {
  const decided = waiting.get(outcome.nonce);
  if (!decided) return false;
  waiting.delete(outcome.nonce);
  store.forget(keyOf(outcome.nonce));
  const answered = { ...outcome, decided, received: Date.now() };
  answers = [...answers, answered].slice(-REMEMBERED);
  for (const listener of listeners) listener.answered?.(answered);
  changed();
  return true;
}

/** @param {string} now */
export function setLost(now) {
  if (now === lost) return;
  lost = now;
  changed();
}

// Tries again at once, say since the browser is online again.
export function hurry() {
  pause = PAUSE_MS;
  setLost("");
  send();
}

// Sends what waits as the page is left; what does not arrive is in the storage, for the next page.
export const leave = () => send(true);

// What is not answered yet, in the order given.
export const unsaved = () => [...waiting.values()];
export const countUnsaved = () => waiting.size + begun;
export const countBegun = () => begun;
export const whyLost = () => lost;

// What the server has done so lately that data of before may still come, oldest first.
export const fresh = () => answers.filter(({ why, received }) => !why && received > Date.now() - FRESH_MS);

// What a page `about` some samples does not show: what the server has done since, and what waits.
/** @param {About} about */
export function unshown({ dataset, version, entry }) {
  const done = answers.flatMap((one) => (one.entry > entry && !one.why ? [one.decided] : []));
  return [...done, ...waiting.values()].filter((one) => one.dataset === dataset && one.version === version);
}

// `changed()` is called when something waits, is answered, or the server is lost or found, and `answered()` with what
// came of a decision, whoever decided it. Returns what ends that.
/** @param {Listener} listener */
export function listen(listener) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

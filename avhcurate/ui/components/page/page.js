// Keeps decisions until the server has them, runs the page again when something was decided, here or elsewhere, or a
// mark was clicked, and loads it again where nothing comes any more. What does so stays when Streamlit takes the
// component away.

import { connect, countBegun, hurry, leave, listen, NO_CONNECTION, setLost } from "../outbox.js";
import { createStore, mounted, readJson } from "../shared.js";
import { awaitData, fed, watchPage } from "../watch.js";
import { watchHistory } from "./history.js";
import { watchMarks } from "./marks.js";
import { holdDownloads, paintStatus, showRefused } from "./status.js";

/** @import { Answered, Component } from "../events.js" */
/** @import { Page } from "../messages.js" */

const EVERY_MS = 500; // between two questions whether something has changed
const LEAVING_MS = 3500; // in which the page that a click leads to comes, and less than until data are asked for again
const PAGE = "page"; // what of it waits for data
const PAST = "avhcurate:window"; // the name of this window's first session

export default mounted(createPage);

const store = createStore("sessionStorage");
let data = /** @type {Page.Data | null} */ (null);
let component = /** @type {Component | null} */ (null);
let asked = ""; // the address that has said that something has changed
let answers = /** @type {unknown} */ (null); // what changes with each answer of an annotator
let wanted = 0; // the entry of the log that the page is to show
let left = Number.NEGATIVE_INFINITY; // when a link or a mark was clicked
let backs = 0; // how often this window went back or forward
let arrived = /** @type {(backs: number, query: string) => void} */ (() => undefined);
const runAgain = () => component?.setTriggerValue("changed", true);

function createPage() {
  let own = /** @type {Component | null} */ (null);
  return {
    /** @param {Page.Data} next @param {Component} sender */
    update(next, sender) {
      const before = data;
      component = own = sender;
      data = next;
      if (!before) begin(next.health);
      if (next.dataset !== before?.dataset) wanted = 0;
      if (next.entry >= wanted) fed(PAGE);
      arrived(next.session === before?.session ? next.backs : backs, next.query);
      connect({ keeper: next.keeper, decisions: next.decisions, window: windowOf(next.session) });
    },
    destroy() {
      if (component === own) component = null;
    },
  };
}

/** @param {string} health */
function begin(health) {
  listen({ changed: paintStatus, answered });
  paintStatus();
  addEventListener("pagehide", leave);
  addEventListener("beforeunload", (event) => countBegun() && event.preventDefault()); // the browser asks
  addEventListener("online", hurry);
  addEventListener("offline", () => setLost(NO_CONNECTION));
  holdDownloads();
  watchPage(health, () => data?.page ?? "");
  addEventListener("click", ({ target }) => /** @type {Element} */ (target).closest?.("a[href]") && leavePage(), true);
  watchMarks((address) => {
    leavePage();
    component?.setTriggerValue("clicked", address);
  });
  arrived = watchHistory(goingBack);
  look();
}

// To run this page again would take back that another one was asked for.
function leavePage() {
  left = Date.now();
}

const leaving = () => Date.now() < left + LEAVING_MS;

// The page runs again to show what it has not got, unless who decided it asks for that.
/** @param {Answered} one */
function answered(one) {
  if (one.why) showRefused(one);
  const here = data?.dataset === one.decided.dataset && one.entry > data.entry;
  if (!here || one.decided.quiet) return;
  wanted = Math.max(wanted, one.entry);
  awaitData(PAGE, runAgain);
  if (!leaving()) runAgain();
}

/** @param {string} session */
function windowOf(session) {
  const known = store.recall(PAST) ?? session;
  store.keep(PAST, known);
  return known;
}

const rests = () =>
  !document.hidden &&
  !leaving() &&
  document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]") !== null;

/** @param {Page.Data} data */
function ask({ changes, session }) {
  const query = new URLSearchParams({ session, window: windowOf(session), backs: `${backs}` });
  return readJson(`${changes}&${query}`, { cache: "no-store" });
}

/** @param {number} times */
async function goingBack(times) {
  backs = times;
  return Boolean(data?.changes) && (await ask(/** @type {Page.Data} */ (data))) !== null;
}

// Asks whether another window has changed what the page shows. While the page runs, or nobody looks, it does not ask.
async function look() {
  const shown = /** @type {Page.Data} */ (data);
  const { changes } = shown;
  if (component && changes && rests() && asked !== changes) {
    const news = (await ask(shown)) ?? { answers };
    if (news.answers !== answers) dispatchEvent(new Event("avhcurate-answers"));
    answers = news.answers;
    if (news.changed && rests() && changes === data?.changes) {
      asked = changes; // once
      runAgain();
    }
  }
  setTimeout(look, EVERY_MS);
}

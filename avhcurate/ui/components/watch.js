// Watches over a page that Streamlit no longer feeds: an empty one, one that does not hear of what was decided, or one
// whose connection Streamlit has given up.

import { createStore } from "./shared.js";

const EVERY_MS = 500;
const EMPTY_MS = 3000;
const AGAIN_MS = 4000; // until data are asked for once more
const UNFED_MS = 10_000;
const CUT_MS = 30_000; // in which a cut may have lost data
const BETWEEN_MS = 30_000; // two times that the page is loaded
const LOADED = "avhcurate:loaded"; // when this window was last loaded again

const APP = "[data-testid=stApp]";
const CONNECTION = "data-test-connection-state";
const RESTS = `[${CONNECTION}=CONNECTED][data-test-script-state=notRunning]`;
const GIVEN_UP = `[${CONNECTION}=DISCONNECTED_FOREVER]`;
const SHOWN = "[data-testid=stMain] [data-testid=stElementContainer]";

const store = createStore("sessionStorage");
const hungry = /** @type {Map<string, () => void>} */ (new Map()); // what waits for data, and how it asks for them

let lost = Number.NEGATIVE_INFINITY; // when there was no connection last

// A part of the page has asked for data that show what was decided, and waits until it is `fed`.
/** @param {string} part @param {() => void} ask */
export const awaitData = (part, ask) => hungry.set(part, ask);

// Data of one part mean that all have theirs, but after a cut, which may have lost those of another.
/** @param {string} part */
export function fed(part) {
  if (Date.now() - lost < CUT_MS) hungry.delete(part);
  else hungry.clear();
}

// `health` is an address that answers while the server does, `name()` the page that is shown.
/** @param {string} health @param {() => string} name */
export function watchPage(health, name) {
  let page = name();
  let empty = 0; // milliseconds
  let unfed = 0;

  async function look() {
    if (page !== name()) hungry.clear();
    page = name();
    const app = document.querySelector(APP);
    measure(!app || app.matches(RESTS)); // after a fault of its own Streamlit takes away all of the page
    if (unfed === AGAIN_MS) for (const ask of hungry.values()) ask();
    if (empty >= EMPTY_MS || unfed >= UNFED_MS || app?.matches(GIVEN_UP)) await loadAgain();
    setTimeout(look, EVERY_MS);
  }

  // While a run is going on, or there is no connection, nothing is missing yet.
  /** @param {boolean} rests */
  function measure(rests) {
    empty = rests && !document.querySelector(SHOWN) ? empty + EVERY_MS : 0;
    unfed = rests && hungry.size ? unfed + EVERY_MS : 0;
  }

  async function loadAgain() {
    if (Date.now() - (store.recall(LOADED) ?? 0) < BETWEEN_MS) return;
    const answer = await fetch(health, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) return;
    store.keep(LOADED, Date.now());
    location.reload();
  }

  new MutationObserver(() => {
    if (!document.querySelector(`[${CONNECTION}=CONNECTED]`)) lost = Date.now();
  }).observe(document, { subtree: true, attributeFilter: [CONNECTION] });
  setTimeout(look, EVERY_MS);
}
